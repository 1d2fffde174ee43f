"""In doubt is a state: an intent whose effect nobody has seen, by a crash or a lost answer.

For every kind that writes, forward and as an undo: the effect did not happen, happened, or happens
late, right after the look that did not find it. The end is the same as if nothing had gone wrong.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum
from functools import cache

import pytest

from rollout_kit.document.plan import PlanDocument
from rollout_kit.emulator.model.settings import Generation
from rollout_kit.execution.executor import End, Executor
from rollout_kit.execution.rollback import current, undo_lists
from rollout_kit.model.events import Event, HoldKind, OperationReapplied, Outcome, RollbackStarted
from rollout_kit.model.identity import CohortRef
from rollout_kit.model.observation import Facts
from rollout_kit.model.operation import Operation
from rollout_kit.operations.api import Readers, Seen, Writers
from rollout_kit.operations.registry import KINDS
from rollout_kit.ports.approvals import PersonSaid
from rollout_kit.ports.errors import OutsideError, Unavailable
from rollout_kit.ports.infra import InfraChange, JobState, JobStatus, ProcessSpec, RunCommand
from rollout_kit.simulation.world import NEW, World
from tests.safety.moments import when
from tests.safety.people import say
from tests.safety.plans import (
    SCHEDULER,
    SCHEMA,
    SMOKE_THEN_ALL,
    api,
    canary,
    drain,
    held,
    outcome,
    read,
    sentence,
    small,
)

CHECKS = {
    "await_approval",
    "await_cohort",
    "await_lease_free",
    "await_node",
    "await_nodes",
    "await_quiesced",
    "await_retired",
    "await_scheduler",
    "await_superseded",
    "bake",
    "check_skew",
    "judge_gate",
}
"""They write nothing, so nothing of them can be in doubt."""
ASKED = RollbackStarted(cause="asked", actor="me")


class Killed(BaseException):
    """As `kill -9`: nobody catches it, nothing is tidied up."""


class Effect(Enum):
    NOT = "did not happen"
    DONE = "happened"
    LATE = "happens late"


class Doubt(Enum):
    CRASH = "crash"
    LOST_ANSWER = "lost answer"


@dataclass(frozen=True)
class Case:
    """One operation of a small plan. `undo`: it is one of the rollback's."""

    kind: str
    operation: str
    steps: tuple[str, ...]
    only: Generation | None = None

    @property
    def undo(self) -> bool:
        return self.operation.startswith("undo/")

    def __str__(self) -> str:
        return f"{'undo ' if self.undo else ''}{self.kind}"


NODES = (SCHEMA, api())
TIMES = (SCHEMA, SCHEDULER)
WORK = (canary("orders", stages=SMOKE_THEN_ALL), drain("orders"))
CASES = (
    Case("run_bootstrap", "schema/run", (SCHEMA,)),
    Case("check_ledger", "schema/ledger", (SCHEMA,)),
    Case("detach_node", "api/api-1/detach", NODES),
    Case("replace_node", "api/api-1/replace", NODES),
    Case("attach_node", "api/api-1/attach", NODES),
    Case("replace_maintenance", "api/maintenance/repair/replace", NODES),
    Case("stop_scheduler", "sched/stop", TIMES),
    Case("start_scheduler", "sched/start", TIMES),
    Case("resume_cohort", "canary/orders/resume", WORK),
    Case("deploy_cohort", "canary/orders/deploy", WORK),
    Case("smoke_runs", "canary/smoke-1/orders", WORK),
    Case("promote_build", "canary/share-2/orders/promote", WORK, only=Generation.V2),
    Case("drain_cohort", "drain/orders/drain", WORK),
    Case("stop_cohort", "drain/orders/stop", WORK),
    Case("detach_node", "undo/api/api-1/attach/1", NODES),
    Case("replace_node", "undo/api/api-1/replace/1", NODES),
    Case("attach_node", "undo/api/api-1/detach/1", NODES),
    Case("stop_scheduler", "undo/sched/start/1", TIMES),
    Case("start_scheduler", "undo/sched/stop/1", TIMES),
    Case("deploy_cohort", "undo/drain/orders/stop/1", WORK),
    Case("resume_cohort", "undo/drain/orders/drain/2", WORK),
    Case("promote_build", "undo/canary/share-2/orders/promote/2", WORK, only=Generation.V2),
    Case("drain_cohort", "undo/canary/orders/deploy/3", WORK),
    Case("stop_cohort", "undo/canary/orders/deploy/5", WORK),
)
HARMLESS = {
    "run_bootstrap": "an additive schema stays by contract",
    "check_ledger": "it reads",
    "attach_node": "that is what the undo did",
    "promote_build": "the server refuses a build without workers",
}
"""Why a request of this kind that arrives after its rollback leaves the fleet as it was."""
ELSEWHERE = {"run_command", "terminate_smoke", "remove_cohort"}
"""Who runs the first is the author's machine, what the second ends is open for a moment only: both
below. The last is for a driver with a configuration: drivers/pulumi/test_driver.py."""


def test_every_kind_that_writes_is_here() -> None:
    assert set(KINDS) == CHECKS | {case.kind for case in CASES} | ELSEWHERE


def fleet(generation: Generation, case: Case) -> tuple[World, PlanDocument]:
    world = small(generation)
    if case.steps == NODES:
        spec = ProcessSpec(image="server:old", environment={})
        world.fleet.maintenance["repair"] = spec
    if case.operation.endswith("/resume"):
        path = "/api/task-queues/orders/build-ids/drain"
        world.control("POST", path, {"build_id": NEW})
    server = "" if case.steps == WORK else None
    return world, read(world, *case.steps, server=server)


@contextmanager
def doubtful(case: Case, effect: Effect, doubt: Doubt) -> Iterator[None]:
    """Its first effect happens as `effect` says, and nobody hears of it."""
    kind = KINDS[case.kind]
    apply, observe = kind.apply, kind.observe
    sent: list[tuple[Operation, str, Writers]] = []

    def unheard(op: Operation, key: str, writers: Writers) -> None:
        if op.id != case.operation or sent:
            return apply(op, key, writers)
        sent.append((op, key, writers))
        if effect is Effect.DONE:
            apply(op, key, writers)
        if doubt is Doubt.CRASH:
            raise Killed
        raise Unavailable("the connection broke before an answer came")

    def then(op: Operation, readers: Readers, now_s: float) -> Seen:
        seen = observe(op, readers, now_s)
        if op.id == case.operation and sent and effect is Effect.LATE and len(sent) == 1:
            sent.append(sent[0])
            with suppress(OutsideError):  # its answer goes nowhere
                apply(*sent[0])
        return seen

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kind, "apply", unheard)
        patch.setattr(kind, "observe", then)
        yield
    assert sent, f"{case.operation} was never sent"


def play(
    generation: Generation, case: Case, effect: Effect | None = None, doubt: Doubt = Doubt.CRASH
) -> tuple[World, PlanDocument, Executor]:
    """The rollout, and where it is an undo its rollback, with this one operation in doubt."""
    world, document = fleet(generation, case)
    events: tuple[Event, ...] = ()
    if case.undo:
        _, state = world.apply(document)
        assert outcome(state) is Outcome.SUCCEEDED, state.hold or sentence(state)
        events = (ASKED,)
    executor = world.executor(document, *events)
    if effect is None:
        executor.run()
        return world, document, executor
    with doubtful(case, effect, doubt):
        try:
            executor.run()
        except Killed:
            executor = world.executor(document)
            executor.run()
    return world, document, executor


def picture(world: World, document: PlanDocument) -> Facts:
    seen = world.preview(document).seen
    assert seen is not None
    return seen.facts


@cache
def undisturbed(generation: Generation, case: Case) -> Facts:
    return picture(*play(generation, case)[:2])


def rows() -> list[object]:
    """Both generations after a crash; the newer one after a lost answer too."""
    return [
        pytest.param(
            generation,
            case,
            effect,
            doubt,
            id=f"{case}-{generation.value}-{name}",
            marks=[pytest.mark.crash] if case.steps == WORK else [],
        )
        for case in CASES
        for generation in Generation
        if case.only in (None, generation)
        for effect in Effect
        for doubt in Doubt
        if doubt is Doubt.CRASH or generation is Generation.V2
        for name in [f"{effect.value}-{doubt.value}"]
    ]


@pytest.mark.parametrize(("generation", "case", "effect", "doubt"), rows())
def test_a_look_comes_first_and_the_end_is_the_same(
    generation: Generation, case: Case, effect: Effect, doubt: Doubt
) -> None:
    world, document, executor = play(generation, case, effect, doubt)
    expected = Outcome.ROLLED_BACK if case.undo else Outcome.SUCCEEDED
    assert outcome(executor.state) is expected, sentence(executor.state)
    assert picture(world, document) == undisturbed(generation, case)
    again = [
        event.operation
        for event in (record.event for record in executor.shell.journal.read())
        if isinstance(event, OperationReapplied)
    ]
    assert again == ([] if effect is Effect.DONE else [case.operation])


# --- a late request with a rollback between -----------------------------------------------------------


@pytest.mark.parametrize("after_s", [0.5, 6.0], ids=["soon", "late"])
@pytest.mark.parametrize(
    ("generation", "case"),
    [
        pytest.param(
            g, c, id=f"{c}-{g.value}", marks=[pytest.mark.crash] if c.steps == WORK else []
        )
        for c in CASES
        if not c.undo
        for g in Generation
        if c.only in (None, g)
    ],
)
def test_a_request_that_arrives_after_the_rollback_is_seen_by_the_settling_look(
    generation: Generation, case: Case, after_s: float
) -> None:
    """Nobody heard of it, nobody saw it, everything was put back; then it arrives."""
    world, document = fleet(generation, case)
    executor = world.executor(document)
    kind = KINDS[case.kind]
    apply = kind.apply
    sent: list[tuple[Operation, str, Writers]] = []

    def lost(op: Operation, key: str, writers: Writers) -> None:
        if op.id != case.operation:
            return apply(op, key, writers)
        sent.append((op, key, writers))
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kind, "apply", lost)
        with pytest.raises(Killed):
            executor.run()
        executor = world.executor(document, ASKED)
        until_s: list[float] = []
        live = world.clock.glance

        def arrive() -> None:
            live()
            if not until_s and run_out(executor):
                until_s.append(world.clock.elapsed_s + after_s)
            if until_s and sent and world.clock.elapsed_s >= until_s[0]:
                with suppress(OutsideError):
                    apply(*sent.pop())

        world.clock.glance = arrive
        executor.run()
    assert sent == [], "it has arrived"
    harmless = HARMLESS.get(case.kind, "")
    if case.kind == "smoke_runs" and generation is Generation.V0_2:
        harmless = "the node carries the old marker again: the old build completes them"
    if harmless:
        assert not picture(world, document).get(f"cohort/default/orders/{NEW}/replicas")
        assert outcome(executor.state) is Outcome.ROLLED_BACK, sentence(executor.state)
        return
    assert outcome(executor.state) is Outcome.ROLLBACK_INCOMPLETE
    assert "Not undone: " in sentence(executor.state)


@pytest.mark.parametrize("effect", [Effect.NOT, Effect.DONE], ids=lambda e: e.value)
@pytest.mark.parametrize("generation", list(Generation), ids=lambda g: g.value)
@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=str(case), marks=[pytest.mark.crash] if case.steps == WORK else [])
        for case in CASES
        if not case.undo
    ],
)
def test_rolled_back_while_in_doubt_it_is_as_before(
    case: Case, generation: Generation, effect: Effect
) -> None:
    """What was never sent leaves nothing to undo, and nothing behind: no row for a build that never came."""
    if case.only not in (None, generation):
        return
    world, document = fleet(generation, case)
    before = picture(world, document)
    with doubtful(case, effect, Doubt.CRASH), pytest.raises(Killed):
        world.executor(document).run()
    executor = world.executor(document, ASKED)
    executor.run()
    assert outcome(executor.state) is Outcome.ROLLED_BACK, sentence(executor.state)
    found = picture(world, document)
    if (
        case.kind == "deploy_cohort"
        and effect is Effect.NOT
        and not case.operation.endswith("resume")
    ):
        assert f"cohort/default/orders/{NEW}/drain_intent" not in found
    ignored = (f"cohort/default/orders/{NEW}/", "bootstrap/")
    assert {k: v for k, v in found.items() if not k.startswith(ignored)} == {
        k: v for k, v in before.items() if not k.startswith(ignored)
    }
    assert not found.get(f"cohort/default/orders/{NEW}/replicas")


@pytest.mark.parametrize("generation", list(Generation), ids=lambda g: g.value)
def test_what_the_driver_is_still_at_is_awaited_before_there_is_nothing_to_undo(
    generation: Generation,
) -> None:
    """It shows no cohort yet, and will: with nothing stopped, the rollback would have left it running."""
    case = Case("deploy_cohort", "canary/orders/deploy", WORK)
    world, document = fleet(generation, case)
    kind, work = KINDS[case.kind], world.fleet.work
    apply = kind.apply
    sent: list[tuple[Operation, str, Writers]] = []

    def slow(op: Operation, key: str, writers: Writers) -> None:
        if op.id != case.operation:
            return apply(op, key, writers)
        sent.append((op, key, writers))
        raise Killed

    def at_work(key: str) -> JobStatus:
        if sent and key == sent[0][1]:
            if world.clock.elapsed_s < done_s:
                return JobStatus(state=JobState.RUNNING)
            apply(*sent.pop())
        return work(key)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kind, "apply", slow)
        patch.setattr(world.fleet, "work", at_work)
        with pytest.raises(Killed):
            world.executor(document).run()
        done_s = world.clock.elapsed_s + 5.0
        executor = world.executor(document, ASKED)
        executor.run()
    assert sent == [], "it came up"
    assert outcome(executor.state) is Outcome.ROLLED_BACK, sentence(executor.state)
    assert not picture(world, document).get(f"cohort/default/orders/{NEW}/replicas")
    gone = CohortRef(namespace="default", task_queue="orders", build_id=NEW)
    assert world.fleet.cohort_processes(gone) == ()


BY_THE_DRIVER = {case.kind for case in CASES} - {
    "resume_cohort",
    "smoke_runs",
    "promote_build",
    "drain_cohort",
}


@pytest.mark.parametrize("generation", list(Generation), ids=lambda g: g.value)
@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=str(case), marks=[pytest.mark.crash] if case.steps == WORK else [])
        for case in CASES
        if case.kind in BY_THE_DRIVER
    ],
)
def test_work_whose_supervisor_died_is_begun_again_by_the_same_process(
    case: Case, generation: Generation
) -> None:
    """It was told as begun again, and for a job of the schema and a node that was back it was not."""
    world, document = fleet(generation, case)
    if case.undo:
        world.apply(document)
    kind, jobs = KINDS[case.kind], world.fleet.jobs
    apply = kind.apply
    lost: list[str] = []

    def dies(op: Operation, key: str, writers: Writers) -> None:
        before = dict(jobs)
        apply(op, key, writers)
        if op.id == case.operation and not lost:
            lost.extend(name for name, job in jobs.items() if before.get(name) is not job)
            jobs.update(dict.fromkeys(lost, JobStatus(state=JobState.LOST)))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kind, "apply", dies)
        executor = world.executor(document, *((ASKED,) if case.undo else ()))
        executor.run()
    assert lost
    expected = Outcome.ROLLED_BACK if case.undo else Outcome.SUCCEEDED
    assert outcome(executor.state) is expected, sentence(executor.state)
    assert executor.state.operations[case.operation].reapplied == 1


def run_out(executor: Executor) -> bool:
    """Whether every undo is through: from here on only the settling look is left."""
    return not any(current(executor.state, undo) for undo in undo_lists(executor.state))


TERMINATED = Case("terminate_smoke", "undo/canary/smoke-1/orders/1", WORK)


def smoke_runs_that_hang() -> tuple[World, PlanDocument]:
    """A rollout that a person interrupted while its smoke runs were open: `TERMINATED` ends them."""
    world = small(Generation.V2)
    world.fleet.hangs[NEW] = frozenset({"ping"})
    document = read(world, canary("orders", stages=SMOKE_THEN_ALL), server="")
    executor = world.executor(document)
    when(world, lambda: "canary/smoke-1/orders" in executor.live.history, interrupt(world))
    assert executor.run() is End.INTERRUPTED
    world.clock.stop = False
    return world, document


@pytest.mark.parametrize("effect", list(Effect), ids=lambda e: e.value)
def test_smoke_runs_that_hang_are_terminated_though_nobody_heard_of_it(effect: Effect) -> None:
    world, document = smoke_runs_that_hang()
    executor = world.executor(document, ASKED)
    with doubtful(TERMINATED, effect, Doubt.CRASH):
        with pytest.raises(Killed):
            executor.run()
        executor = world.executor(document)
        executor.run()
    assert outcome(executor.state) is Outcome.ROLLED_BACK, sentence(executor.state)
    readers, _ = world.outside(document)
    assert readers.engine.open_runs("default").runs == ()


# --- commands -------------------------------------------------------------------------------------------


class Programs:
    """The author's machine: programs take three seconds, and the same key joins what runs."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.ran: list[str] = []
        self.until_s: dict[str, float] = {}
        self.lost: set[str] = set()
        self.drop = False
        """The next request is lost on its way."""
        self.begin, self.work = world.fleet.begin, world.fleet.work
        world.fleet.begin = self.begun  # type: ignore[method-assign]
        world.fleet.work = self.state  # type: ignore[method-assign]

    def begun(self, key: str, change: InfraChange) -> None:
        if not isinstance(change, RunCommand):
            self.begin(key, change)
            return
        if self.drop:
            self.drop = False
            raise Killed
        if key not in self.until_s or key in self.lost:
            self.ran.append(shlex.join(change.argv))
            self.until_s[key] = self.world.clock.elapsed_s + 3.0
            self.lost.discard(key)

    def state(self, key: str) -> JobStatus:
        if key not in self.until_s:
            return self.work(key)
        over = self.world.clock.elapsed_s >= self.until_s[key]
        state = JobState.SUCCEEDED if over else JobState.RUNNING
        return JobStatus(state=JobState.LOST if key in self.lost else state)


FORWARD, UNDO = "touch it", "rm it"
KEY = "r-1/do/command/1"
KINDS_OF_RUN = ("", ", idempotent: true", ", check: [test, -e, it]")


def command(world: World, more: str) -> PlanDocument:
    step = f"{{id: do, uses: run, with: {{command: [touch, it], undo: [rm, it]{more}}}}}"
    return read(world, step, server="")


def killed_at_the_command(
    world: World, document: PlanDocument, programs: Programs, *, begun: bool
) -> None:
    """Before the driver heard of it, or when it had begun."""
    executor = world.executor(document)
    if not begun:
        programs.drop = True
        with pytest.raises(Killed):
            executor.run()
        return
    when(world, lambda: KEY in programs.until_s, interrupt(world))
    assert executor.run() is End.INTERRUPTED
    world.clock.stop = False


def interrupt(world: World) -> Callable[[], None]:
    def stop() -> None:
        world.clock.stop = True

    return stop


@pytest.mark.parametrize("more", KINDS_OF_RUN, ids=["neither", "idempotent", "check"])
@pytest.mark.parametrize("begun", [False, True], ids=["not begun", "begun"])
def test_a_command_that_a_look_can_tell_runs_once(more: str, begun: bool) -> None:
    world = small(Generation.V2)
    programs = Programs(world)
    document = command(world, more)
    killed_at_the_command(world, document, programs, begun=begun)
    _, state = world.apply(document)
    assert outcome(state) is Outcome.SUCCEEDED, state.hold
    assert len(programs.ran) == 1
    programs.begun(KEY, RunCommand(argv=("touch", "it")))
    assert len(programs.ran) == 1, "a late request joins what ran under the same key"


@pytest.mark.parametrize("more", KINDS_OF_RUN[1:], ids=["idempotent", "check"])
def test_a_command_whose_fate_nobody_knows_runs_again_where_the_plan_says_it_may(more: str) -> None:
    world = small(Generation.V2)
    programs = Programs(world)
    document = command(world, more)
    killed_at_the_command(world, document, programs, begun=True)
    programs.lost.add(KEY)
    _, state = world.apply(document)
    assert outcome(state) is Outcome.SUCCEEDED, state.hold
    assert len(programs.ran) == 2
    if "check" in more:
        assert programs.ran[1].startswith("sh -c")
        assert "test -e it" in programs.ran[1], "the check decides whether it really does"


def test_a_command_whose_fate_nobody_knows_is_asked_about_and_a_persons_word_settles_it() -> None:
    world = small(Generation.V2)
    programs = Programs(world)
    document = command(world, "")
    killed_at_the_command(world, document, programs, begun=True)
    programs.lost.add(KEY)
    end, state = world.apply(document)
    hold = held(end, state)
    assert (hold.kind, hold.operation) == (HoldKind.PERSON, "do/command")
    assert "nobody knows whether it took effect" in hold.reason
    say(world, state, PersonSaid.PROVE, operation=hold.operation, fingerprint=hold.fingerprint)
    _, state = world.apply(document)
    assert outcome(state) is Outcome.SUCCEEDED, state.hold
    assert programs.ran == [FORWARD]
    assert state.proofs["do/command"].actor == "ann"


def test_an_undo_waits_for_the_end_of_the_command_that_it_undoes() -> None:
    world = small(Generation.V2)
    programs = Programs(world)
    document = command(world, "")
    killed_at_the_command(world, document, programs, begun=True)
    assert programs.state(KEY).state is JobState.RUNNING
    ended: list[float] = []
    executor = world.executor(document, ASKED)
    when(world, lambda: UNDO in programs.ran, lambda: ended.append(world.clock.elapsed_s))
    executor.run()
    assert outcome(executor.state) is Outcome.ROLLED_BACK, sentence(executor.state)
    assert programs.ran == [FORWARD, UNDO]
    assert ended[0] >= programs.until_s[KEY], "before that, it might have come after its undo"


def test_a_command_that_begins_after_its_undo_is_seen_by_the_settling_look() -> None:
    world = small(Generation.V2)
    programs = Programs(world)
    document = command(world, "")
    killed_at_the_command(world, document, programs, begun=False)
    executor = world.executor(document, ASKED)
    late = RunCommand(argv=("touch", "it"))
    when(world, lambda: run_out(executor), lambda: programs.begun(KEY, late))
    executor.run()
    assert programs.ran == [UNDO, FORWARD]
    assert outcome(executor.state) is Outcome.ROLLBACK_INCOMPLETE
    assert 'work/do/command: expected "unknown", found "' in sentence(executor.state)

"""Walks that once failed on paper, and ordinary weeks: each by name, in every generation it can happen in.

`WALKS` is the list; a walk without a test of that name fails, and so does one that nobody can name.
"""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from rollout_kit.document.plan import PlanDocument
from rollout_kit.emulator.model.settings import Generation
from rollout_kit.emulator.store import write_log
from rollout_kit.execution.executor import Executor
from rollout_kit.journal.memory_journal import MemoryStore as JournalStore
from rollout_kit.model.events import HoldKind, OperationReapplied, Outcome, RollbackStarted
from rollout_kit.model.operation import ChangeKind
from rollout_kit.ports.errors import InFlight
from rollout_kit.ports.infra import CohortSpec, InfraChange, ReplaceNode, SetScheduler
from rollout_kit.simulation.fleet import ServerImage
from rollout_kit.simulation.world import FROM, NEW, OLD, TO, World, cohort
from rollout_kit.transport.messages import Request, Response
from tests.rollout.test_whole_rollout import Killed, picture
from tests.safety.moments import when
from tests.safety.people import resume
from tests.safety.plans import (
    SCHEDULER,
    SCHEMA,
    SMOKE_THEN_ALL,
    VERIFY,
    api,
    canary,
    drain,
    held,
    outcome,
    problems,
    read,
    sentence,
    small,
    worker,
)

BOTH = pytest.mark.parametrize("generation", list(Generation), ids=lambda g: g.value)
ASKED = RollbackStarted(cause="asked", actor="me")
O = cohort("orders", OLD)  # noqa: E741 - the old one
N = cohort("orders", NEW)
WORKERS = (canary("orders", stages=SMOKE_THEN_ALL), drain("orders"), VERIFY)

WALKS = {
    "the same plan applied again after its own rollback": "test_the_same_plan_again",
    "a plan back to the previous build": "test_a_plan_back_to_the_previous_build",
    "a hold that a person mends and resumes": "test_a_hold_that_a_person_mends",
    "kill between spawn and record": "test_kill_between_spawn_and_record",
    "kill between the stop's intent and the stop": "test_kill_between_the_intent_and_the_stop",
    "two old nodes that do not come up in a rollback": "test_two_old_nodes_that_do_not_come_up",
    "an idle 0.2.x fleet without heartbeats": "test_an_idle_fleet_without_heartbeats",
    "two queues under one marker, and a namespace nobody named": "test_two_queues_under_one_marker",
    "a queue with over 50 leases": "test_a_queue_with_over_50_leases",
    "a workflow that continues as new for ever": "test_a_workflow_that_continues_as_new_for_ever",
    "smoke runs that never end": "test_smoke_runs_that_never_end",
    "one dead worker of six": "test_one_dead_worker_of_six",
    "a node that takes 40 s to answer readiness": "test_a_node_that_takes_40_s",
    "a scheduler with nothing due": "test_a_scheduler_with_nothing_due",
    "promote before the first compatibility heartbeat": "test_promote_before_the_first_heartbeat",
    "keep and strand": "test_keep_and_strand",
    "a cohort under an autoscaler": "test_a_cohort_under_an_autoscaler",
    "one queue of three": "test_one_queue_of_three",
    "the server alone": "test_the_server_alone",
    "one node, two nodes": "test_one_node",
    "a restart by digest": "test_a_restart_by_digest",
    "a hotfix with forward_only": "test_a_hotfix_with_forward_only",
    "runs of weeks and three live builds": "test_runs_of_weeks_and_three_live_builds",
    "another team's namespace and promote": "test_another_teams_namespace",
    "preview in CI with the operator token alone": "test_preview_with_the_operator_token_alone",
    "a rollback an hour after the end, from another machine": "test_a_rollback_an_hour_after",
}
NOT_YET = {
    "a rollback under the manual driver": "the manual driver comes with its own issue:"
    " the only driver here counts processes, so no person is ever asked for them",
}


def test_every_walk_has_its_test_and_what_has_none_its_reason() -> None:
    tests = [name for name in globals() if name.startswith("test_")]
    for walk, prefix in WALKS.items():
        assert any(name.startswith(prefix) for name in tests), walk
    assert len(WALKS) + len(NOT_YET) == 27


# --- walks that once failed on paper ----------------------------------------------------------------


@BOTH
def test_the_same_plan_again_after_its_own_rollback(generation: Generation) -> None:
    """Its new build is left drained, its row stays: the next time it is resumed first, and drained last."""
    world = small(generation)
    before = picture(world)
    stages = SMOKE_THEN_ALL.replace("20s", "5s")
    document = read(world, canary("orders", stages=stages), server="")
    world.fleet.hangs[NEW] = frozenset({"ping"})
    for _ in range(2):
        world.journal = JournalStore()
        _, state = world.apply(document)
        assert outcome(state) is Outcome.ROLLED_BACK, sentence(state)
        assert picture(world) == before
        assert world.cohorts("orders")[NEW]["drain_intent"] == "draining"
    world.fleet.hangs.clear()
    world.journal = JournalStore()
    _, state = world.apply(document)
    assert outcome(state) is Outcome.SUCCEEDED, state.finished
    assert world.cohorts("orders")[NEW]["drain_intent"] == "active"


@BOTH
def test_a_plan_back_to_the_previous_build(generation: Generation) -> None:
    """The old build was drained and stopped; a second plan brings it back as if it were new."""
    world = small(generation)
    _, state = world.apply(read(world, *WORKERS, server=""))
    assert outcome(state) is Outcome.SUCCEEDED
    world.journal = JournalStore()
    entry = f"{{task_queue: orders, from: {NEW}, to: {OLD}, image: 'orders:old', replicas: 1}}"
    way_back = read(
        world,
        canary("orders", stages=SMOKE_THEN_ALL),
        drain("orders", build=NEW),
        VERIFY,
        server="",
        workers=(entry,),
    )
    _, state = world.apply(way_back)
    assert outcome(state) is Outcome.SUCCEEDED, state.finished
    rows = world.cohorts("orders")
    assert (rows[OLD]["drain_intent"], rows[NEW]["drain_intent"]) == ("active", "draining")
    assert len(world.fleet.cohorts[O].workers) == 1
    assert world.fleet.cohorts[N].workers == []


@BOTH
def test_a_hold_that_a_person_mends_and_resumes(generation: Generation) -> None:
    """The new workers do not come up in time; somebody mends that; nothing done is done again."""
    world = small(generation)
    start = world.fleet.start_cohort
    broken = [True]

    def starting(ref: object, spec: CohortSpec, *by: object) -> None:
        start(ref, spec, *by)  # type: ignore[arg-type]
        if broken and ref == N:
            world.fleet.cohorts[N].workers.clear()

    world.fleet.start_cohort = starting  # type: ignore[method-assign,assignment]
    document = read(world, canary("orders", within="4s"), server="", on_failure="hold")
    end, state = world.apply(document)
    hold = held(end, state)
    assert (hold.kind, hold.operation) == (HoldKind.FAILURE, "canary/orders/started")
    assert "0 processes; wanted 1 started" in hold.reason
    again = held(*world.apply(document))
    assert again == hold, "apply repeats it"
    broken.clear()
    start(N, world.fleet.cohorts[N].spec)
    _, state = resume(world, document, state)
    if generation is Generation.V0_2:  # without a smoke stage an idle worker proves nothing
        assert state.hold is not None
        assert state.hold.operation == "canary/orders/proved"
    else:
        assert outcome(state) is Outcome.SUCCEEDED
    deploys = [key for key, _ in world.fleet.begun if "/deploy/" in key]
    assert len(deploys) == 1


@BOTH
def test_kill_between_spawn_and_record(generation: Generation) -> None:
    """Everything that was begun stands, nobody wrote it down: it is seen, and not begun again."""
    world = small(generation)
    document = read(world, SCHEMA, api(), SCHEDULER)
    begin = world.fleet.begin
    killed: set[str] = set()

    def killing(key: str, change: InfraChange) -> None:
        begin(key, change)
        if key not in killed:
            killed.add(key)
            raise Killed

    world.fleet.begin = killing  # type: ignore[method-assign]
    executor = run_until_over(world, document)
    assert outcome(executor.state) is Outcome.SUCCEEDED, executor.state.finished
    assert len(killed) == 10, "two jobs, three changes of each node, two of the scheduler"
    replacements = [c.node for _, c in world.fleet.begun if isinstance(c, ReplaceNode)]
    assert replacements == ["api-1", "api-2"], "no node was restarted twice"


def run_until_over(world: World, document: PlanDocument) -> Executor:
    """Killed, taken up again, killed again, …"""
    while True:
        executor = world.executor(document)
        try:
            executor.run()
        except Killed:
            world.clock.sleep(0.5)
        else:
            return executor


@BOTH
@pytest.mark.parametrize("direction", ["forward", "back"])
def test_kill_between_the_intent_and_the_stop(generation: Generation, direction: str) -> None:
    """The journal says that the scheduler is to be stopped, and it still runs."""
    world = small(generation)
    document = read(world, SCHEMA, SCHEDULER)
    begin = world.fleet.begin
    killed: list[str] = []

    def killing(key: str, change: InfraChange) -> None:
        if isinstance(change, SetScheduler) and change.spec is None and not killed:
            killed.append(key)
            raise Killed
        begin(key, change)

    events: tuple[RollbackStarted, ...] = ()
    if direction == "back":
        world.apply(document)
        events = (ASKED,)
    world.fleet.begin = killing  # type: ignore[method-assign]
    executor = world.executor(document, *events)
    with pytest.raises(Killed):
        executor.run()
    assert world.fleet.scheduler is not None
    _, state = world.apply(document)
    wanted = Outcome.SUCCEEDED if direction == "forward" else Outcome.ROLLED_BACK
    assert outcome(state) is wanted, state.finished
    assert world.fleet.scheduler.image == ("server:new" if direction == "forward" else "server:old")
    again = [e for e in events_of(world, document) if isinstance(e, OperationReapplied)]
    assert [e.n for e in again] == [1]


def events_of(world: World, document: PlanDocument) -> list[object]:
    records = world.executor(document).shell.journal.read()
    return [record.event for record in records]


@BOTH
def test_two_old_nodes_that_do_not_come_up_in_a_rollback(generation: Generation) -> None:
    """The first stays out; the others are left as they are: two of three still answer."""
    world = small(generation, nodes=3)
    document = read(world, SCHEMA, api(within="4s"), rollback="{within: 14s}")
    world.apply(document)
    world.images["server:old"] = ServerImage(version=FROM[generation], comes_up=False)
    _, state = world.apply(document, ASKED)
    assert outcome(state) is Outcome.ROLLBACK_INCOMPLETE
    attached = {name for name, node in world.fleet.nodes.items() if node.attached}
    assert attached == {"api-1", "api-2"}
    assert all(world.fleet.nodes[name].spec.image == "server:new" for name in attached)
    assert "api-3" in sentence(state)


def test_an_idle_fleet_without_heartbeats_is_upgraded_with_a_smoke_and_holds_without() -> None:
    """Official workers of the older generation show as stale for ever."""
    world = small(Generation.V0_2)
    rows = world.cohorts("orders")
    world.clock.sleep(6.0)
    rows = world.cohorts("orders")
    assert (rows[OLD]["active_worker_count"], rows[OLD]["stale_worker_count"]) == (0, 1)
    _, state = world.apply(read(world, *WORKERS, server=""))
    assert outcome(state) is Outcome.SUCCEEDED, state.hold
    again = small(Generation.V0_2)
    hold = held(*again.apply(read(again, canary("orders"), drain("orders"), server="")))
    assert (hold.kind, hold.operation) == (HoldKind.PERSON, "canary/orders/proved")
    assert "add a `smoke` stage" in hold.hint


def test_two_queues_under_one_marker_and_a_namespace_nobody_named() -> None:
    world = small(Generation.V0_2, queues=("orders", "billing"))
    only = (worker("orders"),)
    found = problems(world, canary("orders"), server="", workers=only)
    assert f"billing in namespace default has workers, and none of them serves {NEW}" in found
    both = (worker("orders"), worker("billing"))
    assert problems(world, canary("orders"), server="", workers=both) == ""
    world.team("payments", "invoices", OLD)
    found = problems(world, canary("orders"), server="", workers=both)
    assert "Namespace is not in the plan" in found
    assert "payments has" in found
    found = problems(world, SCHEMA, api(), workers=())
    assert found == "", "a plan that changes no marker is not stopped"


def test_a_namespace_nobody_named_whose_workers_are_idle_is_found_all_the_same() -> None:
    """They show as stale, which is neither dead nor gone."""
    world = small(Generation.V0_2)
    stranger = world.team("payments", "invoices", OLD)
    world.fleet.strangers.remove(stranger)
    world.clock.sleep(6.0)
    found = problems(world, canary("orders"), server="")
    assert "Namespace is not in the plan" in found
    assert "payments has" in found


@BOTH
def test_a_queue_with_over_50_leases(generation: Generation) -> None:
    """The list of leases is cut off at 50: that the old build holds none is known otherwise."""
    world = small(generation)
    world.fleet.hangs[NEW] = frozenset({"long"})
    document = read(world, *WORKERS[:2], server="", guards=NO_GUARDS)
    busy = 60

    def load() -> None:
        for number in range(busy):
            world.start(f"busy-{number}", "long", "orders")

    executor = world.executor(document)
    when(world, lambda: "drain/orders/quiesced" in executor.state.operations, load)
    live = world.fleet.live

    def eager() -> None:
        for _ in range(12):  # so that a lease is taken as soon as one has expired
            live()

    when(
        world,
        lambda: "drain/orders/drain" in executor.state.operations,
        lambda: hurry(world, eager),
    )
    executor.run()
    assert outcome(executor.state) is Outcome.SUCCEEDED, executor.state.hold
    assert world.fleet.cohorts[O].workers == []
    assert world.lost() == []


NO_GUARDS = "\n".join(
    f"  {name}: {{off: 'looked at elsewhere'}}"
    for name in ("served", "supporters", "attached-ready", "repair-near-baseline")
)


def hurry(world: World, live: object) -> None:
    world.fleet.live = live  # type: ignore[method-assign,assignment]


@BOTH
def test_a_workflow_that_continues_as_new_for_ever_is_named_and_holds(
    generation: Generation,
) -> None:
    world = small(generation)
    world.start("eternal", "forever", "orders")
    document = read(
        world, WORKERS[0], drain("orders", within="8s", then=", on_failure: hold"), server=""
    )
    hold = held(*world.apply(document))
    assert hold.operation == "drain/orders/quiesced"
    assert "eternal continues as new, will not quiesce" in hold.reason
    assert world.lost() == []


@BOTH
def test_smoke_runs_that_never_end_bring_everything_back_and_stay_nowhere(
    generation: Generation,
) -> None:
    world = small(generation)
    before = picture(world)
    world.fleet.hangs[NEW] = frozenset({"ping"})
    stages = "[{smoke: {workflow_type: ping, count: 2, timeout: 6s}}, {share: 100%, bake: 1s}]"
    _, state = world.apply(read(world, canary("orders", stages=stages), server=""))
    assert outcome(state) is Outcome.ROLLED_BACK, sentence(state)
    assert "canary/smoke-1/orders" in sentence(state)
    assert picture(world) == before
    answer = world.control("GET", "/api/workflows?status=running")
    assert answer is not None
    assert b"smoke" not in answer.payload, "the rollout's own runs are never left behind"


@BOTH
def test_one_dead_worker_of_six_is_no_drift_and_keeps_nobody(generation: Generation) -> None:
    world = small(generation, workers=6)
    document = read(world, *WORKERS, server="", workers=(worker("orders", replicas=6),))
    executor = world.executor(document)
    when(
        world,
        lambda: "canary/orders/started" in executor.state.operations,
        world.fleet.cohorts[O].workers.pop,
    )
    executor.run()
    assert outcome(executor.state) is Outcome.SUCCEEDED, executor.state.hold
    assert len(world.fleet.cohorts[N].workers) == 6


@BOTH
def test_one_dead_worker_of_the_six_that_are_new_is_missed(generation: Generation) -> None:
    """What this rollout starts has to be there in full."""
    world = small(generation)
    start = world.fleet.start_cohort

    def five(ref: object, spec: CohortSpec, *by: object) -> None:
        start(ref, spec, *by)  # type: ignore[arg-type]
        if ref == N and spec.replicas:
            world.fleet.cohorts[N].workers.pop()

    world.fleet.start_cohort = five  # type: ignore[method-assign,assignment]
    six = (worker("orders", replicas=6),)
    document = read(world, canary("orders", within="5s"), server="", workers=six)
    _, state = world.apply(document)
    assert outcome(state) is Outcome.ROLLED_BACK
    assert "5 processes; wanted 6 started" in sentence(state)


@BOTH
def test_a_node_that_takes_40_s_to_answer_readiness(generation: Generation) -> None:
    """Its answer is under way all that time: neither ready nor not, and no drift."""
    world = small(generation)
    document = read(world, SCHEMA, api(within="60s"))
    due: dict[str, float] = {}

    def slow(request: Request) -> None:
        host = request.url.removeprefix("http://").partition("/")[0]
        node = world.fleet.nodes.get(host)
        if node is None or node.spec.image != "server:new":
            return
        until = due.setdefault(host, world.clock.elapsed_s + 40.0)
        if world.clock.elapsed_s < until and request.url.endswith("/ready"):
            raise InFlight(f"readiness of {host} is under way")

    world.before_request = slow
    _, state = world.apply(document)
    assert outcome(state) is Outcome.SUCCEEDED, state.finished
    assert set(due) == {"api-1", "api-2"}
    assert world.clock.elapsed_s > 80.0


@BOTH
def test_a_scheduler_with_nothing_due_is_said_to_have_had_nothing(generation: Generation) -> None:
    world = small(generation)
    _, state = world.apply(read(world, SCHEMA, SCHEDULER))
    assert outcome(state) is Outcome.SUCCEEDED
    said = state.operations["sched/caught-up"].reason
    assert "no schedule" in said or "nothing" in said, said


def test_promote_before_the_first_heartbeat_waits_and_is_no_second_try() -> None:
    world = small(Generation.V2)
    refused: list[str] = []

    def note(request: Request, response: Response) -> Response:
        if response.status == 409:
            refused.append(request.url)
        return response

    world.answer = note
    document = read(world, canary("orders"), server="")
    _, state = world.apply(document)
    assert outcome(state) is Outcome.SUCCEEDED
    assert any(url.endswith("/promote") for url in refused)
    assert [e for e in events_of(world, document) if isinstance(e, OperationReapplied)] == []


@BOTH
@pytest.mark.parametrize("policy", ["keep", "strand"])
def test_keep_and_strand(generation: Generation, policy: str) -> None:
    world = small(generation)
    world.start("weeks", "weeks", "orders")
    world.clock.sleep(1.0)
    step = drain("orders", more=f", pinned_runs: {policy}")
    _, state = world.apply(read(world, WORKERS[0], step, VERIFY, server=""))
    assert outcome(state) is Outcome.SUCCEEDED, state.hold or sentence(state)
    said = state.operations["drain/orders/quiesced"].reason
    row = world.cohorts("orders")[OLD]
    if policy == "keep":
        assert "is kept: it serves 1 open run (weeks)" in said
        assert row["drain_intent"] == "active"
        assert len(world.fleet.cohorts[O].workers) == 1
        assert world.lost() == []
    else:
        assert f"stranded with orders@{OLD}: 1 open run (weeks)" in said
        assert row["drain_intent"] == "draining"
        assert world.fleet.cohorts[O].workers == []


@BOTH
def test_a_cohort_under_an_autoscaler_is_no_drift_and_comes_back_as_one(
    generation: Generation,
) -> None:
    """How many there are is the autoscaler's to say; that there is one, and its bounds, is the fact."""
    world = small(generation)
    world.fleet.start_cohort(O, CohortSpec(image="orders:old", replicas=1, autoscaled=True))
    document = read(world, *WORKERS, server="", rollback="{within: 60s}")
    executor = world.executor(document)
    when(
        world,
        lambda: "canary/orders/started" in executor.state.operations,
        lambda: scaled(world, 3),
    )
    executor.run()
    assert outcome(executor.state) is Outcome.SUCCEEDED, executor.state.hold
    assert world.fleet.cohorts[O].workers == []
    _, state = world.apply(document, ASKED)
    assert outcome(state) is Outcome.ROLLED_BACK, sentence(state)
    found = world.fleet.cohorts[O]
    assert (found.spec.autoscaled, found.spec.replicas, len(found.workers)) == (True, 1, 1)


def scaled(world: World, count: int) -> None:
    """More processes than the bounds ask for at least."""
    spec = world.fleet.cohorts[O].spec
    world.fleet.start_cohort(O, replace(spec, replicas=count))
    world.fleet.cohorts[O].spec = spec


# --- ordinary weeks ---------------------------------------------------------------------------------


@BOTH
def test_one_queue_of_three(generation: Generation) -> None:
    """A build of one queue is refused until the queues that its pins may reach are spoken for."""
    world = small(generation, queues=("orders", "billing", "mail"))
    steps = (canary("orders", stages=SMOKE_THEN_ALL), drain("orders"))
    only = (worker("orders"),)
    found = problems(world, *steps, server="", workers=only)
    assert "billing in namespace default has workers" in found
    assert "mail in namespace default has workers" in found
    if generation is Generation.V2:
        alone = "independent_queues: [billing, mail]"
        document = read(world, *steps, server="", workers=only, release=alone)
    else:
        world.fleet.serves[NEW] = ()
        serving = tuple(
            f"{{task_queue: {queue}, from: {OLD}, serves: ['*']}}" for queue in ("billing", "mail")
        )
        document = read(world, *steps, server="", workers=(*only, *serving))
    _, state = world.apply(document)
    assert outcome(state) is Outcome.SUCCEEDED, state.hold or sentence(state)
    for queue in ("billing", "mail"):
        assert world.cohorts(queue)[OLD]["drain_intent"] == "active"
        assert len(world.fleet.cohorts[cohort(queue, OLD)].workers) == 1
        assert NEW not in world.cohorts(queue)


@BOTH
def test_the_server_alone(generation: Generation) -> None:
    """No queue, no worker: nodes and scheduler."""
    world = small(generation, queues=())
    document = read(world, SCHEMA, api(), SCHEDULER, VERIFY, workers=())
    _, state = world.apply(document)
    assert outcome(state) is Outcome.SUCCEEDED, state.hold or sentence(state)
    assert {node.spec.image for node in world.fleet.nodes.values()} == {"server:new"}
    _, state = world.apply(document, ASKED)
    assert outcome(state) is Outcome.ROLLED_BACK
    assert {node.spec.image for node in world.fleet.nodes.values()} == {"server:old"}


@BOTH
def test_one_node_with_an_accepted_outage(generation: Generation) -> None:
    world = small(generation, nodes=1)
    accept = 'accept: {outage: "agreed with the teams"}'
    steps = (SCHEMA, api(), SCHEDULER, canary("orders", stages=SMOKE_THEN_ALL), VERIFY)
    document = read(world, *steps, target=accept)
    before = picture(world)
    _, state = world.apply(document)
    assert outcome(state) is Outcome.SUCCEEDED, state.hold or sentence(state)
    _, state = world.apply(document, ASKED)
    assert outcome(state) is Outcome.ROLLED_BACK, sentence(state)
    assert picture(world) == before


@BOTH
def test_one_node_that_comes_up_wrong_is_put_back(generation: Generation) -> None:
    world = small(generation, nodes=1)
    before = picture(world)
    world.images["server:new"] = ServerImage(version=TO[generation], comes_up=False)
    accept = 'accept: {outage: "agreed with the teams"}'
    _, state = world.apply(read(world, SCHEMA, api(within="5s"), target=accept))
    assert outcome(state) is Outcome.ROLLED_BACK, sentence(state)
    assert picture(world) == before


@BOTH
def test_a_restart_by_digest_needs_no_bootstrap(generation: Generation) -> None:
    world = small(generation)
    old, new = (f"server@sha256:{digit * 64}" for digit in "ab")
    for image in (old, new):
        world.images[image] = ServerImage(version=FROM[generation])
    for name, node in world.fleet.nodes.items():
        world.fleet.start_node(name, replace(node.spec, image=old))
    assert world.fleet.scheduler is not None
    world.fleet.scheduler = replace(world.fleet.scheduler, image=old)
    world.clock.sleep(2.0)
    version = FROM[generation]
    server = (
        f"{{from: '{version}', to: '{version}', identity: infra,"
        f" from_image: '{old}', image: '{new}'}}"
    )
    document = read(world, api(), SCHEDULER, VERIFY, server=server, workers=())
    _, state = world.apply(document)
    assert outcome(state) is Outcome.SUCCEEDED, state.hold or sentence(state)
    assert {node.spec.image for node in world.fleet.nodes.values()} == {new}
    assert not any("bootstrap" in key for key, _ in world.fleet.begun)
    _, state = world.apply(document, ASKED)
    assert outcome(state) is Outcome.ROLLED_BACK, sentence(state)


@BOTH
def test_a_hotfix_with_forward_only_goes_past_a_dead_predecessor(generation: Generation) -> None:
    """The old build is dead and must not return; its open run is taken over by the new one."""
    world = small(generation)
    world.fleet.serves[NEW] = (OLD,)
    world.fleet.cohorts[O].workers.clear()
    world.start("stuck", "short", "orders")
    world.clock.sleep(6.0)
    fix = (worker("orders", more=f", serves: [{OLD}]"),)
    forward = "{forward_only: 'the old build corrupts invoices'}"
    document = read(world, *WORKERS, server="", workers=fix, rollback=forward, on_failure="")
    _, state = world.apply(document)
    assert outcome(state) is Outcome.SUCCEEDED, state.hold or sentence(state)
    assert world.lost() == []
    answer = world.control("GET", "/api/workflows/stuck")
    assert answer is not None
    assert b'"completed"' in answer.payload


@BOTH
def test_a_hotfix_that_fails_holds_with_nothing_rolled_back(generation: Generation) -> None:
    world = small(generation)
    world.fleet.hangs[NEW] = frozenset({"ping"})
    forward = "{forward_only: 'the old build corrupts invoices'}"
    stages = SMOKE_THEN_ALL.replace("20s", "5s")
    document = read(
        world, canary("orders", stages=stages), server="", rollback=forward, on_failure=""
    )
    hold = held(*world.apply(document))
    assert hold.kind is HoldKind.FAILURE
    assert hold.operation == "canary/smoke-1/orders"
    assert len(world.fleet.cohorts[N].workers) == 1
    assert all(node.attached for node in world.fleet.nodes.values()), "only an open gap is closed"


@BOTH
def test_runs_of_weeks_and_three_live_builds(generation: Generation) -> None:
    """The oldest build keeps the runs it has; the plan neither names nor touches it."""
    world = small(generation)
    oldest = cohort("orders", "build-0")
    world.fleet.start_cohort(oldest, CohortSpec(image="orders:old", replicas=1))
    world.clock.sleep(2.0)
    pinned_to(world, "build-0", "weeks")
    _, state = world.apply(read(world, *WORKERS, server=""))
    assert outcome(state) is Outcome.SUCCEEDED, state.hold or sentence(state)
    assert len(world.fleet.cohorts[oldest].workers) == 1
    assert world.cohorts("orders")["build-0"]["drain_intent"] == "active"
    assert world.fleet.cohorts[O].workers == []
    assert world.lost() == []


def pinned_to(world: World, build: str, workflow: str) -> None:
    """Start a run when this build gave new runs their pin."""
    if world.generation is Generation.V2:
        path = "/api/task-queues/orders/build-ids/promote"
        world.control("POST", path, {"build_id": build})
        world.start(workflow, "weeks", "orders")
        world.control("POST", path, {"build_id": OLD})
        return
    specs = {name: node.spec for name, node in world.fleet.nodes.items()}
    for name, spec in specs.items():
        world.fleet.start_node(name, replace(spec, marker=build))
    world.clock.sleep(2.0)
    world.start(workflow, "weeks", "orders")
    for name, spec in specs.items():
        world.fleet.start_node(name, spec)
    world.clock.sleep(2.0)


@BOTH
def test_another_teams_namespace_and_promote(generation: Generation) -> None:
    """A selection stays in its namespace; a marker pins theirs too, so theirs has to be spoken for."""
    world = small(generation)
    stranger = world.team("payments", "orders", OLD)
    world.start("theirs", "short", "orders", namespace="payments")
    world.clock.sleep(2.0)
    document = None
    if generation is Generation.V2:
        document = read(world, *WORKERS, server="")
    else:
        assert "payments" in problems(world, *WORKERS, server="")
        stranger.serves = (NEW,)
        stranger.registered = False
        world.clock.sleep(1.0)
        theirs = f"{{namespace: payments, task_queue: orders, from: {OLD}, serves: ['*']}}"
        named = "namespaces: [default, payments]"
        document = read(
            world, *WORKERS, server="", workers=(worker("orders"), theirs), target=named
        )
    theirs_before = rows_of(world, "payments")
    _, state = world.apply(document)
    assert outcome(state) is Outcome.SUCCEEDED, state.hold or sentence(state)
    assert rows_of(world, "payments") == theirs_before
    world.start("after", "short", "orders", namespace="payments")
    world.clock.sleep(4.0)
    answer = world.control("GET", "/api/workflows/after", namespace="payments")
    assert answer is not None
    assert b'"completed"' in answer.payload


def rows_of(world: World, namespace: str) -> list[tuple[object, ...]]:
    answer = world.control("GET", "/api/task-queues/orders/build-ids", namespace=namespace)
    assert answer is not None
    rows = json.loads(answer.payload)["build_ids"]
    names = ("build_id", "drain_intent", "new_start_selected", "total_worker_count")
    return [tuple(row.get(name) for name in names) for row in rows]


@BOTH
def test_preview_with_the_operator_token_alone(generation: Generation) -> None:
    world = small(generation)
    world.admin = False
    sent: set[str] = set()
    world.before_request = lambda request: sent.add(request.method)
    before = list(write_log(world.store))
    document = read(world, SCHEMA, api(), SCHEDULER, *WORKERS)
    found = world.preview(document)
    assert found.problems == ()
    assert sent == {"GET"}
    assert list(write_log(world.store)) == before
    assert "schedules" in found.not_read
    changes = [item.change.kind for step in found.steps for item in step.operations]
    assert ChangeKind.BLOCKED not in changes
    assert ChangeKind.UPDATE in changes


@BOTH
def test_a_rollback_an_hour_after_the_end_from_another_machine(generation: Generation) -> None:
    """Only the journal came along; the new build has had runs in the meantime."""
    world = small(generation)
    before = picture(world)
    document = read(world, SCHEMA, api(), SCHEDULER, *WORKERS)
    _, state = world.apply(document)
    assert outcome(state) is Outcome.SUCCEEDED, state.hold or sentence(state)
    world.start("meanwhile", "long", "orders")
    world.clock.elapsed_s += 3600.0
    world.clock.sleep(4.0)
    _, state = world.apply(document, ASKED)
    assert outcome(state) is Outcome.ROLLED_BACK, sentence(state)
    assert picture(world) == before
    assert world.lost() == []

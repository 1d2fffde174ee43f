"""Building blocks of the worker steps: bring a cohort up, give it work, take one away. Pure."""

from __future__ import annotations

from rollout_kit.document.plan import (
    PinnedRuns,
    PulumiInfra,
    SmokeStage,
    Step,
    WorkerCanaryStep,
    WorkerRelease,
)
from rollout_kit.model.capability import Capability
from rollout_kit.model.duration import span
from rollout_kit.model.identity import CohortRef, QueueRef
from rollout_kit.model.operation import Operation
from rollout_kit.operations.api import Seen
from rollout_kit.operations.cohort_acts import (
    AwaitCohortArguments,
    DeployCohortArguments,
    LeavingArguments,
    PromoteBuildArguments,
    ResumeCohortArguments,
    Strength,
)
from rollout_kit.operations.departure import gone_window_s
from rollout_kit.operations.liveness import DRAINING, started
from rollout_kit.operations.pins import PinRules
from rollout_kit.operations.smoke import SmokeRunsArguments
from rollout_kit.operations.starts import known
from rollout_kit.planning.api import Problem, World
from rollout_kit.planning.scope import queue_of, queues_named
from rollout_kit.planning.unit import operation, part

LEAVING = (
    ("quiesced", "await_quiesced"),
    ("drain", "drain_cohort"),
    ("lease-free", "await_lease_free"),
    ("stop", "stop_cohort"),
    ("retired", "await_retired"),
)

SMOKE_SLACK_S = 60.0
"""Beyond the run timeout: until the server has closed the last run and we have seen it."""


def subject(queue: QueueRef, world: World) -> str:
    """The queue as one part of an operation's id; with its namespace where that is not the target's."""
    if queue.namespace == world.scope.namespace:
        return part(queue.task_queue)
    return part(f"{queue.namespace}/{queue.task_queue}")


def named(step_queues: tuple[str, ...], world: World) -> tuple[QueueRef, ...]:
    """The queues that a step's `task_queue` means, each once."""
    return tuple(
        dict.fromkeys(q for name in step_queues for q in queues_named(world.document, name))
    )


def release_of(queue: QueueRef, world: World) -> WorkerRelease | None:
    """What the release brings to this queue; None: nothing."""
    for entry in world.document.release.workers:
        if queue_of(entry) == queue and entry.to is not None:
            return entry
    return None


def others_of(cohort: CohortRef, world: World) -> tuple[CohortRef, ...]:
    """The other cohorts of its queue that the server knows: a selection moves among them."""
    found = world.observation.cohorts_of(cohort.namespace, cohort.task_queue)
    return tuple(c for c in found if c != cohort and known(world.observation, c))


def lives(cohort: CohortRef, world: World) -> bool | None:
    """Whether it is meant to run by then; of what the driver does not run, whether it is there now."""
    replicas = world.observation.cohort(cohort, "replicas")
    if isinstance(replicas, int):
        return replicas > 0
    now = Seen(observation=world.live, situation=world.situation, at_s=0.0)
    return started((now,), cohort)


def bring_up(
    step: Step,
    cohort: CohortRef,
    world: World,
    *,
    image: str | None,
    replicas: int,
    within_s: float,
) -> tuple[Operation, ...]:
    """Resume it where its intent is draining, deploy it, wait until it is *started*."""
    about = subject(cohort.queue, world)
    others, rules = others_of(cohort, world), PinRules.of(world.scope)
    operations: list[Operation] = []

    def add(act: str, kind: str, arguments: object, because: str) -> None:
        follows = tuple(op.id for op in operations) if kind == "await_cohort" else ()
        operations.append(
            operation(
                step,
                world.document,
                f"{about}/{act}",
                kind,
                arguments,
                within_s=within_s,
                because=because,
                follows=follows,
            )
        )

    if world.observation.cohort(cohort, "drain_intent") == DRAINING:
        resume = ResumeCohortArguments(cohort=cohort, others=others, rules=rules)
        add("resume", "resume_cohort", resume, "while it drains it would get no task")
    selects = Capability.PROMOTE in world.capabilities
    deploy = DeployCohortArguments(
        cohort=cohort,
        image=image,
        replicas=replicas,
        others=others,
        rules=rules,
        beside=selects and any(lives(other, world) for other in others),
        recorded=isinstance(world.document.infra, PulumiInfra),
    )
    add("deploy", "deploy_cohort", deploy, "it needs workers for all it may get")
    autoscaled = world.observation.cohort(cohort, "autoscaled") is True
    count = 1 if autoscaled else replicas
    there = AwaitCohortArguments(cohort=cohort, strength=Strength.STARTED, n=count)
    add("started", "await_cohort", there, "it has to be there before it gets any work")
    return tuple(operations)


def select(
    step: Step,
    path: str,
    cohort: CohortRef,
    world: World,
    *,
    within_s: float,
    n: int = 1,
) -> Operation:
    """Give all new starts of its queue to this cohort."""
    return operation(
        step,
        world.document,
        path,
        "promote_build",
        PromoteBuildArguments(cohort=cohort, others=others_of(cohort, world), n=n),
        within_s=within_s,
        requires=Capability.PROMOTE,
    )


def take_away(
    step: Step,
    cohorts: tuple[CohortRef, ...],
    world: World,
    *,
    pinned_runs: PinnedRuns,
    within_s: float,
) -> tuple[Operation, ...]:
    """Quiesced, drained, without leases, stopped, retired: each for all cohorts before the next.

    Nothing is stopped before every one is drained: until then all of it is taken back by a word.
    """
    made: dict[tuple[CohortRef, str], Operation] = {}
    for act, kind in LEAVING:
        for cohort in cohorts:
            arguments = LeavingArguments(
                cohort=cohort,
                others=others_of(cohort, world),
                rules=PinRules.of(world.scope),
                pinned_runs=pinned_runs,
                smokes=smokes_before(step, cohort.queue, world),
            )
            writes = [made[cohort, a].id for a in ("drain", "stop") if (cohort, a) in made]
            made[cohort, act] = operation(
                step,
                world.document,
                f"{subject(cohort.queue, world)}/{act}",
                kind,
                arguments,
                within_s=within_s,
                follows=tuple(writes) if kind.startswith("await") else (),
                wave=f"{step.id}/{act}" if kind.startswith("await") else "",
            )
    return tuple(made.values())


def too_short(cohorts: tuple[CohortRef, ...], world: World, within_s: float) -> tuple[Problem, ...]:
    """A wait that ends before its own proof can be there would fail for certain."""
    return tuple(
        Problem(
            summary="Within is shorter than the proof takes",
            detail=f"That {cohort.label} is gone is proved by counts that stay zero for"
            f" {span(window_s)} (stale limit and one poll), and `within` is {span(within_s)}.",
            hint=f"give it more than {span(window_s)}, and the time that open runs need on top",
        )
        for cohort in cohorts
        if within_s < (window_s := gone_window_s(world.situation, cohort.queue))
    )


def smokes_before(step: Step, queue: QueueRef, world: World) -> tuple[str, ...]:
    """Ids of the operations, up to this step, whose smoke runs the release's new cohort answers."""
    found: list[str] = []
    for other in world.document.steps:
        if isinstance(other.with_, WorkerCanaryStep) and queue in named(
            other.with_.task_queues, world
        ):
            found += (
                smoke_path(other, number, queue, world)
                for number, stage in enumerate(other.with_.stages, start=1)
                if isinstance(stage, SmokeStage)
            )
        if other.id == step.id:
            break
    return tuple(found)


def smoke_path(step: Step, number: int, queue: QueueRef, world: World) -> str:
    """The id of a smoke stage's runs on one queue."""
    return f"{step.id}/smoke-{number}/{subject(queue, world)}"


def smoke_runs(
    step: Step,
    stage: SmokeStage,
    number: int,
    cohort: CohortRef,
    world: World,
    *,
    node: str | None = None,
) -> Operation:
    """Runs of our own on one queue: pinned by their start, or by the node that they are started at."""
    path = smoke_path(step, number, cohort.queue, world).removeprefix(f"{step.id}/")
    arguments = SmokeRunsArguments(
        cohort=cohort,
        workflow_type=stage.workflow_type,
        count=stage.count,
        run_timeout_s=max(1, round(stage.timeout_s)),
        pinned=node is None,
        node=node,
    )
    return operation(
        step,
        world.document,
        path,
        "smoke_runs",
        arguments,
        within_s=stage.timeout_s + SMOKE_SLACK_S,
        because="runs of our own show first whether the build works",
        requires=Capability.PINNED_START if node is None else Capability.MARKER_ROUTING,
    )

"""A user's own plan in a simulated world: what stands there for it, and what only seems to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from rollout_kit.document.plan import (
    ApiCutoverStep,
    BootstrapStep,
    BuildSelector,
    DrainStep,
    HttpSource,
    ManualInfra,
    PlanDocument,
    ProcessInfra,
    PromoteStep,
    RestoreStep,
    RunStep,
    SchedulerHandoverStep,
    Step,
    TargetNode,
    WorkerCanaryStep,
)
from rollout_kit.emulator.model.settings import Generation
from rollout_kit.model.capability import Capability
from rollout_kit.model.identity import CohortRef
from rollout_kit.model.observation import Facts, capability_fact, cohort_fact, node_fact
from rollout_kit.simulation.fleet_spec import CohortStanding, FleetSpec

BEFORE = "before this rollout"
"""The image of what runs, where the plan does not say it."""
HOURS_S = 6 * 3600.0
SOMEBODY = CohortStanding(
    task_queue="work", build_id="current", image=f"workers {BEFORE}", replicas=2, selected=True
)
"""Workers of a fleet whose plan names none: somebody has to notice when the servers are out."""


STOOD_IN = ProcessInfra(fleet=None)
"""In place of people: a driver that sends what they would be asked for."""


class CannotStandIn(ValueError):
    """The simulator has nothing that could stand for what this plan names; the message says what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Theirs:
    """A plan with its fleet. `stands_in`: sentences that say what is not as in the real fleet.

    `patience_s`: how long the plan itself may take once nothing fails any more. `requests`: how many a
    run may send before it counts as one that never ends.
    """

    document: PlanDocument = field(repr=False)
    fleet: FleetSpec
    stands_in: tuple[str, ...]
    patience_s: float
    requests: int = 400_000


def theirs(
    document: PlanDocument, generation: Generation | None = None, seen: Facts | None = None
) -> Theirs:
    """The plan as it is, over an emulated fleet of its topology; or of the live one, as it was `seen`.

    Raises:
        CannotStandIn: it names what the emulator has nothing for.
    """
    home = document.target.namespace
    elsewhere = {found.namespace for found in document.release.workers} - {home}
    if elsewhere:
        names = ", ".join(sorted(elsewhere))
        raise CannotStandIn(
            f"the plan changes workers of {names} beside {home}; workers of one namespace can be simulated"
        )
    fleet = _fleet(document, generation or _generation(document))
    if seen is not None:
        fleet = as_seen(fleet, seen)
    here = replace(
        document,
        infra=STOOD_IN if isinstance(document.infra, ManualInfra) else document.infra,
        target=replace(
            document.target,
            url="http://front",
            namespace="default",
            namespaces=("default",),
            nodes=tuple(
                TargetNode(name=node.name, url=f"http://{node.name}")
                for node in document.target.nodes
            ),
        ),
        release=replace(
            document.release,
            workers=tuple(
                replace(found, namespace="default") for found in document.release.workers
            ),
        ),
    )
    return Theirs(
        document=here,
        fleet=fleet,
        stands_in=tuple(_stands_in(document, fleet, as_seen=seen is not None)),
        patience_s=HOURS_S + 3 * sum(_patience_s(step) for step in document.steps),
    )


def as_seen(fleet: FleetSpec, seen: Facts) -> FleetSpec:
    """The fleet with what a look at the live one showed in place of what the plan makes one expect."""
    versions = [seen.get(node_fact(node, "version")) for node in fleet.nodes]
    version = next((found for found in versions if isinstance(found, str)), fleet.old_version)
    image = next(
        (found for n in fleet.nodes if isinstance(found := seen.get(node_fact(n, "image")), str)),
        fleet.old_image,
    )
    selects = seen.get(capability_fact(Capability.PROMOTE))
    generation = fleet.generation
    if isinstance(selects, bool):
        generation = Generation.V2 if selects else Generation.V0_2
    cohorts = tuple(_seen_cohorts(seen)) or fleet.cohorts
    markers = [seen.get(node_fact(node, "marker")) for node in fleet.nodes]
    marker = next((found for found in markers if isinstance(found, str)), None)
    return replace(
        fleet,
        generation=generation,
        old_version=version,
        old_image=image,
        new_image=fleet.new_image if fleet.new_image != fleet.old_image else image,
        marker=marker if generation is Generation.V0_2 else None,
        cohorts=cohorts,
        queues=tuple(dict.fromkeys(found.task_queue for found in cohorts)),
        worker_images=tuple({*fleet.worker_images, *(found.image for found in cohorts)}),
    )


def _seen_cohorts(seen: Facts) -> Iterator[CohortStanding]:
    for fact, replicas in sorted(seen.items()):
        if fact.startswith("cohort/") and fact.endswith("/replicas") and replicas:
            ref = CohortRef.from_path(fact.removeprefix("cohort/").removesuffix("/replicas"))
            image = seen.get(cohort_fact(ref, "image"))
            if isinstance(replicas, int) and isinstance(image, str):
                yield CohortStanding(
                    task_queue=ref.task_queue,
                    build_id=ref.build_id,
                    image=image,
                    replicas=replicas,
                    selected=seen.get(cohort_fact(ref, "selected")) is True,
                )


def _generation(document: PlanDocument) -> Generation:
    """By the versions that the plan names: nothing else is there to ask."""
    server = document.release.server
    old = server is not None and server.to.startswith("0.")
    return Generation.V0_2 if old else Generation.V2


def _fleet(document: PlanDocument, generation: Generation) -> FleetSpec:
    server = document.release.server
    usual = "2.3.14" if generation is Generation.V2 else "0.2.9"
    cohorts = tuple(_cohorts(document)) or (SOMEBODY,)
    builds = {found.build_id for found in cohorts if found.selected}
    marker = None
    if generation is Generation.V0_2 and builds:
        marker = sorted(build or "" for build in builds)[0] or None
    images = {found.image for found in cohorts}
    images |= {found.image for found in document.release.workers if found.image is not None}
    old_image = (server.from_image if server else None) or f"server {BEFORE}"
    return FleetSpec(
        generation=generation,
        nodes=tuple(node.name for node in document.target.nodes),
        queues=tuple(dict.fromkeys(found.task_queue for found in cohorts)),
        cohorts=cohorts,
        old_image=old_image,
        old_version=server.from_ if server else usual,
        new_image=server.image if server else old_image,
        new_version=server.to if server else usual,
        marker=marker,
        new_builds=tuple(
            dict.fromkeys(found.to for found in document.release.workers if found.to is not None)
        ),
        worker_images=tuple(sorted(images)),
        serves=tuple(
            (found.to or (found.from_.build_id if found.from_ else None) or "", found.serves)
            for found in document.release.workers
            if found.serves
        ),
    )


def _cohorts(document: PlanDocument) -> Iterator[CohortStanding]:
    """Who works before the rollout: every build that the plan leaves, drains or comes back to."""
    replicas = {found.task_queue: found.replicas for found in document.release.workers}
    brought = {(found.task_queue, found.to) for found in document.release.workers if found.to}
    selected = {
        found.task_queue: found.from_.build_id for found in document.release.workers if found.from_
    }
    standing = list(selected.items())
    for queue, build, current in _named(document):
        if (queue, build) in brought or (queue, build) in standing:
            continue
        standing.append((queue, build))
        if current or queue not in selected:
            selected[queue] = build
    for queue, build in standing:
        yield CohortStanding(
            task_queue=queue,
            build_id=build,
            image=f"{build} {BEFORE}",
            replicas=replicas.get(queue) or 1,
            selected=selected.get(queue) == build,
        )


def _named(document: PlanDocument) -> Iterator[tuple[str, str | None, bool]]:
    """Queues and builds of the steps, and whether the build is the one that has the new starts."""
    for step in document.steps:
        match step.with_:
            case DrainStep(task_queues=queues, cohort=BuildSelector(build_id=build)):
                yield from ((queue, build, True) for queue in queues)
            case PromoteStep(task_queues=queues, cohort=BuildSelector(build_id=build)):
                yield from ((queue, build, False) for queue in queues)
            case RestoreStep() as restore:
                for queue in restore.task_queues:
                    yield queue, restore.bad.build_id, True
                    yield queue, restore.good.build_id, False
            case _:
                pass


def _patience_s(step: Step) -> float:
    match step.with_:
        case BootstrapStep() | ApiCutoverStep() | SchedulerHandoverStep() | WorkerCanaryStep():
            return step.with_.within_s
        case PromoteStep() | DrainStep() | RestoreStep() | RunStep():
            return step.with_.within_s
        case _:
            return 0.0


def _stands_in(document: PlanDocument, fleet: FleetSpec, *, as_seen: bool) -> Iterator[str]:
    how = "as the live one was seen" if as_seen else "after the plan"
    yield (
        f"The fleet is emulated {how} (server {fleet.generation.value}): {len(fleet.nodes)} nodes,"
        f" a scheduler, workers on {len(fleet.queues)} queues with short runs. Its driver does at"
        " once what it is asked."
    )
    if isinstance(document.infra, ManualInfra):
        yield "Nobody was asked for a change: a driver made each in a person's place."
    commands = [step.id for step in document.steps if isinstance(step.with_, RunStep)]
    others = [name for name in document.target.namespaces if name != document.target.namespace]
    if others:
        yield f"Nothing stands for the namespaces {', '.join(others)}: they are as if empty."
    if commands:
        yield f"No command was run: those of {', '.join(commands)} succeed or fail as it was drawn."
    drawn = [gate.name for gate in document.gates if isinstance(gate.source, HttpSource)]
    drawn += [
        guard.name
        for guard in document.guards
        if isinstance(getattr(guard, "source", None), HttpSource)
    ]
    if drawn:
        yield f"Nothing was asked over HTTP for {', '.join(drawn)}: their samples were drawn."

"""How much of the fleet an operation can hurt, and how long two versions will live together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rollout_kit.model.duration import span
from rollout_kit.model.identity import CohortRef, QueueRef
from rollout_kit.model.observation import SCHEDULER_RUNNING, Absent, Observation, node_fact
from rollout_kit.planning.draft import Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Radius:
    """A share (0 to 1) of one thing that is out, or changed, because of one operation."""

    operation: str
    of: str  # "API nodes", "workers of orders", "new starts", "schedules"
    share: float
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SkewWindow:
    """From the first process of the new version to the last of the old one, as far as it is known."""

    seconds: float
    first: str  # operation
    last: str  # operation

    @property
    def sentence(self) -> str:
        return (
            f"two server versions live together for about {span(self.seconds)},"
            f" from {self.first} to {self.last}"
        )


def radii(stages: Iterable[Stage]) -> tuple[Radius, ...]:
    """What each writing operation can hurt; operations that only judge hurt nothing."""
    return tuple(
        radius
        for stage in stages
        if stage.writes
        for radius in (*_nodes(stage), *_scheduler(stage), *_workers(stage), *_starts(stage))
    )


def radius_notes(stages: Sequence[Stage]) -> tuple[str, ...]:
    """The widest radius of each kind, in words, for the step that these stages are.

    Of two as wide the later one: what selects the current build goes before what leaves it.
    """
    widest: dict[str, Radius] = {}
    for radius in radii(stages):
        if radius.of not in widest or radius.share >= widest[radius.of].share:
            widest[radius.of] = radius
    return tuple(f"blast radius: {radius.sentence}" for radius in widest.values())


def skew_window(stages: Sequence[Stage]) -> SkewWindow | None:
    """How long server processes of two images live together; None where that never happens.

    An estimate of usual durations, bakes included; time that gates and people take is not in it.
    """
    mixed = [stage for stage in stages if len(_images(stage.after)) > 1]
    if not mixed:
        return None
    first, after = stages.index(mixed[0]), stages.index(mixed[-1]) + 1
    last = stages[min(after, len(stages) - 1)]
    seconds = sum(stage.change.estimate_s for stage in stages[first : after + 1])
    return SkewWindow(seconds=seconds, first=mixed[0].operation.id, last=last.operation.id)


def skew_notes(stages: Sequence[Stage], at_most_s: float | None) -> tuple[str, ...]:
    """The skew window in words, and whether it will be kept."""
    window = skew_window(stages)
    if window is None:
        return ()
    if at_most_s is None:
        return (f"skew window: {window.sentence}",)
    kept = "at most" if window.seconds <= at_most_s else "but at most"
    return (f"skew window: {window.sentence}; {kept} {span(at_most_s)} is declared",)


def _nodes(stage: Stage) -> tuple[Radius, ...]:
    names = stage.after.nodes()
    out = [n for n in names if _leaves(stage, n)]
    if not out:
        return ()
    share = len(out) / len(names)
    sentence = f"{len(out)} of {len(names)} API nodes out of rotation ({share:.0%})"
    return (Radius(operation=stage.operation.id, of="API nodes", share=share, sentence=sentence),)


def _leaves(stage: Stage, name: str) -> bool:
    """Taken out of rotation; or, where no driver has a say in that, restarted where it stands."""
    if isinstance(stage.before.node(name, "attached"), Absent):
        return node_fact(name, "spec") in stage.changed
    return stage.changed.get(node_fact(name, "attached")) is False


def _scheduler(stage: Stage) -> tuple[Radius, ...]:
    if stage.changed.get(SCHEDULER_RUNNING) is not False:
        return ()
    sentence = "no schedule fires until the new scheduler runs"
    return (Radius(operation=stage.operation.id, of="schedules", share=1.0, sentence=sentence),)


def _workers(stage: Stage) -> tuple[Radius, ...]:
    found = []
    for cohort in stage.after.cohorts():
        before, after = _desired(stage.before, cohort), _desired(stage.after, cohort)
        if after >= before:
            continue
        total = _capacity(stage.before, cohort.queue)
        share = (before - after) / total
        sentence = f"{before - after} of {total} workers of {cohort.task_queue} stop ({share:.0%})"
        of = f"workers of {cohort.task_queue}"
        found.append(Radius(operation=stage.operation.id, of=of, share=share, sentence=sentence))
    return tuple(found)


def _starts(stage: Stage) -> tuple[Radius, ...]:
    """New starts that another build gets: all of a queue by selection, a node's part by marker."""
    found = [
        Radius(
            operation=stage.operation.id,
            of=f"new starts on {cohort.task_queue}",
            share=1.0,
            sentence=f"all new starts on {cohort.task_queue} go to {cohort.build_id}",
        )
        for cohort in stage.after.cohorts()
        if stage.after.cohort(cohort, "selected") is True
        and stage.before.cohort(cohort, "selected") is not True
    ]
    names = stage.after.nodes()
    for name in names:
        fact = node_fact(name, "marker")
        if fact in stage.changed:
            value = stage.changed[fact]
            carrying = sum(1 for n in names if stage.after.node(n, "marker") == value)
            share = carrying / len(names)
            sentence = f"{carrying} of {len(names)} API nodes pin new runs to {value} ({share:.0%})"
            found.append(
                Radius(
                    operation=stage.operation.id, of="new starts", share=share, sentence=sentence
                )
            )
    return tuple(found)


def _images(world: Observation) -> set[str]:
    values = [world.node(name, "image") for name in world.nodes()]
    values.append(world.get("scheduler/image"))
    values += [world.get(f"maintenance/{name}/image") for name in world.maintenance()]
    return {value for value in values if isinstance(value, str)}


def _desired(world: Observation, cohort: CohortRef) -> int:
    value = world.cohort(cohort, "replicas")
    return value if isinstance(value, int) else 0


def _capacity(world: Observation, queue: QueueRef) -> int:
    cohorts = world.cohorts_of(queue.namespace, queue.task_queue)
    return sum(_desired(world, cohort) for cohort in cohorts)

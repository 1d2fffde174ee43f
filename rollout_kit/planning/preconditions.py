"""What has to be true of fleet and plan before the first write; every reason why not, at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from rollout_kit.document.diagnostics import did_you_mean
from rollout_kit.document.plan import PlanDocument
from rollout_kit.planning import fleet_shape, order, pin_reach, routing, unversioned, work
from rollout_kit.planning.api import Problem
from rollout_kit.planning.draft import Draft

Precondition = Callable[[Draft], Iterator[Problem]]

# The names under `target.accept`: what an author may take upon himself, with a reason.
ACCEPTABLE = ("outage", *fleet_shape.ACCEPTABLE, pin_reach.UNMEASURED, unversioned.STALE)

# A wrong name is wrong also where nothing is left to do.
ALWAYS: tuple[Precondition, ...] = (routing.known_cohorts,)
BEFORE_A_WRITE: tuple[Precondition, ...] = (
    order.bootstrap_first,
    order.adjacent_versions,
    order.known_images,
    order.capable,
    fleet_shape.not_embedded,
    fleet_shape.known_before_it_is_replaced,
    fleet_shape.fit_for_several_nodes,
    fleet_shape.workers_that_can_be_counted,
    unversioned.no_live_unversioned_cohort,
    routing.admin_for_markers,
    routing.readable_namespaces,
    work.one_code_per_cohort,
    work.served_markers,
    work.way_back_is_alive,
)


def unmet(draft: Draft) -> tuple[Problem, ...]:
    """Every precondition that does not hold; most concern only a plan that changes something."""
    changes = any(stage.means_to_write for stage in draft.stages)
    judged = (*ALWAYS, *(BEFORE_A_WRITE if changes else ()))
    return tuple(problem for judge in judged for problem in judge(draft))


def acceptable(problem: Problem, document: PlanDocument) -> bool:
    """Whether the author took this one upon himself."""
    return problem.accept is not None and problem.accept in _reasons(document)


def accepted(problems: Iterable[Problem], document: PlanDocument) -> tuple[str, ...]:
    """A note for every acceptance: what it lets pass, or that there is nothing by its name."""
    reasons = _reasons(document)
    notes = [
        f"accepted ({problem.accept}): {problem.detail} Reason given: {reasons[problem.accept]}"
        for problem in problems
        if problem.accept is not None and problem.accept in reasons
    ]
    for name in reasons:
        if name not in ACCEPTABLE:
            hint = did_you_mean(name, ACCEPTABLE) or f"There are: {', '.join(ACCEPTABLE)}."
            notes.append(f"target.accept names {name}, which is no precondition. {hint}")
    return tuple(dict.fromkeys(notes))


def _reasons(document: PlanDocument) -> dict[str, str]:
    return {entry.precondition: entry.reason for entry in document.target.accept}

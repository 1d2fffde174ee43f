"""What a stack's things are to run and do run: the program's word where the world agrees with it. Pure.

The program's output says what the recorded configuration asks for. Whether the world is so, a
refreshing preview tells: a thing none of whose resources would change runs just that. Saved state
is never believed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from rollout_kit.drivers.pulumi import changing, radius
from rollout_kit.drivers.pulumi.announcing import by_resource
from rollout_kit.drivers.pulumi.api import Previewed, Step
from rollout_kit.drivers.pulumi.begun import Begun
from rollout_kit.drivers.pulumi.contract import given_or_refused
from rollout_kit.drivers.pulumi.plain import Reading
from rollout_kit.drivers.pulumi.wanted import (
    from_values,
    read_cohort,
    read_job,
    read_node,
    read_singleton,
)
from rollout_kit.drivers.work.folder import UNDER_WAY
from rollout_kit.model.stack_contract import (
    NAMESPACE,
    CohortWanted,
    Given,
    JobWanted,
    NodeWanted,
    Placed,
    SingletonWanted,
    Wanted,
)
from rollout_kit.ports.errors import Unavailable
from rollout_kit.ports.infra import JobState

T = TypeVar("T", NodeWanted, SingletonWanted, CohortWanted, JobWanted)

UNCLEAN = frozenset({JobState.FAILED, JobState.LOST})


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One look at the stack. `given`: the output as the program gives it now; `moved`: by URN."""

    given: Given
    wanted: Wanted
    moved: Mapping[str, Step]


def standing(previewed: Previewed, configuration: Mapping[str, object], program: str) -> Standing:
    """Put a refreshing preview of the recorded configuration into words of the contract.

    Raises Refused: the program does not meet the contract.
    """
    given = given_or_refused(dict(previewed.outputs or {}).get(NAMESPACE), program)
    steps = by_resource((*previewed.steps, *previewed.drifted))
    return Standing(
        given=given,
        wanted=filled(from_values(configuration), given),
        moved=steps,
    )


def filled(wanted: Wanted, given: Given) -> Wanted:
    """The configuration with what the program runs where no key says anything."""
    scheduler = _all({"": given.scheduler} if given.scheduler else {}, read_singleton, "scheduler")
    return Wanted(
        nodes={**_all(given.nodes, read_node, "nodes"), **(wanted.nodes or {})},
        scheduler=wanted.scheduler or scheduler.get(""),
        maintenance={
            **_all(given.maintenance, read_singleton, "maintenance"),
            **(wanted.maintenance or {}),
        },
        cohorts={**_all(given.cohorts, read_cohort, "cohorts"), **(wanted.cohorts or {})},
        jobs={**_all(given.jobs, read_job, "jobs"), **(wanted.jobs or {})},
    )


def _all(things: Mapping[str, Placed], read: Callable[[Reading], T], section: str) -> dict[str, T]:
    """What each of them runs, where the program echoes it (it was checked when it was read)."""
    return {
        name: read(Reading(value=dict(placed.runs), place=f"{section}/{name}"))
        for name, placed in things.items()
        if placed.runs
    }


def differing(placed: Placed, moved: Mapping[str, Step]) -> tuple[Step, ...]:
    """What an update without any change would do to this thing: the world is not as it should be."""
    return tuple(moved[urn] for urn in (*placed.resources, *placed.membership) if urn in moved)


def overlaid(wanted: Wanted, begun: Mapping[str, Begun]) -> Wanted:
    """With every change that is under way as if it were done: what is recorded is wanted."""
    for item in begun.values():
        if item.state in UNDER_WAY:
            wanted = changing.changed(wanted, item.change, key=item.key)
    return wanted


def unclean(begun: Begun | None) -> bool:
    """Whether the last change of a thing ended so that nobody knows how far it came."""
    return begun is not None and begun.state in UNCLEAN


def not_as_recorded(what: str, steps: tuple[Step, ...]) -> Unavailable:
    """The error for a thing that the world shows otherwise than program and configuration say."""
    return Unavailable(
        f"{what} is not as its stack says: an update would {radius.in_words(steps)}",
        why="What really runs there is not known, so nothing could put it back.",
        hint="look what changed it; `pulumi config refresh`, then `pulumi up`, makes it as recorded",
    )

"""What each change of a rollout would do to which resources, from previews that write nothing. Pure.

Nothing of the changes before it is in the stack while a change is previewed: the preview of a
configuration shows the whole way there from what is. What one change adds is the difference
between the preview with its configuration and the one with the configuration before it. Shown are
resources, paths and reasons; no value of any input is ever read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from rollout_kit.drivers.pulumi import radius
from rollout_kit.drivers.pulumi.allowing import counts_as, is_root
from rollout_kit.drivers.pulumi.api import Previewed, Step
from rollout_kit.drivers.pulumi.changing import changed
from rollout_kit.drivers.pulumi.contract import read_given
from rollout_kit.drivers.pulumi.radius import CREATE, DELETE, HARMLESS, REPLACE, UPDATE
from rollout_kit.drivers.pulumi.wanted import Known, as_values
from rollout_kit.model.operation import Announcement
from rollout_kit.model.stack_contract import NAMESPACE, Given, Wanted
from rollout_kit.ports.infra import InfraChange

Changes = tuple[tuple[str, InfraChange], ...]
_UNDONE = {CREATE: DELETE, DELETE: CREATE, UPDATE: UPDATE, REPLACE: UPDATE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One change, and the configuration that is in force with it and all before it."""

    operation: str
    change: InfraChange
    values: Mapping[str, object]


def stages(changes: Changes, now: Wanted, known: Known | None = None) -> tuple[Stage, ...]:
    """The configurations along the way, in order. `known`: the entries in their present form."""
    found, wanted = [], now
    for operation, change in changes:
        wanted = changed(wanted, change, key=operation)
        found.append(Stage(operation=operation, change=change, values=as_values(wanted, known)))
    return tuple(found)


def announcements(
    along: Sequence[Stage],
    previews: Sequence[Previewed],
    given: Given,
    *,
    allowed: tuple[str, ...] = (),
) -> tuple[Announcement, ...]:
    """What each stage adds. `previews`: with nothing changed, then one a stage. `given`: as it is now."""
    found = []
    for stage, before, after in zip(along, previews[:-1], previews[1:], strict=True):
        steps = added(before.steps, after.steps)
        then = read_given(dict(after.outputs or {}).get(NAMESPACE)).given
        outside = radius.beyond(stage.change, given, then, steps, allowed=allowed)
        found.append(announcement(stage.operation, steps, outside))
    return tuple(found)


def announcement(
    operation: str, steps: Sequence[Step], outside: Sequence[Step] = ()
) -> Announcement:
    """The steps as every part of a rollout can read them. `outside`: those beyond its radius."""
    own_creates = [s.urn for s in steps if s.op == CREATE and s not in outside]
    return Announcement(
        operation=operation,
        resources=tuple(step.urn for step in steps),
        kinds=tuple(step.op for step in steps),
        changed=tuple(radius.step_in_words(step) for step in steps),
        creates=tuple(own_creates),
        beyond=tuple(radius.step_in_words(step) for step in outside),
    )


def added(before: Sequence[Step], after: Sequence[Step]) -> tuple[Step, ...]:
    """What the way to `after` has that the way to `before` has not, resource by resource.

    What only the way before would have changed is put back by this stage.
    """
    was, now = by_resource(before), by_resource(after)
    found = [_beside(was.get(urn), step) for urn, step in now.items() if was.get(urn) != step]
    found += [
        Step(urn=urn, op=_UNDONE.get(step.op, step.op), changed=step.changed)
        for urn, step in was.items()
        if urn not in now
    ]
    return tuple(found)


def by_resource(steps: Sequence[Step]) -> dict[str, Step]:
    """One step a resource: the halves of a replacement together, what changes nothing left out."""
    found: dict[str, Step] = {}
    for step in steps:
        if step.op in HARMLESS or is_root(step.urn):
            continue
        op, half = counts_as(step.op), found.get(step.urn)
        if half is None:
            found[step.urn] = replace(step, op=op)
        else:
            found[step.urn] = Step(
                urn=step.urn,
                op=REPLACE if REPLACE in (op, half.op) else op,
                changed=tuple(dict.fromkeys((*half.changed, *step.changed))),
                reasons=tuple(dict.fromkeys((*half.reasons, *step.reasons))),
            )
    return found


def _beside(was: Step | None, now: Step) -> Step:
    """The part of this resource's step that the stage before has not done already."""
    if was is None:
        return now
    fresh = tuple(path for path in now.changed if path not in was.changed) or now.changed
    if was.op == now.op and now.op in (CREATE, REPLACE):
        # It stands anew by then. Only its reasons tell whether that has to happen once more.
        again = tuple(path for path in now.reasons if path not in was.reasons)
        op = REPLACE if again else UPDATE
        return Step(urn=now.urn, op=op, changed=fresh, reasons=again)
    if was.op == DELETE:
        return Step(urn=now.urn, op=CREATE, changed=now.changed)
    if was.op == CREATE and now.op == DELETE:
        return now
    return Step(urn=now.urn, op=now.op, changed=fresh, reasons=now.reasons)


def restlessness(untouched: Previewed) -> tuple[Step, ...]:
    """What an update would do although nothing was asked for: the program or the world has moved."""
    return tuple(by_resource(untouched.steps).values())

"""What the driver says of the resources that a plan would change, laid beside the preview."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from rollout_kit.execution.preview import Preview, PreviewOperation
from rollout_kit.execution.rehearsal import changes_of
from rollout_kit.model.operation import Announcement, ChangeKind
from rollout_kit.operations.api import Readers
from rollout_kit.planning.api import Problem
from rollout_kit.ports.clock import Clock
from rollout_kit.ports.errors import InFlight, OutsideError, Trouble, Unavailable
from rollout_kit.ports.infra import Announces, Answers, InfraReader, Programmed

T = TypeVar("T")

UNANNOUNCED = "announcement"
"""Key in `not_read` for want of it; `apply` does not begin without."""
BESIDE = "beside the plan"
LOOK_S = 0.25
WITHIN_S = 600.0
FIRST_ANSWER_S = 15.0
"""A server that is only busy answers by then; of one that does not, a person wants to know."""
A_CHANGE_S = 60.0
"""How much longer the previews of a rollout may take for each of its changes: each has one of its own."""


def await_answers(infra: InfraReader, clock: Clock) -> None:
    """Give a driver that has to ask its engine first the time to do so: a preview is made once.

    Raises OutsideError: the engine cannot be asked. Without it there is nothing to announce, and
    every fact that it would have answered reads like a trouble of its own.
    """
    if Answers.ANNOUNCE not in infra.answers():
        return
    try:
        landed(infra.scheduler_spec, clock)
    except InFlight:
        return
    except OutsideError as error:
        if not isinstance(infra, Announces):
            return  # there is no driver yet: what it feeds is judged at apply
        if error.trouble is not Trouble.OTHER:  # else it is about the scheduler alone
            raise


def announced(found: Preview, readers: Readers, clock: Clock) -> Preview:
    """The preview with what each operation would do to which resources, where the driver can say."""
    if Answers.ANNOUNCE not in readers.infra.answers() or found.changes == 0:
        return found
    operations = [
        item.operation
        for step in found.steps
        for item in step.operations
        if item.change.kind is ChangeKind.UPDATE
    ]
    try:
        changes = landed(lambda: changes_of(operations, readers), clock)
        within_s = WITHIN_S + A_CHANGE_S * len(changes)
        said = landed(lambda: readers.infra.announce(changes), clock, within_s=within_s)
    except (InFlight, Unavailable) as error:
        return replace(found, not_read={**found.not_read, UNANNOUNCED: error.message})
    except OutsideError as error:
        problem = Problem(
            summary="what this plan would change cannot be announced",
            detail=error.sentences,
            hint=error.hint,
        )
        return replace(found, problems=(problem, *found.problems))  # others may follow from it
    return _beside(replace(found, announced=said), said)


def bound(found: Preview, infra: object, clock: Clock) -> Preview:
    """The preview with what it is bound to beside the fleet, where the driver has a program."""
    if not isinstance(infra, Programmed):
        return found
    try:
        return replace(found, bound=landed(infra.binding, clock))
    except OutsideError:
        return found  # not read: not compared


def _beside(found: Preview, said: tuple[Announcement, ...]) -> Preview:
    by_operation = {one.operation: one for one in said}
    steps = tuple(
        replace(step, operations=tuple(_told(item, by_operation) for item in step.operations))
        for step in found.steps
    )
    not_asked = by_operation.get("")
    if not_asked is None:
        return replace(found, steps=steps)
    text = "; ".join(not_asked.changed)
    note = f"an update would also do this, and no operation of the plan does: {text}"
    return replace(found, steps=steps, not_read={**found.not_read, BESIDE: note})


def _told(item: PreviewOperation, said: dict[str, Announcement]) -> PreviewOperation:
    one = said.get(item.operation.id)
    if one is None:
        return item
    beyond = tuple(f"beyond what it may touch: {text}" for text in one.beyond)
    plain = tuple(text for text in one.changed if text not in one.beyond)
    details = (*item.change.details, *plain, *beyond)
    return replace(item, change=replace(item.change, details=details))


def landed(read: Callable[[], T], clock: Clock, *, within_s: float = WITHIN_S) -> T:
    """The answer of a reading that may be in flight. Raises InFlight when it takes far too long."""
    until_s = clock.monotonic_s() + within_s
    while True:
        try:
            return read()
        except InFlight:
            if clock.interrupted() or clock.monotonic_s() > until_s:
                raise
        clock.sleep(LOOK_S)

"""Changes that somebody else makes: asked for, journaled with what an intent carries, then awaited."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from rollout_kit.execution import drift, people
from rollout_kit.model import codec
from rollout_kit.model.asked import is_putting_back, open_asking
from rollout_kit.model.events import HoldKind, HoldReleased, OperationIntended, PersonAsked
from rollout_kit.model.observation import Facts
from rollout_kit.model.operation import Keep, NeedsPerson, Operation
from rollout_kit.model.request import Request
from rollout_kit.model.state import RolloutState, Standing
from rollout_kit.operations.api import Seen
from rollout_kit.operations.infra_change import change_of
from rollout_kit.operations.registry import KINDS
from rollout_kit.ports.requests import Asked

if TYPE_CHECKING:
    from rollout_kit.execution.executor import Executor


def tell(run: Executor) -> None:
    """Let such a driver know what the journal knows: what was asked, said, and found done."""
    driver = run.asker
    if driver is not None:
        before = run.state.baseline.observation if run.state.baseline else None
        driver.tell(before, asked(run.state))


def asked(state: RolloutState) -> tuple[Asked, ...]:
    """All changes that were asked for, the latest last."""
    back = is_putting_back(state)
    return tuple(
        Asked(
            key=one.key,
            change=one.change,
            said=name in state.proofs,
            done=state.standing(name) is Standing.COMPLETED,
            withdrawn=back and not name.startswith("undo/"),
        )
        for name, one in state.asked.items()
        if one.change is not None and one.attempt == state.attempt(name)
    )


def must_hold(run: Executor, op: Operation, key: str, seen: Seen, *, undo: bool) -> str:
    """Ask for the operation's change, where somebody else makes it.

    Returns the reason to hold: nobody attends who could see it through, so nothing is begun. "" where
    it may go on: it writes itself, or somebody is here, or said so, or a gap is open already.
    """
    driver = run.asker
    found = change_of(op, key, run.shell.readers.infra) if driver is not None else None
    if driver is None or found is None:
        return ""
    here = undo or run.live.wait_for_people or drift.open_group(run.state) is not None
    here = here or op.id in run.state.proofs
    standing = open_asking(run.state, op.id)
    if standing is None or standing.begun is not here:
        request = driver.request(found.change) if standing is None else standing.request
        if request is None:
            return ""
        asking = PersonAsked(
            operation=op,
            attempt=run.state.attempt(op.id),
            request=request,
            key=found.key,
            change=codec.to_json(found.change),
            before=before_asked(run.state, op, seen),
            touches=KINDS[op.kind].touches(op),
            begun=here,
        )
        run.append(_bound(run, asking))
        standing = asking
    return "" if here else f"a person has to {standing.request.sentence}"


def before_asked(state: RolloutState, op: Operation, seen: Seen) -> Facts:
    """What was seen before it was asked for the first time: since then it may have been done."""
    earlier = state.asked.get(op.id)
    return earlier.before if earlier and earlier.change is not None else seen.facts


def done_unbegun(run: Executor, op: Operation) -> PersonAsked | None:
    """What was asked for and has no intent: if it is there now, somebody did it because of that."""
    found = run.state.operations.get(op.id)
    if found is not None and found.intended is not None:
        return None
    standing = run.state.asked.get(op.id)
    return standing if standing is not None and standing.change is not None else None


def nothing_sent(run: Executor, op: Operation) -> PersonAsked | None:
    """The request behind an intent: nothing was sent, so nothing can be lost or sent again."""
    standing = open_asking(run.state, op.id)
    return standing if standing is not None and standing.change is not None else None


def ask_word(run: Executor, op: Operation, verdict: NeedsPerson, seen: Seen) -> None:
    """Ask in place for what only a person can say, once."""
    if open_asking(run.state, op.id) is not None:
        return
    asking = PersonAsked(
        operation=op,
        attempt=run.state.attempt(op.id),
        request=Request(what=verdict.reason, seen="a person says so", word=True),
        before=seen.facts,
        touches=KINDS[op.kind].touches(op),
    )
    run.append(_bound(run, asking))


def go_on_attended(run: Executor) -> None:
    """What held only because nobody was here goes on as soon as somebody is."""
    held = run.state.hold
    if held is None or held.kind is not HoldKind.PERSON or not run.live.wait_for_people:
        return
    standing = open_asking(run.state, held.operation)
    if standing is not None and not standing.begun and held.operation not in run.state.proofs:
        run.append(HoldReleased(operation=held.operation, actor=run.shell.actor))


def intend_asked(run: Executor) -> None:
    """Before anything is put back: what was asked for may have been done, begun here or not."""
    for name, one in tuple(run.state.asked.items()):
        standing = None if name.startswith("undo/") else done_unbegun(run, one.operation)
        if standing is not None:
            run.append(intent_of(run, standing))


def intent_of(run: Executor, standing: PersonAsked) -> OperationIntended:
    """The intent of what was asked for before it was begun: its before-image is that of the asking."""
    op = standing.operation
    kind = KINDS[op.kind]
    undoing = op.id.startswith("undo/")
    return OperationIntended(
        operation=op,
        attempt=run.state.attempt(op.id),
        key=standing.key,
        before=standing.before,
        undo=Keep(reason="part of a rollback") if undoing else kind.compensate(op, standing.before),
        touches=standing.touches,
        expected={},
    )


def _bound(run: Executor, asking: PersonAsked) -> PersonAsked:
    found = people.facts_after(run, asking.operation, without=asking.touches)
    return replace(asking, fingerprint=found.fingerprint())

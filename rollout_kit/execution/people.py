"""What people left beside the journal: taken in, journaled, and bound to what they saw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from rollout_kit.execution import drift
from rollout_kit.execution.observe import observe_fleet
from rollout_kit.model.events import (
    ApprovalGiven,
    HoldKind,
    OperationFailed,
    PersonAsked,
    ProvedByPerson,
    RolloutHeld,
)
from rollout_kit.model.observation import Observation
from rollout_kit.model.operation import Operation
from rollout_kit.model.state import RolloutState, Standing
from rollout_kit.operations.registry import KINDS
from rollout_kit.ports.approvals import PersonRecord, PersonSaid

if TYPE_CHECKING:
    from rollout_kit.execution.executor import Executor

AGAIN = " - asked again: "


def read_people(run: Executor) -> None:
    """Take in what people left beside the journal, and journal what is acted on."""
    records = run.shell.approvals.read()
    awaited = awaited_in_place(run.state)
    if records == run.live.people and run.state.hold is None and not awaited:
        return
    run.live = replace(run.live, people=records)
    for said in records:
        if said.operation in awaited:
            _take_word(run, awaited[said.operation], said)
    held = run.state.hold
    if held is None or run.state.started is None or run.state.rollback:
        return
    attempt = run.state.attempt(held.operation)
    for said in records:
        if said.operation == held.operation and said.attempt == attempt:
            _take_in(run, held, said)
            if run.state.hold is None:
                return
            held = run.state.hold
    _approval_late(run, held)


def awaited_in_place(state: RolloutState) -> Mapping[str, PersonAsked]:
    """What a person was asked while the rollout goes on, and has not said yet."""
    return {
        name: asked
        for name, asked in state.asked.items()
        if asked.begun
        and asked.attempt == state.attempt(name)
        and name not in state.proofs
        and state.standing(name) in (Standing.AWAITED, Standing.INTENDED)
        and (state.hold is None or state.hold.operation != name)
    }


def _take_word(run: Executor, asked: PersonAsked, said: PersonRecord) -> None:
    """In place as in a hold: bound to plan, attempt and the facts it was asked on."""
    assert run.state.started is not None
    op = asked.operation
    yes = said.said in (PersonSaid.PROVE, PersonSaid.APPROVE)
    current = said.attempt == asked.attempt and said.fingerprint == asked.fingerprint
    same_plan = said.digest == run.state.started.digest
    if not (yes and current and same_plan) or op.id in run.state.proofs:
        return
    present = facts_after(run, op, without=asked.touches).fingerprint()
    if present != asked.fingerprint:
        why = f"{AGAIN}what {said.actor} said is void, for the fleet has changed since"
        request = replace(asked.request, what=asked.request.what.partition(AGAIN)[0] + why)
        run.append(replace(asked, request=request, fingerprint=present))
        return
    fact = said.because or asked.request.sentence
    run.append(ProvedByPerson(operation=op.id, fact=fact, actor=said.actor))


def _take_in(run: Executor, held: RolloutHeld, said: PersonRecord) -> None:
    """An approval counts only while plan digest and fingerprint are the same; a void one hides none."""
    assert run.state.started is not None
    if said.digest != run.state.started.digest:
        return
    present = _facts_at(run, held.operation)
    if said.fingerprint != present.fingerprint():
        _ask_again(run, held, said, present)
        return
    if said.said is PersonSaid.APPROVE and held.kind is HoldKind.APPROVAL:
        run.append(
            ApprovalGiven(
                operation=held.operation,
                actor=said.actor,
                because=said.because,
                fingerprint=said.fingerprint,
            )
        )
    elif said.said in (PersonSaid.PROVE, PersonSaid.APPROVE) and held.kind is HoldKind.PERSON:
        run.append(
            ProvedByPerson(
                operation=held.operation, fact=said.because or held.reason, actor=said.actor
            )
        )


def _ask_again(run: Executor, held: RolloutHeld, void: PersonRecord, present: Observation) -> None:
    """Once for each fleet that it was not given on: a new answer is bound to what is there now."""
    if held.fingerprint == present.fingerprint():
        return
    moved = "; ".join(item.sentence for item in drift.drift(run.state, present.facts))
    why = f"what {void.actor} said is void, for the fleet has changed since"
    asked = held.reason.partition(AGAIN)[0]
    reason = f"{asked}{AGAIN}{why}{f': {moved}' if moved else ''}"
    run.append(replace(held, reason=reason, fingerprint=present.fingerprint()))


def _approval_late(run: Executor, held: RolloutHeld) -> None:
    found = run.state.operations.get(held.operation)
    if held.kind is not HoldKind.APPROVAL or found is None or found.operation is None:
        return
    within_s = found.operation.within_s
    if run.state.held_at is None:
        return
    waited_s = (run.shell.clock.now() - run.state.held_at).total_seconds()
    if waited_s > within_s:
        reason = f"nobody approved within {within_s:g} s (asked {waited_s:.0f} s ago)"
        run.append(OperationFailed(operation=held.operation, reason=reason))


def bound(run: Executor, held: RolloutHeld) -> RolloutHeld:
    """A hold that a person can settle carries what the decision is bound to."""
    return replace(held, fingerprint=_facts_at(run, held.operation).fingerprint())


def _facts_at(run: Executor, operation_id: str) -> Observation:
    """What a hold at this operation is bound to; what was asked of a person is theirs to move."""
    asked = run.state.asked.get(operation_id)
    return _facts_after(run, operation_id, asked.touches if asked else ())


def facts_after(run: Executor, op: Operation, *, without: tuple[str, ...]) -> Observation:
    """What a word on this operation is bound to. While things are put back, that is its own alone."""
    if op.id.startswith("undo/"):
        return Observation(facts={})
    return _facts_after(run, op.id, without)


def _facts_after(run: Executor, operation_id: str, without: tuple[str, ...] = ()) -> Observation:
    """The facts that the operations after this one touch and rely on, `no answer` left out."""
    assert run.state.started is not None
    operations = run.state.started.execution_plan.operations
    ids = [op.id for op in operations]
    later = operations[ids.index(operation_id) :] if operation_id in ids else operations
    paths = {
        path
        for op in later
        for path in (*KINDS[op.kind].touches(op), *KINDS[op.kind].relies_on(op))
    }
    seen = observe_fleet(run.shell.readers, run.now_s())
    found = Observation(facts=seen.facts).only(paths).facts
    return Observation(facts={k: v for k, v in found.items() if not drift.matches(k, without)})

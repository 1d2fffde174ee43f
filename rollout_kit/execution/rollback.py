"""Which undos a rollback runs, in which order. Pure, from the journal alone."""

from __future__ import annotations

from dataclasses import dataclass, replace

from rollout_kit.model.observation import cohort_fact
from rollout_kit.model.operation import (
    Irreversible,
    Keep,
    NewBuild,
    Operation,
    RollbackPolicy,
    Undo,
)
from rollout_kit.model.state import RolloutState, Standing
from rollout_kit.operations.registry import KINDS

OVER = (Standing.COMPLETED, Standing.FAILED, Standing.SKIPPED)


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoList:
    """The ordered undo of one operation, or of its half in one pass."""

    source: str
    operations: tuple[Operation, ...]
    retires: bool


def forward_intents(state: RolloutState) -> tuple[str, ...]:
    return tuple(i for i in state.intents if not i.startswith("undo/"))


def irreversible(state: RolloutState) -> tuple[str, str] | None:
    """The first intended operation that cannot be undone, and why; None: rollback can be offered."""
    for intent in forward_intents(state):
        intended = state.operations[intent].intended
        if intended and isinstance(intended.undo, Irreversible):
            return intent, intended.undo.reason
    return None


def sent_again(state: RolloutState) -> bool:
    """Whether anything was sent more than once: of the first time nobody knows when it arrives."""
    return any(found.reapplied for found in state.operations.values())


def kept(state: RolloutState) -> tuple[str, ...]:
    """Sentences for what stays in place, harmless by contract."""
    found = []
    for intent in forward_intents(state):
        intended = state.operations[intent].intended
        if intended and isinstance(intended.undo, Keep):
            found.append(f"{intent}: {intended.undo.reason}")
    return tuple(found)


def kept_facts(state: RolloutState) -> tuple[str, ...]:
    """Facts (or prefixes ending in `/`) of what stays by contract, or was accepted from somebody."""
    undos = [state.operations[intent].intended for intent in forward_intents(state)]
    by_contract = [path for i in undos if i and isinstance(i.undo, Keep) for path in i.touches]
    return (*state.accepted, *by_contract)


def left_facts(state: RolloutState) -> tuple[str, ...]:
    """Prefixes of the facts of cohorts left running on purpose."""
    return tuple(f"cohort/{left.cohort.path}/" for left in state.left)


def undo_lists(state: RolloutState, group: str | None = None) -> tuple[UndoList, ...]:
    """Undo lists in reverse order of their intents: first all that restores, then all that retires.

    `group`: only those of this group's operations (its own undo).
    """
    policy = state.started.execution_plan.rollback if state.started else RollbackPolicy()
    if state.rollback and state.rollback.freeze:
        policy = replace(policy, new_build=NewBuild.FREEZE)
    restore: list[UndoList] = []
    retire: list[UndoList] = []
    for intent in reversed(forward_intents(state)):
        found = state.operations[intent]
        intended = found.intended
        if intended is None or not isinstance(intended.undo, Undo):
            continue
        operation = intended.operation
        if group is not None and (operation.group is None or operation.group.id != group):
            continue
        named = _named(intent, intended.undo, policy)
        split = len(intended.undo.restore)
        if named[:split]:
            restore.append(UndoList(source=intent, operations=named[:split], retires=False))
        if named[split:]:
            retire.append(UndoList(source=intent, operations=named[split:], retires=True))
    return (*restore, *retire)


def _named(intent: str, undo: Undo, policy: RollbackPolicy) -> tuple[Operation, ...]:
    """The undo's operations under their own ids. Their step's timeout was for the way forward."""
    return tuple(
        replace(op, id=f"undo/{intent}/{n}", rollback=policy, step_timeout_s=None)
        for n, op in enumerate((*undo.restore, *undo.retire), start=1)
    )


def current(state: RolloutState, undo: UndoList) -> Operation | None:
    """The list's next operation; None when the list is through, failed or left a cohort running."""
    for operation in undo.operations:
        standing = state.standing(operation.id)
        if operation.id in state.skipped_undos or standing is Standing.FAILED:
            return None  # a list stops at its first failure; the other lists go on
        if any(left.operation == operation.id for left in state.left) or _left(state, operation):
            return None
        if standing not in OVER:
            return operation
    return None


def moved(undo: UndoList) -> frozenset[str]:
    """What the list takes away or changes. A selection is a queue's, and so nobody's in particular."""
    paths = (path for op in undo.operations for path in KINDS[op.kind].touches(op))
    return frozenset(path for path in paths if not path.endswith("/selected"))


def _left(state: RolloutState, operation: Operation) -> bool:
    """Whether it would change a cohort that another list has left running: it is residue as it is."""
    touches = KINDS[operation.kind].touches(operation)
    return any(cohort_fact(left.cohort, "drain_intent") in touches for left in state.left)


def closes_a_gap(state: RolloutState, lists: tuple[UndoList, ...], operation: str) -> bool:
    """Whether this undo belongs to a group of which an undo has written already.

    A node that is out, or a scheduler that is stopped, is not left so for want of time: what closes
    the gap is bounded by its own `within`.
    """
    source = next(undo.source for undo in lists if operation in {op.id for op in undo.operations})
    group = _group(state, source)
    undos = (
        op.id for undo in lists if _group(state, undo.source) == group for op in undo.operations
    )
    return group is not None and any(i in state.intents for i in undos)


def _group(state: RolloutState, intent: str) -> str | None:
    intended = state.operations[intent].intended
    return intended.operation.group.id if intended and intended.operation.group else None


def shortfall(state: RolloutState) -> tuple[str, ...]:
    """What the rollback could not do, in sentences; empty: every undo is through."""
    failed = tuple(
        f"{found.id}: {found.reason}"
        for found in state.operations.values()
        if found.id.startswith("undo/") and found.standing is Standing.FAILED
    )
    skipped = tuple(f"{skip.operation}: {skip.reason}" for skip in state.skipped_undos.values())
    return (*failed, *skipped)


def residue(state: RolloutState) -> tuple[str, ...]:
    """Cohorts left running, with the runs that need them."""
    sentences: dict[str, str] = {}
    for left in state.left:
        named = left.runs[:10] if left.runs and left.runs[0] not in left.reason else ()
        more = f" and {len(left.runs) - 10} more" if named and len(left.runs) > 10 else ""
        shown = f" ({', '.join(named)}{more})" if named else ""
        sentences[left.cohort.path] = f"{left.cohort.label} keeps running: {left.reason}{shown}"
    return tuple(sentences.values())

"""The last look of a rollback: a request that nobody heard of may arrive after its undo."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from rollout_kit.execution import rollback
from rollout_kit.execution.circumstances import key_in_use
from rollout_kit.execution.observe import observe_fleet
from rollout_kit.execution.verdicts import COMMAND
from rollout_kit.model.equivalence import equivalent
from rollout_kit.model.observation import Absent, Difference, Facts, FactValue, differences
from rollout_kit.model.operation import ChangeKind
from rollout_kit.model.state import OperationState, Standing
from rollout_kit.operations.asking import Missing, ask
from rollout_kit.operations.registry import KINDS

if TYPE_CHECKING:
    from rollout_kit.execution.executor import Executor

PAUSE_S = 1.0
SETTLES_WITHIN_S = 2.0
LATE_AT_MOST_S = 10.0
"""How long a request whose answer was lost may still be on its way: as long as a call may take, twice."""
TAKES_AWAY = ("stop_cohort", "terminate_smoke")
"""Undos of what was not there before: the fleet of before has no fact that would show it."""


def settle(run: Executor) -> None:
    """Look once more at the whole fleet: a late request may have arrived after its undo.

    Where nobody heard of an effect, it is looked for as long as its request may still be on its way.
    What gives no answer is asked again for as long as silence is no difference (`no_answer_for`).
    """
    if (
        run.state.baseline is None
    ):  # it was never about to write: there is nothing that could be late
        run.live = replace(run.live, settled=True)
        return
    assert run.state.started is not None
    ignored = (*rollback.kept_facts(run.state), *rollback.left_facts(run.state))
    before = {**run.state.baseline.observation.facts, **_work(run)}
    lost = bool(run.live.in_doubt) or rollback.sent_again(run.state)
    until_s = run.now_s() + (LATE_AT_MOST_S if lost else SETTLES_WITHIN_S)
    silent_until_s = run.now_s() + run.state.started.execution_plan.no_answer_for_s
    while not run.shell.clock.interrupted():
        facts = observe_fleet(run.shell.readers, run.now_s()).facts
        found = equivalent(before, facts, ignored=ignored) + differences(before, _work(run))
        found += _back_again(run)
        unseen = any(isinstance(item.found, Absent) for item in found)
        over = run.now_s() >= (max(until_s, silent_until_s) if unseen else until_s)
        if over or not (found or lost):
            run.live = replace(run.live, settled=True, settled_facts=facts, unrestored=found)
            return
        run.progress("settling", "looking for requests that arrive late" if lost else "")
        run.shell.clock.sleep(PAUSE_S)


def _is_command(found: OperationState) -> bool:
    return found.intended is not None and found.intended.operation.kind == COMMAND


def _work(run: Executor) -> Facts:
    """How far the commands are whose end this rollout has not seen: no fact of the fleet shows them."""
    found: dict[str, FactValue] = {}
    for intent in rollback.forward_intents(run.state):
        command = run.state.operations[intent]
        if command.standing is Standing.COMPLETED or not _is_command(command):
            continue
        status = ask(partial(run.shell.readers.infra.work, command.key))
        found[f"work/{intent}"] = status.why if isinstance(status, Missing) else status.state.value
    return found


def _back_again(run: Executor) -> tuple[Difference, ...]:
    """What an undo took away, or did not find, and is there now."""
    found = []
    operations = [op for undo in rollback.undo_lists(run.state) for op in undo.operations]
    for op in operations:
        if op.kind not in TAKES_AWAY or run.state.standing(op.id) is not Standing.COMPLETED:
            continue
        readers = replace(run.shell.readers, key=key_in_use(run, op))
        seen = KINDS[op.kind].observe(op, readers, run.now_s())
        change = KINDS[op.kind].preview(op, seen.observation, seen.situation)
        if change.kind is ChangeKind.UPDATE:
            found.append(Difference(fact=op.id, expected="done", found=f"to do: {change.sentence}"))
    return tuple(found)

"""The imperative shell: ask `decide`, do just that, journal it, tell the reporters."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import assert_never

from rollout_kit.execution import (
    advance,
    people,
    putting_back,
    requests,
    rollback,
    settling,
    watch,
)
from rollout_kit.execution.decide import decide
from rollout_kit.execution.decisions import (
    Advance,
    CloseGroup,
    Decision,
    Finish,
    Hold,
    RollBack,
    Settle,
    SkipUndo,
    Sleep,
    Stop,
    TakeBaseline,
    UndoGroup,
    WatchFleet,
)
from rollout_kit.execution.live import Live
from rollout_kit.model.events import (
    Event,
    GroupUndone,
    GroupUndoStarted,
    HoldKind,
    Progress,
    RollbackStarted,
    RolloutFinished,
    RolloutHeld,
    UndoSkipped,
)
from rollout_kit.model.state import RolloutState, Standing, evolve, fold
from rollout_kit.operations.api import Readers, Writers
from rollout_kit.ports.approvals import ApprovalReader
from rollout_kit.ports.attention import Attended
from rollout_kit.ports.clock import Clock
from rollout_kit.ports.journal import Journal
from rollout_kit.ports.lock import Lock
from rollout_kit.ports.reporter import Reporter
from rollout_kit.ports.requests import AsksPeople

SIGN_OF_LIFE_S = 1.0
SHORTEST_S = 0.001  # a difference that rounding left must still make time pass


class End(StrEnum):
    """How a run of the executor ended."""

    OVER = "over"  # the rollout is finished: see its outcome
    HELD = "held"  # it waits for a person
    INTERRUPTED = "interrupted"  # a signal: resume goes on


@dataclass(frozen=True, slots=True, kw_only=True)
class Shell:
    """Everything outside that the executor works with."""

    journal: Journal
    lock: Lock
    readers: Readers
    writers: Writers
    approvals: ApprovalReader
    clock: Clock
    reporters: tuple[Reporter, ...]
    actor: str


class Executor:
    """One process running one rollout. `state` is what the journal says, `live` what was seen."""

    def __init__(self, shell: Shell, *, wait_for_people: bool = False) -> None:
        self.shell = shell
        infra = shell.readers.infra
        self.asker = infra if isinstance(infra, AsksPeople) else None
        """The driver, where it asks people instead of changing anything itself."""
        self.state: RolloutState = fold(shell.journal.read())
        now_s = shell.clock.monotonic_s()
        self.live = Live(
            attached_at_s=now_s,
            attended_before_s=self.state.attended_s,
            in_doubt=frozenset(
                i
                for i, found in self.state.operations.items()
                if found.standing is Standing.INTENDED
            ),
            wait_for_people=wait_for_people,
        )
        self.left: tuple[str, ...] = ()
        watch.skip_while_open(self)
        requests.tell(self)

    def run(self) -> End:
        """Go on until it is over, held or interrupted; what may not go on without us is ended."""
        try:
            return self._go_on()
        finally:
            self.left = self.leave()

    def _go_on(self) -> End:
        if self.state.rollback and not self.state.finished:
            requests.intend_asked(self)
        requests.go_on_attended(self)
        while True:
            if self.shell.clock.interrupted():
                return End.INTERRUPTED
            if self.shell.lock.is_lost():
                self.shell.lock.check()  # raises: what runs is not waited for any longer
            people.read_people(self)
            decision = decide(self.state, self.live, self.shell.clock.monotonic_s())
            end = self._perform(decision)
            if end is not None:
                return end

    def _perform(self, decision: Decision) -> End | None:
        match decision:
            case Advance():
                advance.advance(self, decision.operation, undo=decision.undo)
            case TakeBaseline():
                watch.take_baseline(self)
            case WatchFleet():
                watch.watch_fleet(self)
            case Sleep():
                self._sleep(decision)
            case RollBack():
                self._roll_back(decision)
            case UndoGroup():
                self._undo_group(decision.started)
            case CloseGroup():
                self.append(GroupUndone(group=decision.group))
            case SkipUndo():
                self.append(UndoSkipped(operation=decision.operation, reason=decision.reason))
            case Settle():
                self.leave()  # a skipped undo that still waits for its turn would read as what it wants
                settling.settle(self)
            case Hold():
                if not decision.repeated:
                    self.append(people.bound(self, decision.held))
                if decision.repeated or not self.live.wait_for_people:
                    return End.HELD
            case Finish():
                self.append(
                    RolloutFinished(
                        outcome=decision.outcome,
                        sentence=decision.sentence,
                        residue=rollback.residue(self.state),
                        kept=rollback.kept(self.state) if self.state.rollback else (),
                        seen=self.live.settled_facts,
                    )
                )
                return End.OVER
            case Stop():
                return End.OVER
            case _:
                assert_never(decision)
        return None

    def _roll_back(self, decision: RollBack) -> None:
        """Nothing is begun that could not be ended: a rollback that another program would refuse holds."""
        self.leave()
        if why := putting_back.barred(self):
            reason = f"{decision.cause}; nothing is rolled back: {why}"
            self._hold(decision.operation, reason, putting_back.HINT)
            return
        if self.shell.clock.interrupted():
            return
        requests.intend_asked(self)
        self.append(RollbackStarted(cause=decision.cause, actor=self.shell.actor))
        self.live = replace(self.live, due_s={}, guards_due_s=self.now_s() + 10.0)

    def _undo_group(self, started: GroupUndoStarted) -> None:
        self.leave()
        if why := putting_back.barred(self):
            reason = f"{started.reason}; {started.group} is left open: {why}"
            self._hold(started.operation, reason, putting_back.HINT)
            return
        if self.shell.clock.interrupted():
            return
        self.append(started)
        self.live = replace(self.live, due_s={})

    def _hold(self, operation: str, reason: str, hint: str) -> None:
        held = RolloutHeld(kind=HoldKind.FAILURE, operation=operation, reason=reason, hint=hint)
        self.append(people.bound(self, held))

    def _sleep(self, decision: Sleep) -> None:
        left_s = max(SHORTEST_S, decision.until_s - self.now_s())
        self.progress(decision.operation, self.live.waiting_for.get(decision.operation, ""))
        self.shell.clock.sleep(min(left_s, SIGN_OF_LIFE_S))

    def leave(self) -> tuple[str, ...]:
        """Nobody goes on with what the driver is at: it is to end. Gives the keys of what has not yet."""
        infra = self.shell.writers.infra
        return infra.leave() if isinstance(infra, Attended) else ()

    def append(self, event: Event) -> None:
        """Journal first, then tell: a reporter that fails does not fail the rollout."""
        record = self.shell.journal.append(event)
        self.state = evolve(self.state, record)
        requests.tell(self)
        for reporter in self.shell.reporters:
            try:
                reporter.record(record)
            except Exception:  # noqa: BLE001 - output is a subscriber
                continue

    def progress(self, operation: str, text: str) -> None:
        since = self.live.since_s.get(operation, self.now_s())
        sign = Progress(operation=operation, text=text, waited_s=self.now_s() - since)
        for reporter in self.shell.reporters:
            try:
                reporter.progress(sign)
            except Exception:  # noqa: BLE001 - output is a subscriber
                continue

    def now_s(self) -> float:
        return self.shell.clock.monotonic_s()

"""At the terminal where a rollout runs: what it holds for, put as a question."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rollout_kit.cli.approval import SAYS, yes
from rollout_kit.cli.keyboard import Keyboard
from rollout_kit.cli.options import with_state
from rollout_kit.model.asked import wants_word
from rollout_kit.model.events import HoldKind, Progress, Record, RolloutHeld
from rollout_kit.model.state import RolloutState, evolve, fold
from rollout_kit.ports.approvals import PersonRecord
from rollout_kit.ports.journal import JournalLost
from rollout_kit.reporters import board
from rollout_kit.reporters.live import LiveReporter
from rollout_kit.reporters.text import Style, one_line
from rollout_kit.wiring.clock import DECLINED, SystemClock

FOLLOWING_AT_MOST = 6
HELP = "type `y` and why, or `n`"


class Asking:
    """Follows a rollout; while it holds for a person, the board makes room for a question.

    A yes is left beside the journal, exactly as `approve` leaves one, and a no ends this command with
    the hold as it is. An `approve` from another terminal settles the question, too.
    """

    def __init__(
        self,
        live: LiveReporter,
        clock: SystemClock,
        *,
        actor: str,
        keyboard: int,
        leave: Callable[[str, str, PersonRecord], bool],
        state_folder: str,
    ) -> None:
        self._live = live
        self._clock = clock
        self._actor = actor
        self._descriptor = keyboard
        self._leave = leave
        self._state_folder = state_folder
        self._state = RolloutState()
        self._asked: RolloutHeld | None = None
        self._keyboard: Keyboard | None = None
        self._told = ""

    def catch_up(self, records: Sequence[Record]) -> None:
        self._state = fold(records)

    def record(self, record: Record) -> None:
        self._state = evolve(self._state, record)
        if self._asked is not None and self._asked != _question(self._state, self._asked.operation):
            self.close()

    def progress(self, progress: Progress) -> None:
        """A rollout that waits in place gives a sign of life each second: time to ask."""
        held = _question(self._state, progress.operation)
        if held is None:
            return
        if self._asked is None:
            self._ask(held)
            if self._state.hold is None:
                self._told = progress.text  # a wait in place tells what it waits for: just said
        if progress.text and progress.text != self._told:  # an answer that was of no use, and why
            self._told = progress.text
            self._say(progress.text)

    def close(self) -> None:
        """The question is settled, or the command ends."""
        if self._keyboard is not None:
            self._keyboard.close()
            self._keyboard = None
            self._live.go_on()
        self._asked = None

    def _ask(self, held: RolloutHeld) -> None:
        self._asked, self._told = held, ""
        self._live.make_room()
        self._keyboard = Keyboard(
            self._descriptor, self._heard
        )  # what was typed before is no answer
        self._say()
        self._say(f"‖ {one_line(held.reason, 1000)}", Style.CHANGE)
        for line in _following(self._state, held):
            self._say(f"    {line}")
        goes_on = "goes on" if held.kind is HoldKind.APPROVAL else "says that it is so, and goes on"
        self._say(f"  y <why> {goes_on}; n leaves it held. Or from another terminal:")
        elsewhere = with_state(_elsewhere(self._state, held), self._state_folder)
        self._say(f"  {elsewhere}", Style.FAINT)

    def _heard(self, line: str) -> None:
        word, _, because = line.partition(" ")
        held, started = self._asked, self._state.started
        if held is None or started is None:
            return
        match word.lower():
            case "y" | "yes":
                record = yes(
                    self._state,
                    held,
                    actor=self._actor,
                    because=because.strip(),
                    at=self._clock.now(),
                )
                try:
                    if not self._leave(started.target, started.rollout, record):
                        self._say("that was said before; that stands")
                except JournalLost as lost:
                    self._say(lost.message, Style.BAD)
            case "n" | "no":
                self._clock.interrupt(DECLINED)
            case _:
                self._say(HELP)

    def _say(self, text: str = "", style: Style = Style.NONE) -> None:
        self._live.above.line(text, style)


def _question(state: RolloutState, operation: str) -> RolloutHeld | None:
    """What a yes would settle at this operation: a hold, or a word that is awaited in place."""
    held = state.hold
    if held is not None:
        return held if held.kind in SAYS and held.operation == operation else None
    asked = wants_word(state, operation)
    if asked is None or not asked.request.word:
        return None
    return RolloutHeld(
        kind=HoldKind.PERSON,
        operation=operation,
        reason=f"a person has to {asked.request.sentence}",
        fingerprint=asked.fingerprint,
    )


def _elsewhere(state: RolloutState, held: RolloutHeld) -> str:
    if state.hold is None:
        return f"rollout-kit approve {held.operation}"
    return board.next_command(state, "")


def _following(state: RolloutState, held: RolloutHeld) -> list[str]:
    """The steps that a yes lets begin, up to the next question."""
    assert state.started is not None
    plan = state.started.execution_plan
    ids = [op.id for op in plan.operations]
    later = plan.operations[ids.index(held.operation) + 1 :] if held.operation in ids else ()
    counts: dict[str, int] = {}
    for operation in later:
        counts[operation.step] = counts.get(operation.step, 0) + 1
        if operation.kind == "await_approval":
            break
    lines = [
        f"then {one_line(step)}: {one_line(plan.steps.get(step) or step)} ({_counted(count)})"
        for step, count in counts.items()
    ]
    more = len(lines) - FOLLOWING_AT_MOST
    return [*lines[:FOLLOWING_AT_MOST], f"and {more} more steps"] if more > 0 else lines


def _counted(operations: int) -> str:
    return f"{operations} operation{'' if operations == 1 else 's'}"

"""A terminal's view of a running rollout: events scroll by above, the board stays below."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import IO, cast

from rich.cells import cell_len, set_cell_size
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from rollout_kit.model.duration import span
from rollout_kit.model.events import Progress, Record
from rollout_kit.model.state import RolloutState, evolve, fold
from rollout_kit.reporters import board
from rollout_kit.reporters.board import StepStanding, StepView
from rollout_kit.reporters.human import HumanReporter
from rollout_kit.reporters.text import Printer, Stream, Style, one_line, plain

RICH = {
    Style.NONE: "",
    Style.GOOD: "green",
    Style.CHANGE: "yellow",
    Style.BAD: "red",
    Style.STRONG: "bold",
    Style.FAINT: "dim",
}
HANGING = 13
"""Where an event's own text begins: what does not fit on its line goes on below that."""
GUARD = "guard/"


class LiveReporter:
    """Implements `ports.reporter.Reporter`. A context manager: leaving it gives the terminal back."""

    def __init__(self, stream: Stream, monotonic_s: Callable[[], float], *, colour: bool) -> None:
        self._console = Console(
            file=cast("IO[str]", stream),
            no_color=not colour,
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
        self._monotonic_s = monotonic_s
        self.above: Printer = _Above(stream, self._console, colour=colour)
        self._lines = HumanReporter(self.above, monotonic_s)
        self._state = RolloutState()
        self._progress: dict[str, tuple[Progress, float]] = {}
        self._live = self._board()  # it draws at once: all else stands by now

    def __enter__(self) -> LiveReporter:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._live.stop()

    def make_room(self) -> None:
        """Take the board away, for somebody to type; events are printed as before."""
        self._live.stop()

    def go_on(self) -> None:
        self._live = self._board()  # the one before would wipe what was printed meanwhile
        self._live.start()

    def _board(self) -> Live:
        return _Patient(
            console=self._console, get_renderable=self.render, refresh_per_second=4, transient=True
        )

    def catch_up(self, records: Sequence[Record]) -> None:
        """What was journaled before this process took the rollout up."""
        self._state = fold(records)
        self._lines.catch_up(records)

    def record(self, record: Record) -> None:
        self._state = evolve(self._state, record)
        running = {name for view in board.steps(self._state) for name in view.current}
        kept = self._progress.items()
        self._progress = {k: v for k, v in kept if k in running or k.startswith(GUARD)}
        self._lines.record(record)

    def progress(self, progress: Progress) -> None:
        # A new dict each time: rich draws from a thread of its own.
        seen = (progress, self._monotonic_s())
        self._progress = {**self._progress, progress.operation: seen}

    def render(self) -> Group:
        """The board as it stands at this moment, as much of it as the terminal has room for.

        What runs now comes first, then the steps around it, then the guards.
        """
        room = max(6, self._console.height - 2)  # a line apart from the events, one for the cursor
        waits, guards = self._waits()[: room - 3], self._guards()
        steps = _fitting(board.steps(self._state), room - len(waits))
        lines = [*_table(steps), *waits, *guards[: room - len(waits) - len(steps)]]
        for line in lines:
            line.truncate(self._console.width - 1, overflow="ellipsis")
        return Group(Text(), *lines)

    def _waits(self) -> list[Text]:
        """What runs now, how long, and each gate's figures against its threshold."""
        lines = []
        now_s = self._monotonic_s()
        for name, (progress, at_s) in sorted(self._progress.items()):
            if not name.startswith(GUARD):
                waited = span(float(int(progress.waited_s + now_s - at_s)))
                what = one_line(progress.text) or "waiting"
                lines.append(Text(f"… {plain(name)} ({waited})  {what}", style="yellow"))
        return lines

    def _guards(self) -> list[Text]:
        return [
            Text(f"  {plain(name)}  {one_line(progress.text)}", style="dim")
            for name, (progress, _) in sorted(self._progress.items())
            if name.startswith(GUARD)
        ]


def _fitting(steps: Sequence[StepView], room: int) -> Sequence[StepView]:
    """As many steps as there is room for; those before and after the ones that run are counted."""
    if len(steps) <= room:
        return steps
    shown = max(1, room - 2)
    running = (n for n, step in enumerate(steps) if step.standing is not StepStanding.DONE)
    begin = min(max(0, next(running, 0) - 1), len(steps) - shown)
    before, after = steps[:begin], steps[begin + shown :]
    return [*_counted(before), *steps[begin : begin + shown], *_counted(after)]


def _counted(steps: Sequence[StepView]) -> list[StepView]:
    if len(steps) < 2:
        return list(steps)
    alike = len({step.standing for step in steps}) == 1
    return [
        StepView(
            id="…",
            title=f"{len(steps)} steps{f' {steps[0].standing.word}' if alike else ''}",
            standing=steps[0].standing if alike else StepStanding.TO_DO,
            done=sum(step.done for step in steps),
            total=sum(step.total for step in steps),
            current=(),
        )
    ]


def _table(steps: Sequence[StepView]) -> list[Text]:
    ids, titles = [plain(step.id) for step in steps], [plain(step.title) for step in steps]
    wide = [max(map(cell_len, column), default=0) for column in (ids, titles)]
    return [
        Text(
            f"{step.standing.symbol}  {set_cell_size(name, wide[0])}  "
            f"{set_cell_size(title, wide[1])}  {f'{step.done}/{step.total}' if step.total else ''}",
            style=RICH[step.standing.style],
        )
        for step, name, title in zip(steps, ids, titles, strict=True)
    ]


class _Patient(Live):
    """Draws nothing for a terminal that has been stopped: it would all come at once later."""

    def refresh(self) -> None:
        if not getattr(self.console.file, "behind", False):
            super().refresh()


class _Above(Printer):
    """Prints above the board: rich keeps the two apart."""

    def __init__(self, stream: Stream, console: Console, *, colour: bool) -> None:
        super().__init__(stream, colour=colour)
        self._console = console

    def raw(self, text: str) -> None:
        lines = Text.from_ansi(text).split("\n", allow_blank=True)
        self._console.print(Text("\n").join(_hanging(line, self._console) for line in lines))


def _hanging(line: Text, console: Console) -> Text:
    """Broken between words, and set in below its beginning."""
    room = console.width - HANGING
    if line.cell_len <= console.width or room < HANGING:
        return line
    first = line.wrap(console, console.width)[0]
    rest = line[len(first) :]
    first.rstrip()
    rest = rest[len(rest.plain) - len(rest.plain.lstrip()) :]
    below = [Text(" " * HANGING).append_text(part) for part in rest.wrap(console, room)]
    return Text("\n").join([first, *below])

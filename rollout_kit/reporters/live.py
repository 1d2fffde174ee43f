"""A terminal's view of a running rollout: events scroll by above, the board stays below."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import IO, cast

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from rollout_kit.model.duration import span
from rollout_kit.model.events import Progress, Record
from rollout_kit.model.state import RolloutState, evolve
from rollout_kit.reporters import board
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
        self._lines = HumanReporter(_Above(stream, self._console, colour=colour), monotonic_s)
        self._state = RolloutState()
        self._progress: dict[str, tuple[Progress, float]] = {}
        self._live = _Patient(
            console=self._console, get_renderable=self.render, refresh_per_second=4, transient=True
        )  # it draws at once: all else stands by now

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

    def record(self, record: Record) -> None:
        self._state = evolve(self._state, record)
        running = {name for view in board.steps(self._state) for name in view.current}
        kept = self._progress.items()
        self._progress = {k: v for k, v in kept if k in running or k.startswith("guard/")}
        self._lines.record(record)

    def progress(self, progress: Progress) -> None:
        # A new dict each time: rich draws from a thread of its own.
        seen = (progress, self._monotonic_s())
        self._progress = {**self._progress, progress.operation: seen}

    def render(self) -> Group:
        """The board as it stands at this moment."""
        table = Table(box=None, show_header=False, padding=(0, 1), pad_edge=False)
        for view in board.steps(self._state):
            style = RICH[view.standing.style]
            counts = f"{view.done}/{view.total}" if view.total else ""
            row = (view.standing.symbol, plain(view.id), plain(view.title), counts)
            table.add_row(*(Text(cell, style=style) for cell in row))
        return Group(Text(), table, *self._waits())

    def _waits(self) -> list[Text]:
        """What runs now, how long, and each gate's and guard's figures against its threshold."""
        lines = []
        now_s = self._monotonic_s()
        for name, (progress, at_s) in sorted(self._progress.items()):
            if name.startswith("guard/"):
                text = Text(f"  {plain(name)}  {one_line(progress.text)}", style="dim")
            else:
                waited = span(float(int(progress.waited_s + now_s - at_s)))
                what = one_line(progress.text) or "waiting"
                text = Text(f"… {plain(name)}  {what}  ({waited})", style="yellow")
            text.truncate(max(20, self._console.width - 1), overflow="ellipsis")
            lines.append(text)
        return lines


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
        self._console.print(Text.from_ansi(text))

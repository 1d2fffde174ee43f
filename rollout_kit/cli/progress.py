"""How far many runs are: a bar on a terminal, a line for every tenth where nobody watches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import IO, TypeVar, cast

from rollout_kit.cli.console import Console

T = TypeVar("T")


class Counted:
    """Iterate over it: what comes is handed on. `interrupted`: Ctrl-C ended it before all had come."""

    def __init__(self, console: Console, total: int, what: str) -> None:
        self._console = console
        self._total = total
        self._what = what
        self.interrupted = False

    def of(self, items: Iterable[T]) -> Iterator[T]:
        """The items, until somebody has had enough."""
        try:
            if self._console.live:
                yield from self._with_bar(items)
            else:
                yield from self._with_lines(items)
        except KeyboardInterrupt:
            self.interrupted = True

    def _with_bar(self, items: Iterable[T]) -> Iterator[T]:
        from rich.console import Console as RichConsole
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

        stream = cast("IO[str]", self._console.err_stream)
        rich = RichConsole(file=stream, no_color=not self._console.colour)
        columns = (self._what, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=rich, transient=True) as progress:
            task = progress.add_task(self._what, total=self._total)
            for item in items:
                progress.advance(task)
                yield item

    def _with_lines(self, items: Iterable[T]) -> Iterator[T]:
        told = 0
        for number, item in enumerate(items, 1):
            tenth = 10 * number // self._total
            if tenth > told:
                told = tenth
                self._console.err.line(f"{self._what}: {number} of {self._total}")
            yield item

"""When which blow of a scenario falls: counts what the tool does, and hands out what is due."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rollout_kit.simulation.faults import REQUESTS, Blow, Fault, Moment

LASTS = frozenset({Fault.LOST_BEFORE, Fault.LOST_AFTER, Fault.SLOW, Fault.BAD_GATEWAY})
"""These strike as many requests in a row as their amount says."""


@dataclass(slots=True)
class _Pending:
    number: int
    blow: Blow
    left: int


class Fate:
    """`struck` is told each blow as it falls, with its number. Nothing falls any more once `over`."""

    def __init__(self, blows: tuple[Blow, ...], struck: Callable[[int, Blow], None]) -> None:
        self.over = False
        self._struck = struck
        self._counts = dict.fromkeys(Moment, 0.0)
        self._pending: dict[Moment, list[_Pending]] = {moment: [] for moment in Moment}
        for number, blow in enumerate(blows):
            row = blow.fault in LASTS and blow.on in REQUESTS
            left = max(1, int(blow.amount)) if row else 1
            self._pending[blow.on].append(_Pending(number, blow, left))

    def due(self, moment: Moment) -> list[Blow]:
        """One more of these: the blows that fall on it."""
        self._counts[moment] += 1.0
        return self._fall(moment) if self._pending[moment] else []

    def by(self, seconds: float) -> list[Blow]:
        """So many seconds have gone by: the blows that were due by now."""
        self._counts[Moment.SECOND] = seconds
        return self._fall(Moment.SECOND) if self._pending[Moment.SECOND] else []

    def _fall(self, moment: Moment) -> list[Blow]:
        if self.over:
            return []
        count = self._counts[moment]
        due = [item for item in self._pending[moment] if item.blow.at <= count]
        for item in due:
            item.left -= 1
            if not item.left:
                self._pending[moment].remove(item)
            self._struck(item.number, item.blow)
        return [item.blow for item in due]

"""Seconds that somebody has run a rollout, over all the processes that did."""

from __future__ import annotations

from rollout_kit.ports.clock import Clock


class Attendance:
    """Counts on, while this process runs the rollout, from what the ones before it knew."""

    def __init__(self, clock: Clock, base_s: float = 0.0) -> None:
        self._clock = clock
        self._base_s = base_s
        self._since_s = clock.monotonic_s()

    def seconds(self) -> float:
        """Attended seconds so far, to the millisecond."""
        return round(self._base_s + self._clock.monotonic_s() - self._since_s, 3)

    def carry_on(self, known_s: float) -> None:
        """Somebody knew of `known_s`: never count from less."""
        self._base_s += max(0.0, known_s - self.seconds())

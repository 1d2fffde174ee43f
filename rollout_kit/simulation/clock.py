"""Virtual time: sleeping is how time passes, and the world lives while it does."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

START = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
STEP_S = 0.5


def nothing() -> None:
    """What happens where nobody has asked for anything."""


class VirtualClock:
    """`ports.clock.Clock` over a number; `live` is called every half second, `glance` after each sleep."""

    def __init__(self) -> None:
        self.elapsed_s = 0.0
        self._lives_at_s = STEP_S
        self.live: Callable[[], None] = nothing
        self.glance: Callable[[], None] = nothing
        self.stop = False
        self.signal: str | None = None

    def now(self) -> datetime:
        return START + timedelta(seconds=self.elapsed_s)

    def monotonic_s(self) -> float:
        return 1000.0 + self.elapsed_s

    def sleep(self, seconds: float) -> None:
        end_s = self.elapsed_s + max(seconds, 1e-6)
        while self._lives_at_s <= end_s:
            self.elapsed_s = max(self.elapsed_s, self._lives_at_s)
            self._lives_at_s += STEP_S
            self.live()
        self.elapsed_s = max(self.elapsed_s, end_s)
        self.glance()

    def interrupted(self) -> bool:
        return self.stop


class ToolClock:
    """The time of one process of the tool, as `ports.clock.Clock`.

    `origin_s`: its monotonic seconds when the world began, another number on every machine.
    `wrong_s`: how far its wall clock is off now. `stop`: a signal has come to this process.
    """

    def __init__(
        self, world: VirtualClock, *, origin_s: float, wrong_s: Callable[[], float]
    ) -> None:
        self._world = world
        self._origin_s = origin_s
        self._wrong_s = wrong_s
        self.stop = False

    def now(self) -> datetime:
        return self._world.now() + timedelta(seconds=self._wrong_s())

    def monotonic_s(self) -> float:
        return self._origin_s + self._world.elapsed_s

    def sleep(self, seconds: float) -> None:
        self._world.sleep(seconds)

    def interrupted(self) -> bool:
        return self.stop or self._world.interrupted()

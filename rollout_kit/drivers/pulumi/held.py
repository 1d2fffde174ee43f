"""A slow reading stays in flight and is joined: nobody waits longer than a port call may take."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from rollout_kit.ports.errors import InFlight, Trouble

T = TypeVar("T")

BUDGET_S = 3.0
"""How long one call waits; every call of the port returns within five seconds."""


class Held(Generic[T]):
    """One value, computed in a thread of its own, kept for a while, dropped when the world changes."""

    def __init__(
        self,
        compute: Callable[[], T],
        what: str,
        *,
        fresh_for_s: float,
        budget_s: float = BUDGET_S,
    ) -> None:
        """`what`: in a sentence, as in "the stack's state is being read"."""
        self._compute = compute
        self._what = what
        self._fresh_for_s = fresh_for_s
        self._budget_s = budget_s
        self._guard = threading.Lock()
        self._flight: _Flight[T] | None = None

    def get(self) -> T:
        """The value; raises what computing it raised, or InFlight while that goes on."""
        flight = self._join()
        if not flight.landed.wait(self._budget_s):
            raise InFlight(
                f"{self._what} is under way for {time.monotonic() - flight.began_s:.1f} s",
                hint="ask again in a moment",
                trouble=Trouble.TIMEOUT,
            )
        if flight.error is not None:
            self.forget()  # who asks again tries again
            raise flight.error
        return flight.value[0]

    def put(self, value: T) -> None:
        """Somebody else has found it out."""
        flight: _Flight[T] = _Flight()
        flight.value.append(value)
        flight.landed_s = time.monotonic()
        flight.landed.set()
        with self._guard:
            self._flight = flight

    def forget(self) -> None:
        """What is being read now answers no question that is asked from here on."""
        with self._guard:
            self._flight = None

    def _join(self) -> _Flight[T]:
        with self._guard:
            if self._flight is not None and not self._stale(self._flight):
                return self._flight
            flight = self._flight = _Flight()
        threading.Thread(target=self._fly, args=(flight,), daemon=True).start()
        return flight

    def _fly(self, flight: _Flight[T]) -> None:
        try:
            flight.value.append(self._compute())
        except Exception as error:  # noqa: BLE001 - crosses over to whoever asks
            flight.error = error
        flight.landed_s = time.monotonic()
        flight.landed.set()

    def _stale(self, flight: _Flight[T]) -> bool:
        return flight.landed.is_set() and time.monotonic() - flight.landed_s > self._fresh_for_s


class _Flight(Generic[T]):
    def __init__(self) -> None:
        self.began_s = time.monotonic()
        self.landed_s = 0.0
        self.landed = threading.Event()
        self.value: list[T] = []
        self.error: Exception | None = None

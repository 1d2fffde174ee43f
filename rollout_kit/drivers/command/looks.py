"""Answers of a slow script: asked once for all who want to know, fresh for a moment, never awaited long."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from rollout_kit.ports.errors import InFlight

T = TypeVar("T")

FIRST_WAIT_S = 4.0
"""How long who starts it waits; every call of a driver returns within five seconds."""
JOINED_WAIT_S = 0.5
FRESH_S = 1.0
"""So long an answer, or an error, is that of everybody who asks; what took longer, as long as it took.

Who was told to come again would else find each answer of a slow script stale, and never get one.
"""


@dataclass(slots=True)
class _Flight(Generic[T]):
    """One question under way, in a thread of its own."""

    began_s: float
    landed: threading.Event = field(default_factory=threading.Event)
    landed_s: float = 0.0
    answer: T | None = None
    error: BaseException | None = None

    def result(self) -> T:
        if self.error is not None:
            raise self.error
        return self.answer  # type: ignore[return-value]


class Looks(Generic[T]):
    """One question that many ask. Safe to ask from several threads."""

    def __init__(
        self,
        name: str,
        ask: Callable[[], T],
        monotonic_s: Callable[[], float],
        *,
        fresh_s: float = FRESH_S,
    ) -> None:
        """`name`: of the question, for who has to wait. `fresh_s`: how long a success is good."""
        self._name = name
        self._ask = ask
        self._now_s = monotonic_s
        self._fresh_s = fresh_s
        self._lock = threading.Lock()
        self._flight: _Flight[T] | None = None

    def get(self) -> T:
        """The answer. Raises InFlight while it is under way, or what asking raised."""
        with self._lock:
            flight, wait_s = self._flight, JOINED_WAIT_S
            if flight is None or self._stale(flight):
                flight, wait_s = _Flight[T](began_s=self._now_s()), FIRST_WAIT_S
                self._flight = flight
                threading.Thread(target=self._fly, args=(flight,), daemon=True).start()
        if not flight.landed.wait(wait_s):
            waited_s = self._now_s() - flight.began_s
            raise InFlight(f"{self._name} has been at it for {waited_s:.0f} s")
        return flight.result()

    def forget(self) -> None:
        """The world has changed: what was asked before now is no answer any more."""
        with self._lock:
            self._flight = None

    def _stale(self, flight: _Flight[T]) -> bool:
        if not flight.landed.is_set():
            return False
        fresh_s = FRESH_S if flight.error is not None else self._fresh_s
        took_s = flight.landed_s - flight.began_s
        return self._now_s() - flight.landed_s >= max(fresh_s, took_s)

    def _fly(self, flight: _Flight[T]) -> None:
        try:
            flight.answer = self._ask()
        except BaseException as error:  # noqa: BLE001 - raised where it was asked
            flight.error = error
        flight.landed_s = self._now_s()
        flight.landed.set()

"""Requests under way, and how long anybody waits for them.

The core calls and expects an answer within five seconds. A slower read stays in flight in a thread
of its own, one per node and path, and whoever asks again joins it. `InlineFlights` is the same for
an exchange that answers at once, without threads: simulations and tests over WSGI.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from rollout_kit.ports.errors import InFlight, Trouble, Unavailable
from rollout_kit.transport import faults
from rollout_kit.transport.messages import READ_TIMEOUT_S, Exchange, Request, Response

LOOK_S = 0.1
"""How often a wait looks whether it was interrupted."""
JOINED_S = 0.5
"""How long who joins a read waits: the first to ask has waited his full budget already."""
THREADS_AT_MOST = 48
IDLE_S = 5.0
"""How long a thread waits for its next request."""


class Flights(Protocol):
    """Sends requests and waits for answers within a budget of seconds."""

    def read(self, exchange: Exchange, request: Request, budget_s: float) -> Response:
        """Raises InFlight when the budget is over and the answer is still under way."""
        ...

    def write(self, exchange: Exchange, request: Request, budget_s: float) -> Response:
        """Sent once. Raises Unavailable when the budget is over: the outcome is unknown."""
        ...

    def each(self, calls: Iterable[Callable[[], None]], width: int) -> None:
        """Run calls, `width` at a time; a call that raises ends it, and that error is raised."""
        ...


class InlineFlights:
    """Every request in the calling thread; whoever simulates slowness raises InFlight himself."""

    def read(self, exchange: Exchange, request: Request, budget_s: float) -> Response:  # noqa: ARG002
        return exchange(request)

    def write(self, exchange: Exchange, request: Request, budget_s: float) -> Response:  # noqa: ARG002
        return exchange(request)

    def each(self, calls: Iterable[Callable[[], None]], width: int) -> None:  # noqa: ARG002
        for call in calls:
            call()


@dataclass(slots=True)
class _Flight:
    """One request in its thread."""

    request: Request
    began_s: float
    landed: threading.Event = field(default_factory=threading.Event)
    landed_s: float = 0.0
    response: Response | None = None
    error: Exception | None = None

    def result(self) -> Response:
        if self.error:
            raise self.error
        assert self.response is not None
        return self.response


class ThreadFlights:
    """Requests in daemon threads, at most `THREADS_AT_MOST` of them; an idle one takes the next.

    Args:
        interrupted: asked ten times a second while waiting; true abandons the wait.
        limit_s: how long a read may be in flight, and how long its late answer is still news.
    """

    def __init__(
        self,
        *,
        interrupted: Callable[[], bool],
        monotonic_s: Callable[[], float] = time.monotonic,
        limit_s: float = READ_TIMEOUT_S,
    ) -> None:
        self._interrupted = interrupted
        self._monotonic_s = monotonic_s
        self._limit_s = limit_s
        self._guard = threading.Lock()
        self._flights: dict[tuple[str, str], _Flight] = {}
        self._threads = 0  # with a request
        self._idle = 0  # without one, and not yet meant for one
        self._todo: queue.SimpleQueue[tuple[Exchange, _Flight]] = queue.SimpleQueue()

    def read(self, exchange: Exchange, request: Request, budget_s: float) -> Response:
        key = (request.url, request.header("X-Namespace"))
        flight = self._join(key)
        wait_s = min(budget_s, JOINED_S) if flight else budget_s
        flight = flight or self._start(exchange, request, key)
        if self._wait(flight, wait_s):
            self._forget(key, flight)
            return flight.result()
        age_s = self._monotonic_s() - flight.began_s
        if age_s >= self._limit_s:
            self._forget(key, flight)
            raise faults.timed_out(request)
        raise InFlight(
            f"{request.label} is under way for {age_s:.1f} s; "
            f"it may take up to {self._limit_s:g} s",
            hint="try again; if it stays so slow, look what the node that answers is busy with",
            trouble=Trouble.TIMEOUT,
        )

    def write(self, exchange: Exchange, request: Request, budget_s: float) -> Response:
        self.forget()
        flight = self._start(exchange, request, None)
        if self._wait(flight, budget_s):
            return flight.result()
        if self._interrupted():
            raise Unavailable(
                f"interrupted while {request.label} was under way",
                why="Whether the request took effect is not known.",
                hint="resume looks before it sends anything again",
            )
        raise faults.timed_out(request)

    def forget(self) -> None:
        """What was asked before a write answers no question after it."""
        with self._guard:
            self._flights.clear()

    def each(self, calls: Iterable[Callable[[], None]], width: int) -> None:
        queue = iter(calls)
        errors: list[Exception] = []

        def work() -> None:
            while not errors:
                with self._guard:
                    call = next(queue, None)
                if call is None:
                    return
                try:
                    call()
                except Exception as error:  # noqa: BLE001 - crosses over to the calling thread
                    errors.append(error)

        threads = [threading.Thread(target=work, daemon=True) for _ in range(width)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]

    def _join(self, key: tuple[str, str]) -> _Flight | None:
        """The flight of this key, unless its answer has become old news."""
        with self._guard:
            flight = self._flights.get(key)
            if flight and flight.landed.is_set():
                stale = self._monotonic_s() - flight.landed_s > self._limit_s
                return None if stale else flight
            return flight

    def _start(self, exchange: Exchange, request: Request, key: tuple[str, str] | None) -> _Flight:
        flight = _Flight(request, self._monotonic_s())
        with self._guard:
            if key and self._threads >= THREADS_AT_MOST:
                raise Unavailable(
                    f"{self._threads} requests are under way and none has come back",
                    hint="the servers hold every request; look at their logs",
                    trouble=Trouble.TIMEOUT,
                )
            self._threads += 1
            if key:
                self._flights[key] = flight
            needed = self._idle == 0
            self._idle -= not needed
        if needed:
            threading.Thread(target=self._work, daemon=True).start()
        self._todo.put((exchange, flight))
        return flight

    def _work(self) -> None:
        """One thread: for each request that was put there is one, started or taken out of the idle."""
        while True:
            try:
                exchange, flight = self._todo.get(timeout=IDLE_S)
            except queue.Empty:
                with self._guard:
                    if self._idle:
                        self._idle -= 1
                        return
            else:
                self._fly(exchange, flight)

    def _fly(self, exchange: Exchange, flight: _Flight) -> None:
        try:
            flight.response = exchange(flight.request)
        except Exception as error:  # noqa: BLE001 - crosses over to the waiting thread
            flight.error = error
        finally:
            with self._guard:
                self._threads -= 1
                self._idle += 1
            flight.landed_s = self._monotonic_s()
            flight.landed.set()

    def _wait(self, flight: _Flight, budget_s: float) -> bool:
        until_s = self._monotonic_s() + budget_s
        while True:
            left_s = until_s - self._monotonic_s()
            if flight.landed.wait(max(0.0, min(left_s, LOOK_S))):
                return True
            if left_s <= LOOK_S or self._interrupted():
                return flight.landed.is_set()

    def _forget(self, key: tuple[str, str], flight: _Flight) -> None:
        with self._guard:
            if self._flights.get(key) is flight:
                del self._flights[key]

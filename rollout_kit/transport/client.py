"""Ask for JSON within five seconds: reads are retried while that lasts, writes are sent once."""

from __future__ import annotations

import random
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from rollout_kit.ports.errors import Incompatible, OutsideError, Trouble
from rollout_kit.transport import json_body, statuses
from rollout_kit.transport.errors import Malformed, Transient
from rollout_kit.transport.flights import Flights, ThreadFlights
from rollout_kit.transport.messages import Exchange, Request, Response

if TYPE_CHECKING:
    from tenacity import RetryCallState

T = TypeVar("T")
Explain: TypeAlias = Callable[[int, Mapping[str, Any]], OutsideError | None]
"""What an error answer (status, body) means to this caller; None leaves it to the general table."""
OK = frozenset({200})
ATTEMPTS = 3
REMEMBERED = 256
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 1.0


def nothing_more(status: int, body: Mapping[str, Any]) -> OutsideError | None:  # noqa: ARG001
    """An `Explain` that leaves every error to the general table."""
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer with a status that the caller accepts, its body as JSON (`Any`: not yet judged)."""

    status: int
    body: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How one request is asked: statuses that are data, tries, seconds (None: the client's own).

    `remember`: give the last result again when the body is equal to the last one of its address.
    """

    accept: frozenset[int] = OK
    attempts: int = ATTEMPTS
    budget_s: float | None = None
    remember: bool = True
    explain: Explain = nothing_more


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a call may take, and where its time comes from.

    `budget_s` leaves half a second of the five that the core grants. `jitter` gives 0 to 1.
    """

    monotonic_s: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = random.random
    budget_s: float = 4.5


@dataclass(slots=True)
class JsonClient:
    """Reads and writes over one exchange. Answers are decoded in the calling thread."""

    exchange: Exchange
    flights: Flights = field(default_factory=lambda: ThreadFlights(interrupted=lambda: False))
    patience: Patience = field(default_factory=Patience)
    _last: OrderedDict[tuple[str, str], tuple[int, bytes, object]] = field(
        default_factory=OrderedDict
    )

    def read(
        self,
        request: Request,
        decode: Callable[[Reply], T],
        terms: Terms = Terms(),
    ) -> T:
        """Ask, again while the trouble looks passing and the budget lasts, and decode.

        `decode` must depend on its argument and the request's address alone: a body equal to the
        last one of its address is not parsed again, its result is given once more.

        Raises:
            InFlight: the answer is still under way when the budget is over.
            OutsideError: no answer, or not the one of the contract.
        """
        granted_s = self.patience.budget_s if terms.budget_s is None else terms.budget_s
        deadline_s = self.patience.monotonic_s() + granted_s

        def attempt() -> T:
            left_s = max(0.05, deadline_s - self.patience.monotonic_s())
            response = self.flights.read(self.exchange, request, left_s)
            _judge(request, response, terms)
            return (
                self._decoded(request, response, decode)
                if terms.remember
                else _decode(request, response, decode)
            )

        try:
            return attempt()
        except Transient as error:
            if terms.attempts == 1:
                raise
            first = [error]
        return self._retrying(attempt, first, terms.attempts, deadline_s)

    def write(
        self,
        request: Request,
        decode: Callable[[Reply], T],
        terms: Terms = Terms(),
    ) -> T:
        """Send once and decode.

        Raises:
            Unavailable: the outcome is unknown: look before sending again.
            Incompatible: an answer outside the contract.
        """
        response = self.flights.write(self.exchange, request, self.patience.budget_s)
        _judge(request, response, terms)
        return _decode(request, response, decode)

    def each(self, calls: Iterable[Callable[[], None]], width: int) -> None:
        """Run calls, `width` at a time."""
        self.flights.each(calls, width)

    def _decoded(self, request: Request, response: Response, decode: Callable[[Reply], T]) -> T:
        """The result of the last equal body of this address, or a new one."""
        key = (request.url, request.header("X-Namespace"))
        last = self._last.get(key)
        if last and last[:2] == (response.status, response.body):
            return last[2]  # type: ignore[return-value] # the same decoder made it
        result = _decode(request, response, decode)
        self._last[key] = (response.status, response.body, result)
        if len(self._last) > REMEMBERED:
            self._last.popitem(last=False)
        return result

    def _retrying(
        self, attempt: Callable[[], T], first: list[Transient], attempts: int, deadline_s: float
    ) -> T:
        """Go on after a first try that failed; the usual answer does without the library."""
        from tenacity import Retrying, retry_if_exception_type

        def again() -> T:
            if first:
                raise first.pop()
            return attempt()

        def over(state: RetryCallState) -> bool:
            """Our own stop: tenacity's own look at the real clock only."""
            ends_s = self.patience.monotonic_s() + state.upcoming_sleep
            return state.attempt_number >= attempts or ends_s >= deadline_s

        def pause_s(state: RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            asked_s = error.retry_after_s if isinstance(error, Transient) else 0.0
            grown_s: float = _FIRST_PAUSE_S * 2.0 ** (state.attempt_number - 1)
            return max(asked_s, min(_LONGEST_PAUSE_S, grown_s) * (0.5 + self.patience.jitter()))

        policy = Retrying(
            sleep=self.patience.sleep,
            stop=over,
            wait=pause_s,
            retry=retry_if_exception_type(Transient),
            reraise=True,
        )
        return policy(again)


def _judge(request: Request, response: Response, terms: Terms) -> None:
    if response.status in terms.accept:
        return
    body = json_body.lenient(response)
    found = terms.explain(response.status, body if isinstance(body, dict) else {})
    raise found or statuses.failure(request, response)


def _decode(request: Request, response: Response, decode: Callable[[Reply], T]) -> T:
    body = json_body.parse(request, response)
    try:
        return decode(Reply(status=response.status, body=body))
    except Malformed as error:
        failure: OutsideError = _malformed(request, error)
    raise failure


def _malformed(request: Request, error: Malformed) -> OutsideError:
    return Incompatible(
        f"{request.label}: {error.where} is {error.found}, the contract has {error.wanted}",
        why="What is missing is never taken for zero, and nothing is decided on a guess."
        if request.method == "GET"
        else "Whether the request took effect cannot be told from such an answer.",
        hint="compare the server's release with those that this tool supports",
        trouble=Trouble.INCOMPATIBLE,
    )

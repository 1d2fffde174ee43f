"""Slow reads stay in flight, writes are sent once, an interrupt ends a wait at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from rollout_kit.ports.errors import InFlight, Trouble, Unavailable
from rollout_kit.transport.flights import LOOK_S, THREADS_AT_MOST, ThreadFlights
from rollout_kit.transport.messages import Request, Response
from rollout_kit.transport.network import NetworkExchange
from tests.transport.misbehaving import after, in_turn, says, serving

READ = Request(method="GET", url="http://api-1/api/ready")
WRITE = Request(method="POST", url="http://api-1/api/x", timeout_s=5)


class Gate:
    """An exchange that answers when it is opened, and counts how often it was asked."""

    def __init__(self) -> None:
        self.opened = threading.Event()
        self.asked = 0
        self.body = b"1"

    def __call__(self, request: Request) -> Response:
        self.asked += 1
        self.opened.wait(10)
        return Response(status=200, body=self.body)


@pytest.fixture
def gate() -> Iterator[Gate]:
    held = Gate()
    yield held
    held.opened.set()


def flights(
    interrupted: Callable[[], bool] = lambda: False,
    monotonic_s: Callable[[], float] = time.monotonic,
) -> ThreadFlights:
    return ThreadFlights(interrupted=interrupted, monotonic_s=monotonic_s)


def until(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.002)


def test_a_slow_read_is_joined_and_not_asked_twice(gate: Gate) -> None:
    slow = flights()
    for _ in range(3):
        with pytest.raises(InFlight, match="is under way for 0"):
            slow.read(gate, READ, 0.01)
    gate.opened.set()
    assert slow.read(gate, READ, 5).body == b"1"
    assert gate.asked == 1


def test_who_joins_a_read_waits_only_a_moment(gate: Gate) -> None:
    """Else one frozen node would hold the whole loop for five seconds at every look."""
    slow = flights()
    with pytest.raises(InFlight):
        slow.read(gate, READ, 0.01)
    began = time.monotonic()
    with pytest.raises(InFlight):
        slow.read(gate, READ, 4.5)
    assert time.monotonic() - began < 1.0


def test_each_node_path_and_namespace_flies_alone(gate: Gate) -> None:
    slow = flights()
    others = [
        Request(method="GET", url="http://api-2/api/ready"),
        Request(method="GET", url="http://api-1/api/cluster/info"),
        Request(method="GET", url="http://api-1/api/ready", headers={"X-Namespace": "b"}),
    ]
    for request in (READ, *others):
        with pytest.raises(InFlight):
            slow.read(gate, request, 0.01)
    assert gate.asked == 4


def test_an_answer_that_lands_between_two_looks_is_handed_out(gate: Gate) -> None:
    slow = flights()
    with pytest.raises(InFlight):
        slow.read(gate, READ, 0.01)
    gate.opened.set()
    until(lambda: not slow._threads)
    gate.body = b"2"
    assert slow.read(gate, READ, 5).body == b"1"
    assert slow.read(gate, READ, 5).body == b"2"


def test_an_answer_nobody_fetched_for_forty_seconds_is_asked_anew(gate: Gate) -> None:
    clock = [0.0]
    slow = flights(monotonic_s=lambda: clock[0])
    gate.opened.set()
    slow._start(gate, READ, (READ.url, ""))
    until(lambda: not slow._threads)
    clock[0], gate.body = 41.0, b"2"
    assert slow.read(gate, READ, 5).body == b"2"


def test_a_write_makes_earlier_reads_old_news(gate: Gate) -> None:
    slow = flights()
    with pytest.raises(InFlight):
        slow.read(gate, READ, 0.01)
    slow.write(lambda _: Response(status=200), WRITE, 5)
    gate.opened.set()
    assert slow.read(gate, READ, 5).body == b"1"
    assert gate.asked == 2


def test_after_forty_seconds_a_read_gave_no_answer(gate: Gate) -> None:
    clock = [0.0]
    slow = flights(monotonic_s=lambda: clock[0])
    with pytest.raises(InFlight):
        slow.read(gate, READ, 0.0)
    clock[0] = 41.0
    with pytest.raises(Unavailable, match="no answer within 40 s") as caught:
        slow.read(gate, READ, 0.0)
    assert caught.value.trouble is Trouble.TIMEOUT


def test_an_interrupt_abandons_a_wait_within_a_fifth_of_a_second(gate: Gate) -> None:
    pressed = threading.Event()
    threading.Timer(0.05, pressed.set).start()
    began = time.monotonic()
    with pytest.raises(InFlight):
        flights(pressed.is_set).read(gate, READ, 5)
    with pytest.raises(Unavailable, match="interrupted while POST") as caught:
        flights(pressed.is_set).write(gate, WRITE, 5)
    assert time.monotonic() - began < 2.0  # of ten; a loaded machine may be late
    assert LOOK_S <= 0.2
    assert "took effect is not known" in caught.value.why


def test_an_answer_that_is_there_is_taken_even_after_an_interrupt() -> None:
    at_once = flights(lambda: True).read(lambda _: Response(status=200, body=b"ok"), READ, 5)
    assert at_once.body == b"ok"


def test_a_write_without_an_answer_in_time_has_an_unknown_outcome(gate: Gate) -> None:
    with pytest.raises(Unavailable) as caught:
        flights().write(gate, WRITE, 0.01)
    assert "took effect is not known" in caught.value.why
    assert gate.asked == 1


def test_an_error_in_flight_reaches_who_asks() -> None:
    def broken(_: Request) -> Response:
        raise Unavailable("nobody there")

    with pytest.raises(Unavailable, match="nobody there"):
        flights().read(broken, READ, 5)


def test_threads_are_bounded(gate: Gate) -> None:
    slow = flights()
    for n in range(THREADS_AT_MOST):
        with pytest.raises(InFlight):
            slow.read(gate, Request(method="GET", url=f"http://h/{n}"), 0.0)
    with pytest.raises(Unavailable, match=f"{THREADS_AT_MOST} requests are under way"):
        slow.read(gate, READ, 0.0)
    slow.write(lambda _: Response(status=200), WRITE, 5)
    gate.opened.set()
    until(lambda: not slow._threads)
    assert slow.read(gate, READ, 5).status == 200


def test_calls_run_side_by_side_and_the_first_error_ends_them() -> None:
    together = threading.Barrier(4)

    def meet() -> None:
        together.wait(5)

    flights().each([meet] * 8, 4)

    def fail() -> None:
        raise Unavailable("third")

    done: list[int] = []
    calls = [lambda: done.append(1), lambda: done.append(2), fail, *[lambda: done.append(9)] * 50]
    with pytest.raises(Unavailable, match="third"):
        flights().each(calls, 1)
    assert done == [1, 2]


def test_over_a_socket_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rollout_kit.transport.flights.JOINED_S", 5.0)  # on a busy machine as well
    released = threading.Event()
    exchange = NetworkExchange()
    slow = flights()
    behaviour = in_turn(after(released, says(body=b"[1]")), says(body=b"[2]"))
    with serving(behaviour) as server:
        request = Request(method="GET", url=server.url)
        with pytest.raises(InFlight):
            slow.read(exchange, request, 0.1)
        released.set()
        assert slow.read(exchange, request, 5).body == b"[1]"
        assert slow.read(exchange, request, 5).body == b"[2]"
    exchange.close()
    assert len(server.requests) == 2


def test_one_request_after_the_other_takes_one_thread() -> None:
    threads = []

    def answer(_: Request) -> Response:
        threads.append(threading.current_thread())
        return Response(status=200)

    one = flights()
    for _ in range(20):
        one.read(answer, READ, 5)
        until(lambda: one._idle == 1)
    assert len(set(threads)) == 1


def test_an_idle_thread_ends_and_the_next_request_finds_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("rollout_kit.transport.flights.IDLE_S", 0.01)
    threads = []

    def answer(_: Request) -> Response:
        threads.append(threading.current_thread())
        return Response(status=200)

    one = flights()
    one.read(answer, READ, 5)
    until(lambda: one._idle == 0)
    assert one.read(answer, READ, 5).status == 200
    assert len(set(threads)) == 2

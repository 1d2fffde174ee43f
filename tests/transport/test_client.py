"""How often a read is tried, how long that may take, and what is not parsed again."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rollout_kit.ports.errors import Incompatible, OutsideError, Refused, Unavailable
from rollout_kit.transport.client import JsonClient, Patience, Reply, Terms
from rollout_kit.transport.errors import Malformed
from rollout_kit.transport.flights import InlineFlights
from rollout_kit.transport.messages import Request, Response
from rollout_kit.transport.wsgi import WsgiExchange

READ = Request(method="GET", url="http://api-1/api/ready")


class World:
    """Virtual time, and an exchange that gives these answers in turn (the last one stays)."""

    def __init__(self, *answers: Response, takes_s: float = 0.0) -> None:
        self.now_s = 0.0
        self.asked_at_s: list[float] = []
        self._answers = answers
        self._takes_s = takes_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds

    def exchange(self, _: Request) -> Response:
        self.asked_at_s.append(self.now_s)
        self.now_s += self._takes_s
        return self._answers[min(len(self.asked_at_s), len(self._answers)) - 1]

    def client(self, jitter: float = 0.5) -> JsonClient:
        patience = Patience(monotonic_s=lambda: self.now_s, sleep=self.sleep, jitter=lambda: jitter)
        return JsonClient(exchange=self.exchange, flights=InlineFlights(), patience=patience)


def good(body: bytes = b"{}") -> Response:
    return Response(status=200, body=body)


def busy(seconds: int) -> Response:
    return Response(status=503, headers={"retry-after": str(seconds)}, body=b"{}")


BAD = Response(status=500, body=b'{"message": "Server Error"}')


def test_a_read_is_tried_three_times_with_growing_pauses() -> None:
    world = World(BAD)
    with pytest.raises(Unavailable):
        world.client().read(READ, lambda reply: reply)
    assert world.asked_at_s == pytest.approx([0.0, 0.1, 0.3])


def test_the_pauses_are_spread_by_the_jitter() -> None:
    world = World(BAD)
    with pytest.raises(Unavailable):
        world.client(jitter=0.0).read(READ, lambda reply: reply)
    assert world.asked_at_s == pytest.approx([0.0, 0.05, 0.15])


def test_it_ends_with_the_first_good_answer() -> None:
    world = World(BAD, good(b"[7]"), BAD)
    assert world.client().read(READ, lambda reply: reply.body) == [7]
    assert len(world.asked_at_s) == 2


def test_retry_after_is_respected_while_it_fits() -> None:
    world = World(busy(2), good())
    world.client().read(READ, lambda reply: reply)
    assert world.asked_at_s == [0.0, 2.0]


def test_retry_after_beyond_the_budget_ends_the_call_at_once() -> None:
    world = World(busy(60))
    with pytest.raises(Unavailable, match="to wait 60 s"):
        world.client().read(READ, lambda reply: reply)
    assert world.now_s == 0.0


def test_no_call_outlasts_five_seconds_however_slow_each_try_is() -> None:
    world = World(BAD, takes_s=2.2)
    with pytest.raises(Unavailable):
        world.client().read(READ, lambda reply: reply, Terms(attempts=99))
    assert world.now_s < 5.0


def test_one_attempt_is_one_request() -> None:
    world = World(BAD)
    with pytest.raises(Unavailable):
        world.client().read(READ, lambda reply: reply, Terms(attempts=1))
    assert world.asked_at_s == [0.0]


def test_what_will_say_no_again_is_not_asked_again() -> None:
    world = World(Response(status=404, body=b"{}"))
    with pytest.raises(Refused):
        world.client().read(READ, lambda reply: reply)
    assert len(world.asked_at_s) == 1


def counting(seen: list[object]) -> Callable[[Reply], object]:
    def decode(reply: Reply) -> object:
        seen.append(reply.body)
        return reply.body

    return decode


def test_an_equal_body_is_not_parsed_again() -> None:
    world = World(good(b"[1]"), good(b"[1]"), good(b"[2]"), good(b"[1]"))
    client, seen = world.client(), list[object]()
    results = [client.read(READ, counting(seen)) for _ in range(4)]
    assert results == [[1], [1], [2], [1]]
    assert seen == [[1], [2], [1]]


def test_an_equal_body_of_another_path_or_namespace_is_its_own() -> None:
    client, seen = World(good(b"[1]")).client(), list[object]()
    for request in (
        READ,
        Request(method="GET", url="http://api-2/api/ready"),
        Request(method="GET", url=READ.url, headers={"x-namespace": "b"}),
    ):
        client.read(request, counting(seen))
    assert len(seen) == 3


def test_an_equal_body_with_another_status_is_another_answer() -> None:
    world = World(Response(status=503, body=b"{}"), good(b"{}"))
    client = world.client()
    both = frozenset({200, 503})
    statuses = [client.read(READ, lambda reply: reply.status, Terms(accept=both)) for _ in range(2)]
    assert statuses == [503, 200]


def test_a_shape_that_the_contract_does_not_have_names_place_and_both_values() -> None:
    def decode(_: Reply) -> None:
        raise Malformed("build_ids[2].total_worker_count", "a count", "missing")

    with pytest.raises(Incompatible) as caught:
        World(good()).client().read(READ, decode)
    assert caught.value.message == (
        "GET http://api-1/api/ready: build_ids[2].total_worker_count is missing, "
        "the contract has a count"
    )


def test_a_write_takes_the_same_road_once() -> None:
    world = World(BAD)
    with pytest.raises(Unavailable):
        world.client().write(Request(method="POST", url=READ.url), lambda reply: reply)
    assert len(world.asked_at_s) == 1


def test_a_wsgi_application_answers_under_its_address_until_it_is_taken_away() -> None:
    def application(
        environ: dict[str, object], start_response: Callable[..., object]
    ) -> list[bytes]:
        start_response("207 Multi-Status", [("X-Path", str(environ["PATH_INFO"]))])
        return [str(environ["REQUEST_URI"]).encode(), str(environ["HTTP_X_NAMESPACE"]).encode()]

    nodes = {"http://api-1": application}
    exchange = WsgiExchange(nodes)
    request = Request(
        method="GET", url="http://api-1/a%20b?c=%2F", headers={"X-Namespace": "orders"}
    )
    response = exchange(request)
    assert (response.status, response.headers, response.body) == (
        207,
        {"x-path": "/a b"},
        b"/a%20b?c=%2Forders",
    )
    del nodes["http://api-1"]
    with pytest.raises(OutsideError, match="http://api-1 refused the connection"):
        exchange(request)

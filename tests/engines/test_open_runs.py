"""Reading every open run: pages, pins, what is remembered, what has to wait for the next call."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from rollout_kit.engines.durable_workflow.open_runs import DESCRIBES_PER_QUEUE, OpenRunsReader
from rollout_kit.engines.durable_workflow.wire import Wire
from rollout_kit.model.situation import OpenRuns
from rollout_kit.ports.errors import Incompatible, Unavailable
from rollout_kit.transport.client import JsonClient, Patience
from rollout_kit.transport.flights import Flights, InlineFlights, ThreadFlights
from rollout_kit.transport.messages import Request, Response
from rollout_kit.transport.secret import Secret


@dataclass
class Run:
    run_id: str
    queue: str = "q"
    pin: str | None = "b1"
    terminal: bool = False


@dataclass
class Server:
    """A listing and describes over a dict, each request taking `takes_s` of virtual time."""

    runs: dict[str, Run] = field(default_factory=dict)
    takes_s: float = 0.0
    now_s: float = 0.0
    shows_pins: bool = False
    broken: set[str] = field(default_factory=set)
    pages: int = 0
    described: list[str] = field(default_factory=list)
    repeats_page: bool = False
    guard: threading.Lock = field(default_factory=threading.Lock)
    each_page: Callable[[], None] = lambda: None

    def exchange(self, request: Request) -> Response:
        with self.guard:
            self.now_s += self.takes_s
            url = urlsplit(request.url)
            workflow_id = unquote(url.path.removeprefix("/api/workflows").strip("/"))
            return self._describe(workflow_id) if workflow_id else self._list(parse_qs(url.query))

    def _list(self, query: dict[str, list[str]]) -> Response:
        assert query["status"] == ["running"]
        self.pages += 1
        self.each_page()
        offset = int(query.get("next_page_token", ["0"])[0])
        end = offset + int(query["page_size"][0])
        running = [(name, run) for name, run in self.runs.items() if not run.terminal]
        rows = []
        for name, run in running[offset:end]:
            row = self._row(name, run)
            if not self.shows_pins:
                del row["compatibility"]
            rows.append(row)
        token = str(end) if end < len(running) else None
        if self.repeats_page:
            token = "1"
        return answer({"workflows": rows, "next_page_token": token})

    def _describe(self, workflow_id: str) -> Response:
        self.described.append(workflow_id)
        if workflow_id in self.broken:
            return Response(status=500, body=b'{"message": "Server Error"}')
        run = self.runs.get(workflow_id)
        if run is None:
            body = {"reason": "instance_not_found", "workflow_id": workflow_id}
            return Response(status=404, body=json.dumps(body).encode())
        return answer(self._row(workflow_id, run))

    def _row(self, name: str, run: Run) -> dict[str, object]:
        return {
            "workflow_id": name,
            "run_id": run.run_id,
            "workflow_type": "order",
            "task_queue": run.queue,
            "is_terminal": run.terminal,
            "compatibility": run.pin,
        }

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds

    def reader(self, flights: Flights | None = None) -> OpenRunsReader:
        patience = Patience(monotonic_s=lambda: self.now_s, sleep=self.sleep, jitter=lambda: 0.5)
        wire = Wire(url="http://front", nodes={}, operator=Secret("t"))
        client = JsonClient(self.exchange, flights or InlineFlights(), patience)
        return OpenRunsReader(client, wire, lambda: self.now_s)


def answer(body: object) -> Response:
    return Response(status=200, body=json.dumps(body).encode())


def fleet(count: int, **settings: object) -> dict[str, Run]:
    return {f"w{n}": Run(run_id=f"r{n}", **settings) for n in range(count)}  # type: ignore[arg-type]


def pins(found: OpenRuns) -> dict[str, str | None]:
    return {run.run_id: run.pin for run in found.runs if run.described}


def test_every_page_and_every_pin_is_read() -> None:
    server = Server(fleet(450))
    found = server.reader().read("default")
    assert (found.complete, len(found.runs), server.pages) == (True, 450, 3)
    assert set(pins(found).values()) == {"b1"}
    assert found.progress == "450 of 450 open runs read in default"


def test_a_pin_is_described_once_and_the_listing_is_always_fresh() -> None:
    server = Server(fleet(3))
    reader = server.reader()
    reader.read("default")
    server.runs["w9"] = Run(run_id="r9", pin=None)
    del server.runs["w0"]
    found = reader.read("default")
    assert pins(found) == {"r1": "b1", "r2": "b1", "r9": None}
    assert server.described == ["w0", "w1", "w2", "w9"]


def test_a_listing_with_pins_needs_no_describe() -> None:
    server = Server(fleet(3), shows_pins=True)
    found = server.reader().read("default")
    assert (found.complete, server.described) == (True, [])
    assert pins(found) == {"r0": "b1", "r1": "b1", "r2": "b1"}


def test_at_most_two_thousand_describes_a_queue_and_look() -> None:
    server = Server(fleet(2_500) | {"other": Run(run_id="x", queue="q2")})
    reader = server.reader()
    first = reader.read("default")
    assert (first.complete, len(pins(first))) == (False, DESCRIBES_PER_QUEUE + 1)
    assert first.progress == "2001 of 2501 open runs read in default"
    second = reader.read("default")
    assert (second.complete, len(pins(second))) == (True, 2_501)
    assert second.listed_at_s == first.listed_at_s
    assert len(server.described) == 2_501


def test_a_slow_server_is_read_in_several_calls_of_four_seconds() -> None:
    server = Server(fleet(100), takes_s=0.1)
    reader = server.reader()
    calls = 0
    complete = False
    while not complete:
        began_s = server.now_s
        found = reader.read("default")
        assert server.now_s - began_s < 4.5
        complete = found.complete
        calls += 1
    assert calls == 3
    assert len(pins(found)) == 100
    assert len(server.described) == 100


def test_a_long_listing_goes_on_at_the_next_call() -> None:
    server = Server(fleet(2_000, pin="b2"), takes_s=0.5, shows_pins=True)
    reader = server.reader()
    first = reader.read("default")
    assert (first.complete, len(first.runs)) == (False, 1_600)
    assert not any(run.described for run in first.runs)
    second = reader.read("default")
    assert (second.complete, len(second.runs), server.pages) == (True, 2_000, 10)
    assert second.started_at_s == first.started_at_s < first.listed_at_s < second.listed_at_s


def test_a_listing_nobody_went_on_with_is_taken_anew() -> None:
    server = Server(fleet(2_000), takes_s=0.5, shows_pins=True)
    reader = server.reader()
    reader.read("default")
    server.now_s += 16
    server.pages = 0
    reader.read("default")
    assert server.pages == 8


def test_a_run_that_moved_between_pages_counts_once() -> None:
    server = Server(fleet(300), shows_pins=True)

    def one_more() -> None:
        server.runs = {f"new{server.pages}": Run(run_id=f"n{server.pages}"), **server.runs}

    server.each_page = one_more
    found = server.reader().read("default")
    assert len({run.run_id for run in found.runs}) == len(found.runs) == 301


def test_a_run_that_continued_as_new_is_its_successor() -> None:
    server = Server({"w": Run(run_id="r1", pin="b1")})
    server.each_page = lambda: None
    reader = server.reader()
    original = server._describe

    def continued(workflow_id: str) -> Response:
        server.runs["w"] = Run(run_id="r2", pin="b1")
        return original(workflow_id)

    server._describe = continued  # type: ignore[method-assign]
    assert pins(reader.read("default")) == {"r2": "b1"}


@pytest.mark.parametrize("ended", ["closed", "gone"])
def test_a_run_that_ended_meanwhile_is_no_open_run(ended: str) -> None:
    server = Server(fleet(2))

    def end() -> None:
        if ended == "closed":
            server.runs["w0"] = Run(run_id="r0", terminal=True)

    reader = server.reader()
    original = server._describe

    def describe(workflow_id: str) -> Response:
        end()
        if ended == "gone":
            server.runs.pop("w0", None)
        return original(workflow_id)

    server._describe = describe  # type: ignore[method-assign]
    found = reader.read("default")
    assert (found.complete, pins(found)) == (True, {"r1": "b1"})


def test_one_run_that_cannot_be_described_leaves_the_count_incomplete() -> None:
    server = Server(fleet(3), broken={"w2"})
    found = server.reader().read("default")
    assert (found.complete, found.progress) == (False, "2 of 3 open runs read in default")


def test_nothing_described_at_all_is_an_error() -> None:
    server = Server(fleet(3), broken={"w0", "w1", "w2"})
    with pytest.raises(Unavailable, match="HTTP 500"):
        server.reader().read("default")
    assert len(server.described) == 3


def test_runs_that_cannot_be_described_do_not_hide_the_others() -> None:
    server = Server(fleet(9), broken={"w0", "w1", "w2", "w3"})
    reader = server.reader()
    with pytest.raises(Unavailable):
        reader.read("default")
    reader.read("default")
    assert len(pins(reader.read("default"))) == 5


def test_a_run_that_never_can_be_described_does_not_freeze_the_listing() -> None:
    server = Server(fleet(2), broken={"w1"})
    reader = server.reader()
    reader.read("default")
    server.now_s += 20
    del server.runs["w0"]
    server.runs["w5"] = Run(run_id="r5")
    assert {run.run_id for run in reader.read("default").runs} == {"r1", "r5"}


def test_a_listing_that_never_ends_is_an_error() -> None:
    with pytest.raises(Incompatible, match="repeats its page '1'"):
        Server(fleet(1), repeats_page=True).reader().read("default")


def test_pins_of_runs_that_are_over_are_forgotten() -> None:
    server = Server(fleet(50))
    reader = server.reader()
    reader.read("default")
    server.runs.clear()
    reader.read("default")
    assert reader._pins == {"default": {}}


def test_describes_run_side_by_side_in_threads() -> None:
    server = Server(fleet(40))
    found = server.reader(ThreadFlights(interrupted=lambda: False)).read("default")
    assert (found.complete, len(pins(found))) == (True, 40)
    assert sorted(server.described) == sorted(server.runs)


def test_an_empty_namespace_is_complete() -> None:
    found = Server().reader().read("default")
    assert (found.complete, found.runs) == (True, ())

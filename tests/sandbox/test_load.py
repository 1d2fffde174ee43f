"""The load and its account against a server that loses answers."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from rollout_kit.sandbox import ledger
from rollout_kit.sandbox.account import Lost, account
from rollout_kit.sandbox.ledger import Heard, Start
from rollout_kit.sandbox.load import MIX, Load
from rollout_kit.sandbox.wire import CONTROL_PLANE, Wire


class Server(ThreadingHTTPServer):
    """Starts runs; loses every third answer after the run is there, and answers 503 at times."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.lock = threading.Lock()
        self.runs: dict[str, str] = {}
        self.sent: list[str] = []
        self.refuse = ""


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name = body["workflow_id"]
        with self.server.lock:
            self.server.sent.append(name)
            number = len(self.server.sent)
            if self.server.refuse and body["workflow_type"] == self.server.refuse:
                return self.answer(409, {"reason": "task_queue_draining"})
            if number % 5 == 4:
                return self.answer(503, {"message": "Server Error"})
            known = name in self.server.runs
            self.server.runs[name] = "completed"
        if number % 3 == 0:
            self.connection.close()
            return None
        return self.answer(*((409, {"outcome": "rejected_duplicate"}) if known else (201, {})))

    def do_GET(self) -> None:
        path = self.path.split("?")[0]
        if path == "/api/workflows":
            return self.answer(200, {"workflows": [], "next_page_token": None})
        if path.startswith("/api/task-queues/"):
            leases = [{"workflow_id": "held", "is_expired": False}]
            return self.answer(200, {"current_leases": leases})
        status = self.server.runs.get(path.rpartition("/")[2])
        if status is None:
            return self.answer(404, {"reason": "instance_not_found"})
        body = {
            "status": status,
            "is_terminal": status in {"completed", "failed"},
            "compatibility": "b1",
        }
        return self.answer(200, body)

    def answer(self, status: int, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None: ...

    def handle_error(self, *_: object) -> None: ...


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


def wire(server: Server) -> Wire:
    url = f"http://127.0.0.1:{server.server_port}"
    return Wire(url=url, token="t", namespace="default", headers=CONTROL_PLANE, timeout_s=2)


def run_load(server: Server, path: Path, starts: int) -> dict[str, Start]:
    load = Load(wire(server), path, ("orders", "shipping"), rate_hz=200)
    thread = threading.Thread(target=load.run)
    thread.start()
    until = time.monotonic() + 20
    while len(ledger.read(path)) < starts and time.monotonic() < until:
        time.sleep(0.01)
    load.stopping.set()
    thread.join()
    return ledger.read(path)


def test_every_start_is_settled_under_its_own_id_however_many_answers_are_lost(
    server: Server, tmp_path: Path
) -> None:
    starts = run_load(server, tmp_path / "load.jsonl", len(MIX))
    assert {start.heard for start in starts.values()} == {Heard.ACKNOWLEDGED}
    assert starts.keys() == server.runs.keys()
    assert len(server.sent) > len(starts)  # some were sent again
    found = account(wire(server), starts, ("orders",), lambda _: False)
    assert (found.completed, found.open_claimable, found.lost) == (len(starts), 0, ())


def test_a_clear_no_is_written_down_and_counts_as_no_run(server: Server, tmp_path: Path) -> None:
    server.refuse = "parent"
    starts = run_load(server, tmp_path / "load.jsonl", len(MIX))
    refused = [start for start in starts.values() if start.heard is Heard.REFUSED]
    assert {start.workflow_type for start in refused} == {"parent"}
    assert {start.because for start in refused} == {"409 task_queue_draining"}
    found = account(wire(server), starts, ("orders",), lambda _: False)
    assert (found.started, found.refused) == (len(starts) - len(refused), len(refused))


def test_each_start_is_accounted_in_exactly_one_place(server: Server) -> None:
    server.runs = {"done": "completed", "held": "running", "open": "waiting", "bad": "failed"}
    heard = dict.fromkeys(["done", "held", "open", "bad", "gone"], Heard.ACKNOWLEDGED)
    heard |= {"maybe": Heard.UNKNOWN, "no": Heard.REFUSED, "sent": Heard.SENT}
    starts = {
        name: Start(workflow_id=name, workflow_type="short", heard=word)
        for name, word in heard.items()
    }
    unserved = account(wire(server), starts, ("orders",), lambda _: False)
    assert (unserved.completed, unserved.open_claimable) == (1, 1)
    assert (unserved.refused, unserved.never_started) == (1, 2)
    assert set(unserved.lost) == {
        Lost(workflow_id="open", because="nobody serves its pin b1"),
        Lost(workflow_id="bad", because="ended as failed"),
        Lost(workflow_id="gone", because="the server no longer knows it"),
    }
    served = account(wire(server), starts, ("orders",), lambda pin: pin == "b1")
    assert (served.open_claimable, len(served.lost)) == (2, 2)
    assert served.sentence == "5 runs started: 1 completed, 2 open and claimable, 2 lost"


def test_a_torn_last_line_of_the_ledger_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "load.jsonl"
    ledger.note(path, Start(workflow_id="a", workflow_type="short", heard=Heard.SENT))
    ledger.note(path, Start(workflow_id="a", workflow_type="short", heard=Heard.ACKNOWLEDGED))
    with path.open("a") as file:
        file.write('{"workflow_id": "b"')
    assert {name: start.heard for name, start in ledger.read(path).items()} == {
        "a": Heard.ACKNOWLEDGED
    }

"""From a gate's deciding sample to the first undo that was acknowledged, on real processes.

The bench itself answers the gate: first good, then bad until the gate's time is over. The last answer
before the verdict is the deciding sample. The first undo takes the replaced node out of rotation: it is
acknowledged when the driver has recorded its success.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from urllib.parse import unquote

import canned
import profiles
from figures import Figure
from fleet import StubFleet, fleet

AT_MOST_MS = 250.0
ROLLED_BACK = 10


def bench(repeats: int) -> list[Figure]:
    """The median of some rollouts that a gate rolls back."""
    with TemporaryDirectory(prefix="rollout-kit-bench-") as root:
        answers = Path(root, "answers")
        canned.write(answers)
        waits = [_wait_ms(Path(root, str(turn)), answers) for turn in range(repeats)]
        figure = Figure(
            bench="gate breach",
            name="deciding sample to first undo acknowledged (median)",
            measured=median(waits),
            unit="ms",
            at_most=AT_MOST_MS,
            note=f"{len(waits)} rollouts, worst {max(waits):.0f} ms",
        )
        if figure.missed:
            profile = Path(root, "profile")
            _wait_ms(Path(root, "profiled"), answers, profile)
            figure = profiles.explain(figure, profile)
        return [figure]


class _Answers:
    """When the gate was answered, and by what."""

    def __init__(self) -> None:
        self.at_s: list[float] = []
        self.bad = False


@contextmanager
def _gate() -> Iterator[tuple[str, _Answers]]:
    answers = _Answers()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"errors": 0 if not answers.at_s else 9}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            answers.at_s.append(time.time())

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/errors", answers
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _wait_ms(folder: Path, answers: Path, profile: Path | None = None) -> float:
    with (
        _gate() as (url, sampled),
        fleet(folder, answers, ready_after_s=0.1, nodes=2, by_driver=True) as made,
    ):
        gate = {
            "http": {"url": url, "pointer": "/errors"},
            "at_most": 0,
            "for": "1s",
            "within": "2s",
            "interval": "1s",
        }
        _roll_back(made, made.write_plan(gate), profile)
        return (_acknowledged_s(made) - max(sampled.at_s)) * 1000.0


def _roll_back(made: StubFleet, plan: Path, profile: Path | None) -> None:
    entry = [str(Path(sys.executable).with_name("rollout-kit"))]
    through = entry if profile is None else profiles.command(profile)
    state = str(made.folder / "rollouts")
    done = subprocess.run(
        [*through, "apply", str(plan), "--state", state],
        env=made.environment,
        cwd=made.folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == ROLLED_BACK, f"{done.returncode}: {done.stdout}\n{done.stderr}"


def _acknowledged_s(made: StubFleet) -> float:
    """When the driver recorded the first success of an undo (seconds since 1970)."""
    undone = [
        path.stat().st_mtime
        for path in (made.folder / "state" / "work").glob("*/status.json")
        if "/undo/" in unquote(path.parent.name)
    ]
    assert undone, "no undo was sent"
    return min(undone)

"""What real nodes answer, asked of the emulator once per bench: the stub nodes repeat it.

A cutover is run in memory and in virtual time; everything that it reads of the server is asked of one
emulated node, whose name and version become placeholders.
"""

from __future__ import annotations

import json
import marshal
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from plans import FROM, TO, cutover

from rollout_kit.emulator.app import build
from rollout_kit.emulator.memory_store import MemoryStore
from rollout_kit.emulator.model.settings import Generation, ServerSettings
from rollout_kit.emulator.wire import Request
from rollout_kit.simulation.fleet import TOKENS
from rollout_kit.simulation.world import World
from rollout_kit.transport.messages import Request as Sent

NOT_READY = "not ready"  # the key under which stub_node.py finds what a starting node answers
NAMES = tuple(f"api-{number}" for number in range(1, 11))


def in_memory(note: Callable[[Sent], None] = lambda _: None) -> World:
    """A world after a cutover of all its nodes; `note` is told of every request."""
    world = World(Generation.V2, nodes=len(NAMES))
    world.load = False
    world.before_request = note
    _, state = world.apply(world.read(plan()))
    assert state.finished is not None, state.hold
    assert state.finished.outcome.value == "succeeded", state.finished.sentence
    return world


def plan() -> str:
    """The cutover that is benched, for the fleet in memory."""
    nodes = {name: f"http://{name}" for name in NAMES}
    return cutover("http://front", nodes, fleet="unused.yaml", bootstrap=True)


def write(path: Path) -> None:
    """Write the answers for `stub_node.py`: request target -> (status, body)."""
    asked: dict[str, Sent] = {}

    def note(request: Sent) -> None:
        parts = urlsplit(request.url)
        asked.setdefault(parts.path + (f"?{parts.query}" if parts.query else ""), request)

    world = in_memory(note)
    world.before_request = lambda _: None
    answers = {target: _answer(world, request) for target, request in asked.items()}
    answers[NOT_READY] = _not_ready()
    path.write_bytes(marshal.dumps(answers))


def _answer(world: World, request: Sent) -> tuple[int, bytes]:
    parts = urlsplit(request.url)
    there = world.exchange(
        Sent(
            method="GET",
            url=f"http://{NAMES[0]}{parts.path}" + (f"?{parts.query}" if parts.query else ""),
            headers=request.headers,
        )
    )
    body = there.body.replace(f'"{NAMES[0]}"'.encode(), b'"@SERVER@"')
    for version in (FROM, TO):
        body = body.replace(f'"{version}"'.encode(), b'"@VERSION@"')
    json.loads(body)
    return there.status, body


def _not_ready() -> tuple[int, bytes]:
    """A node whose schema is not there yet is not ready, and says why."""
    settings = ServerSettings(generation=Generation.V2, server_id="@SERVER@", tokens=TOKENS)
    world = World(Generation.V2, nodes=1)
    handle = build(settings, MemoryStore(), world.clock.now)
    answer = handle(Request(method="GET", path="/api/ready", raw_path="/api/ready"))
    assert answer.status == 503, answer.status
    return answer.status, answer.payload

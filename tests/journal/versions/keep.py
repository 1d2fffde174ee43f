"""Write journals of the present format version, to be kept for ever: `python -m tests.journal.versions.keep`.

To be run, and its files committed, *before* `codec.VERSION` is raised. It never writes over what is kept.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

from rollout_kit.emulator.model.settings import Generation
from rollout_kit.journal import codec
from rollout_kit.journal.chain import parse
from rollout_kit.journal.memory_lock import MemoryLock
from rollout_kit.model.codec import to_json
from rollout_kit.model.events import Outcome
from rollout_kit.model.operation import Compensation, Irreversible, Keep, Undo
from rollout_kit.model.state import RolloutState, fold
from rollout_kit.simulation import world as simulation
from rollout_kit.simulation.fleet import ServerImage
from rollout_kit.simulation.world import OLD, World
from tests.safety.moments import back, when
from tests.safety.people import approve, resume
from tests.safety.plans import (
    SCHEDULER,
    SCHEMA,
    SMOKE_THEN_ALL,
    api,
    canary,
    drain,
    held,
    outcome,
    read,
    small,
)

FOLDER = Path(__file__).parent
APPROVAL = '{id: ask, uses: approval, with: {prompt: "Go on?", within: 10s}}'
PAUSE = "{id: watch, uses: pause, with: {for: 12s}}"


def succeeded() -> World:
    """Schema, nodes, scheduler, a canary with smoke runs, a drain: all of it done."""
    world = small(Generation.V2, workers=1)
    steps = (SCHEMA, api(), SCHEDULER, canary("orders", stages=SMOKE_THEN_ALL), drain("orders"))
    _, state = world.apply(read(world, *steps))
    assert outcome(state) is Outcome.SUCCEEDED
    return world


def rolled_back() -> World:
    """A node comes up as another version: what was done is undone."""
    world = small(Generation.V2, workers=1)
    world.images["server:new"] = ServerImage(version="9.9.9")
    _, state = world.apply(read(world, SCHEMA, api()))
    assert outcome(state) is Outcome.ROLLED_BACK
    return world


def held_and_resumed() -> World:
    """An approval is asked for and given; somebody drains a cohort, which a person then accepts."""
    world = small(Generation.V2, workers=1)
    document = read(world, SCHEMA, APPROVAL, api(), PAUSE)
    _, state = world.apply(document)
    approve(world, state)
    path = "/api/task-queues/orders/build-ids/drain"
    when(world, back(world, "api-1"), lambda: world.control("POST", path, {"build_id": OLD}))
    with _fence(2):
        found = world.apply(document)
    held(*found)
    with _fence(3):
        _, state = resume(world, document, found[1], accept=True)
    assert outcome(state) is Outcome.SUCCEEDED
    return world


STORIES: Mapping[str, Callable[[], World]] = {
    "succeeded": succeeded,
    "rolled-back": rolled_back,
    "held-and-resumed": held_and_resumed,
}


def _fence(number: int) -> Any:
    """Another process's lock."""
    return mock.patch.object(simulation, "MemoryLock", return_value=MemoryLock(number))


def summary(data: bytes) -> Mapping[str, Any]:
    """What a journal comes to, as far as rollback, resume and status need it."""
    records = parse(data, "kept").records
    state = fold(records)
    lines = data.splitlines()
    return {
        "records": len(records),
        "last_line": codec.digest(lines[-1]),
        "fences": sorted({record.fence for record in records}),
        "attended_s": state.attended_s,
        "outcome": state.finished.outcome if state.finished else None,
        "intents": list(state.intents),
        "operations": {i: found.standing.value for i, found in state.operations.items()},
        "attempts": dict(state.attempts),
        "undos": _undos(state),
        "decisions": {i: found.verdict.value for i, found in state.decisions.items()},
        "approvals": {i: to_json(found) for i, found in state.approvals.items()},
        "accepted": to_json(dict(state.accepted)),
        "rollback": state.rollback.cause if state.rollback else None,
    }


def _undos(state: RolloutState) -> Mapping[str, Any]:
    found = {i: state.operations[i].intended for i in state.intents}
    return {i: _acts(intent.undo) for i, intent in found.items() if intent}


def _acts(undo: Compensation) -> list[Any]:
    """What a rollback would do: an undo without its operations' bounds and other defaults."""
    match undo:
        case Undo():
            acts = (*undo.restore, *undo.retire)
            return [[act.id, act.kind, to_json(act.arguments)] for act in acts]
        case Keep() | Irreversible():
            return [type(undo).__name__, undo.reason]


def main() -> None:
    for name, story in STORIES.items():
        path = FOLDER / f"v{codec.VERSION}-{name}.jsonl"
        if path.exists():
            print(f"{path.name} is kept already")
            continue
        data = story().journal.data
        path.write_bytes(data)
        text = json.dumps(summary(data), indent=1, sort_keys=True)
        path.with_suffix(".json").write_text(text + "\n")
        print(f"{path.name}: {len(data)} bytes")


if __name__ == "__main__":
    main()

"""The load's ledger: one line for each start that was sent, and one for what became of it.

Append-only JSON lines. A start is written down before it is sent, so that none is forgotten however
the load process ends; what was sent and never answered is looked up later.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Heard(StrEnum):
    """What the server said of a start."""

    SENT = "sent"  # nothing yet
    ACKNOWLEDGED = "acknowledged"
    UNKNOWN = "unknown"  # the answer was lost; it is sent again under the same id
    REFUSED = "refused"  # a clear no: there is no run


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """One workflow id and the last that was heard of it."""

    workflow_id: str
    workflow_type: str
    heard: Heard
    because: str = ""


def note(path: Path, start: Start) -> None:
    """Append one line; the load is its only writer."""
    line = {
        "workflow_id": start.workflow_id,
        "workflow_type": start.workflow_type,
        "heard": start.heard,
        **({"because": start.because} if start.because else {}),
    }
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def read(path: Path) -> dict[str, Start]:
    """Every start by its workflow id, as last heard of; a torn last line is left out."""
    starts: dict[str, Start] = {}
    if not path.exists():
        return starts
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            found = json.loads(line)
        except ValueError:
            continue
        start = Start(
            workflow_id=found["workflow_id"],
            workflow_type=found["workflow_type"],
            heard=Heard(found["heard"]),
            because=found.get("because", ""),
        )
        starts[start.workflow_id] = start
    return starts

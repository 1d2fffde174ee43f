"""Recordings of a real CLI: its failing calls, its events as the SDK's objects, its states."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from tests.recordings import PULUMI, demand

_EVENTS = (
    *("cancel_event", "stdout_event", "diagnostic_event", "prelude_event", "summary_event"),
    *("resource_pre_event", "res_outputs_event", "res_op_failed_event", "policy_event"),
)
_STATE = ("id", "urn", "type", "inputs", "outputs", "init_errors", "custom")
_META = ("op", "urn", "type", "old", "new", "keys", "diffs", "detailed_diff")


def load(name: str) -> list[dict[str, Any]]:
    """The steps of a recording."""
    demand(PULUMI)
    steps: list[dict[str, Any]] = json.loads((PULUMI / f"{name}.json").read_text())["steps"]
    return steps


def names(area: str = "*") -> list[str]:
    found = sorted(PULUMI.glob(f"{area}/*.json"))
    return [path.relative_to(PULUMI).with_suffix("").as_posix() for path in found]


def calls(step: dict[str, Any]) -> list[dict[str, Any]]:
    """Every process of the CLI in a step."""
    return step.get("cli_calls") or ([step] if step.get("kind") == "cli" else [])


def events(step: dict[str, Any]) -> Iterator[Any]:
    """The step's events with the attributes that the SDK gives them."""
    for raw in step.get("events", []):
        yield SimpleNamespace(**{name: _event(raw.get(name)) for name in _EVENTS})


def _event(raw: dict[str, Any] | None) -> Any:
    if raw is None:
        return None
    if "metadata" in raw:
        return SimpleNamespace(metadata=_metadata(raw["metadata"]))
    return SimpleNamespace(**{"urn": None, "ephemeral": None, "severity": "", "message": "", **raw})


def _metadata(raw: dict[str, Any]) -> Any:
    meta = {name: raw.get(name) for name in _META}
    for side in ("old", "new"):
        state = raw.get(side)
        meta[side] = state and SimpleNamespace(**{name: state.get(name) for name in _STATE})
    detailed = raw.get("detailed_diff") or {}
    meta["detailed_diff"] = {path: SimpleNamespace(**diff) for path, diff in detailed.items()}
    return SimpleNamespace(**meta)

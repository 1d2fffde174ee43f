"""The recordings of the real CLI, and what is left of a text or event when places and times go."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

from tests.recordings import PULUMI, demand

_PLACES = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "<uuid>"),
    (re.compile(r"created by \S*@\S* \(pid \S+\) at \S+"), "created by <who>"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"), "<time>"),
    (re.compile(r"v3\.\d+\.\d+"), "v3"),
    (re.compile(r" ?\((?:\d+(\.\d+)?s|\d+m\d+s)\)"), ""),
    (re.compile(r"Duration: (\d+m)?\d+s"), "Duration"),
    (re.compile(r"[0-9a-f]{64}"), "<digest>"),
    (re.compile(r"(?<!/)v1:[A-Za-z0-9+/=<>]+:v1:[^\"\s]+"), "<salt>"),
    (re.compile(r"(?<!/)v1:[A-Za-z0-9+/=<>]+:[^\"\s]+"), "<sealed>"),
)
_TRACEBACK = re.compile(
    r'^\s+(File "|[\^~]+$|raise |result = |await |return |loop\.|if |[a-z_]+\()|Traceback'
)

_STILL = re.compile(r"^    \S+:\S+:\S+ \S+( running)?\s*$")  # a row that says only: nothing changed


def situation(name: str) -> dict[str, Any]:
    demand(PULUMI)
    return json.loads((PULUMI / f"{name}.json").read_text())


def names() -> list[str]:
    demand(PULUMI)
    return sorted(str(path.relative_to(PULUMI).with_suffix("")) for path in PULUMI.glob("*/*.json"))


def plain(text: str, places: dict[str, str]) -> str:
    """The text with places and times taken out."""
    for place, name in places.items():
        text = text.replace(place, name)
    for pattern, name in _PLACES:
        text = pattern.sub(name, text)
    return text


def lines(text: str, places: dict[str, str], *, exports: bool = True) -> set[str]:
    """What a text says, in whatever order; no progress dots, no tracebacks, maybe no outputs."""
    if not exports:
        text = re.sub(r"\nOutputs:\n(.+\n)+", "\n", text)
    found = set()
    for line in plain(text, places).splitlines():
        if (
            line.startswith("@ ")
            or not line.strip()
            or _TRACEBACK.search(line)
            or _STILL.match(line)
        ):
            continue
        found.add(line.rstrip())
    return found


def steps_of(events: list[dict[str, Any]]) -> dict[str, list[tuple[Any, ...]]]:
    """What happened to each resource, in its own order."""
    found: dict[str, list[tuple[Any, ...]]] = {}
    for event in events:
        for kind in ("resource_pre_event", "res_outputs_event", "res_op_failed_event"):
            meta = (event.get(kind) or {}).get("metadata")
            if meta:
                changes = sorted(
                    (path, one["diff_kind"])
                    for path, one in (meta.get("detailed_diff") or {}).items()
                )
                found.setdefault(meta["urn"], []).append((kind, meta["op"], changes))
    return found


def said(events: list[dict[str, Any]], places: dict[str, str]) -> Counter[tuple[str, str]]:
    """The first lines of what was diagnosed, debugging and progress left out."""
    found: Counter[tuple[str, str]] = Counter()
    for event in events:
        one = event.get("diagnostic_event")
        if one and one["severity"] != "debug" and not one.get("ephemeral"):
            found[one["severity"], plain(one["message"], places).strip().splitlines()[0]] += 1
    return found


def state(checkpoint: dict[str, Any], *, exports: bool = True) -> dict[str, Any]:
    """The state as far as it does not depend on time and place."""
    kept = ("id", "inputs", "outputs", "initErrors", "delete", "protect", "external")
    resources = {}
    for one in checkpoint.get("resources") or []:
        key = f"{one['urn']}{' (delete)' if one.get('delete') else ''}"
        if not exports and one["type"] == "pulumi:pulumi:Stack":
            one = {**one, "outputs": {}}  # noqa: PLW2901
        resources[key] = json.loads(
            plain(
                json.dumps({name: one[name] for name in kept if one.get(name)}, sort_keys=True), {}
            )
        )
    pending = sorted(
        (one["type"], one["resource"]["urn"]) for one in checkpoint.get("pending_operations") or []
    )
    return {"resources": resources, "pending": pending}

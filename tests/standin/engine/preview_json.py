"""What `preview --json` prints: one object with the steps and their reasons."""

from __future__ import annotations

from typing import Any

from . import values
from .session import out_json
from .snapshot import Snapshot, tidy


class Digest:
    """Gathers the steps; unchanged resources are left out, but for the stack itself."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._steps: dict[str, dict[str, Any]] = {}
        self._said: list[dict[str, Any]] = []

    def hear(self, event: dict[str, Any]) -> None:
        if "diagnosticEvent" in event and event["diagnosticEvent"]["severity"] != "debug":
            said = event["diagnosticEvent"]
            self._said.append(
                {
                    key: said[key]
                    for key in ("urn", "prefix", "message", "severity")
                    if said.get(key)
                }
            )
        if "resourcePreEvent" not in event:
            return
        meta = event["resourcePreEvent"]["metadata"]
        if meta["op"] in ("create-replacement", "delete-replaced", "refresh"):
            return
        if meta["op"] == "same" and meta["type"] != "pulumi:pulumi:Stack":
            return
        if meta["type"].startswith("pulumi:providers:") and "default" in meta["urn"]:
            return
        step: dict[str, Any] = {"op": meta["op"], "urn": meta["urn"]}
        if meta["provider"]:
            step["provider"] = meta["provider"]
        old = self._snapshot.find(meta["urn"])
        if meta["old"]:
            step["oldState"] = tidy(values.mask(old)) if old else meta["old"]
        if meta["new"]:
            step["newState"] = _plain(meta["new"])
        if meta.get("diffs"):
            step["diffReasons"] = meta["diffs"]
        if meta.get("keys"):
            step["replaceReasons"] = meta["keys"]
        diff = meta["detailedDiff"]
        step["detailedDiff"] = (
            {
                path: {"kind": one["diffKind"], "inputDiff": one["inputDiff"]}
                for path, one in diff.items()
            }
            if diff
            else None
        )
        self._steps[meta["urn"]] = step

    def show(self, counts: dict[str, int], took_s: int) -> None:
        whole: dict[str, Any] = {"steps": list(self._steps.values())}
        if self._said:
            whole["diagnostics"] = self._said
        whole |= {
            "duration": took_s * 1_000_000_000,
            "changeSummary": counts,
            "maybeCorrupt": False,
        }
        out_json(whole, indent=4)


def _plain(state: dict[str, Any]) -> dict[str, Any]:
    return {"custom": False} | {
        key: value for key, value in state.items() if value not in ("", {}, None)
    }

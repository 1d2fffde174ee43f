"""What a person reads on standard output while an update goes on, as it is on no terminal."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from typing import Any

from . import values
from .session import out

_PREFIX = {
    "same": "  ", "create": "+ ", "update": "~ ", "delete": "- ", "replace": "+-",
    "create-replacement": "++", "delete-replaced": "--", "refresh": "~ ", "read": "> ",
    "import": "= ",
}  # fmt: skip
_NOW = {
    "create": "creating", "update": "updating", "delete": "deleting", "replace": "replacing",
    "create-replacement": "creating replacement", "delete-replaced": "deleting original",
    "refresh": "refreshing", "read": "reading", "import": "importing", "same": "",
}  # fmt: skip
_DONE = {
    "create": "created", "update": "updated", "delete": "deleted", "replace": "replaced",
    "create-replacement": "created replacement", "delete-replaced": "deleted original",
    "refresh": "refresh", "read": "read", "import": "imported", "same": "",
}  # fmt: skip
_PLANNED = {
    "create": "create", "update": "update", "delete": "delete", "replace": "replace",
    "create-replacement": "create replacement", "delete-replaced": "delete original",
    "refresh": "refresh", "read": "read", "import": "import", "same": "",
}  # fmt: skip
_COUNTED = (
    ("create", "+ ", "created", "create"), ("update", "~ ", "updated", "update"),
    ("delete", "- ", "deleted", "delete"), ("replace", "+-", "replaced", "replace"),
    ("import", "= ", "imported", "import"), ("read", "> ", "read", "read"),
)  # fmt: skip
_NOUN = {"error": "error", "warning": "warning", "info": "message"}


class Display:
    """Listens to the events; `end` prints what comes after the last of them."""

    def __init__(self, title: str, root: str, *, preview: bool, quiet: bool) -> None:
        self._preview, self._root, self._quiet = preview, root, quiet
        self._ops: dict[str, dict] = {}
        self._begun: dict[str, float] = {}
        self._said: dict[str, list[tuple[str, str]]] = defaultdict(list)
        self._noted: dict[str, str] = {}
        self._failed: set[str] = set()
        self._settled: set[str] = set()
        self._root_begun = time.monotonic()
        self._say(f"{title}\n")

    def _say(self, line: str) -> None:
        if not self._quiet:
            out(line)

    def hear(self, event: dict[str, Any]) -> None:
        if "resourcePreEvent" in event:
            self._pre(event["resourcePreEvent"]["metadata"])
        elif "resOutputsEvent" in event:
            self._outputs(event["resOutputsEvent"]["metadata"])
        elif "resOpFailedEvent" in event:
            self._op_failed(event["resOpFailedEvent"]["metadata"])
        elif "diagnosticEvent" in event:
            self._diagnostic(event["diagnosticEvent"])

    def _pre(self, meta: dict) -> None:
        urn = meta["urn"]
        if meta["op"] == "delete-replaced" and urn in self._ops:  # what it is replaced for
            meta = {**meta, "detailedDiff": self._ops[urn].get("detailedDiff")}
        self._ops[urn] = meta
        self._begun[urn] = time.monotonic()
        self._settled.discard(urn)
        if meta["op"] == "refresh" and self._preview and not _default_provider(urn):
            self._row(urn, "refreshing")
        elif meta["op"] != "same" and not _default_provider(urn):
            self._row(urn, self._running(meta))
        elif urn == self._root and self._said[urn] and not self._preview:
            self._row(urn, "running")

    def _running(self, meta: dict) -> str:
        kept = _retained(meta)
        if self._preview:
            return _PLANNED[meta["op"]] + kept
        return f"{_NOW[meta['op']]} (0s){kept}" if meta["op"] != "same" else ""

    def _outputs(self, meta: dict) -> None:
        urn = meta["urn"]
        kept, before = (self._ops.get(urn, {}).get(key) for key in ("detailedDiff", "op"))
        self._ops[urn] = {**meta, "detailedDiff": meta["detailedDiff"] or kept}
        self._settled.add(urn)
        if _default_provider(urn) or urn == self._root:
            return
        if self._preview:
            if before == "refresh" and meta["op"] != "same":
                self._row(urn, _PLANNED[meta["op"]])
            return
        if meta["op"] == "same":
            if urn in self._begun and self._ops[urn].get("shown_refresh"):
                self._row(urn, "")
            return
        took = time.monotonic() - self._begun.get(urn, self._root_begun)
        self._row(urn, f"{_DONE[meta['op']]} ({took:.2f}s){_retained(meta)}")

    def _op_failed(self, meta: dict) -> None:
        self._failed.add(meta["urn"])
        if not self._preview:
            self._row(meta["urn"], f"**{_NOW[meta['op']].split()[0]} failed**")

    def _diagnostic(self, said: dict) -> None:
        urn = said.get("urn") or self._root
        if said["severity"] == "debug" or said.get("ephemeral"):
            if said.get("ephemeral"):
                self._noted[urn] = (said["message"].strip().splitlines() or [""])[0]
                self._row(urn, self._standing(urn))
            return
        self._noted.pop(urn, None)
        self._said[urn].append((said["severity"], said["message"]))
        if said["severity"] == "error":
            self._failed.add(urn)
        self._row(urn, self._standing(urn))

    def _standing(self, urn: str) -> str:
        meta = self._ops.get(urn)
        if meta is None:
            return ""
        if meta["op"] == "same":
            return "running" if urn == self._root and urn in self._begun else ""
        if self._preview and meta["op"] == "refresh":
            return "refreshing"
        return self._running(meta)

    def _row(self, urn: str, status: str) -> None:
        meta = self._ops.get(urn, {"op": "same", "type": _type(urn)})
        note = self._noted.get(urn, self._remark(urn))
        info = "; ".join(part for part in (_difference(meta), note) if part)
        name = urn.rpartition("::")[2]
        self._say(f" {_PREFIX[meta['op']]} {meta.get('type') or _type(urn)} {name} {status} {info}")

    def _remark(self, urn: str) -> str:
        if not self._said[urn]:
            return ""
        severity, message = self._said[urn][-1]
        first = message.strip("\n").splitlines()[0] if message.strip() else ""
        return first if severity == "info" else f"{severity}: {first}"

    def _tally(self, urn: str) -> str:
        counted = defaultdict(int)
        for severity, _ in self._said[urn]:
            counted[severity] += 1
        for severity in ("error", "warning", "info"):
            if counted[severity]:
                return f"{counted[severity]} {_NOUN[severity]}{'s' * (counted[severity] > 1)}"
        return ""

    def end(
        self, counts: dict[str, int], outputs: tuple[dict, dict] | None, *, took_s: int
    ) -> None:
        """The last rows, the diagnostics, the outputs, the counts."""
        self._last_rows()
        if any(self._said.values()):
            self._say("Diagnostics:")
            for urn, said in self._said.items():
                if said:
                    self._block(urn, said)
        if outputs is not None:
            self._outputs_section(*outputs)
        self._counts(counts)
        if not self._preview:
            self._say(f"Duration: {max(took_s, 1)}s\n")

    def _last_rows(self) -> None:
        for urn in [
            self._root,
            *(urn for urn in self._said if urn != self._root and urn in self._failed),
        ]:
            meta = self._ops.get(urn, {"op": "same", "type": _type(urn)})
            if urn != self._root and (
                not self._preview and urn in self._ops and urn in self._failed
            ):
                continue
            failed = urn in self._failed
            if self._preview or meta["op"] == "same":
                status = "**failed**" if failed and not self._preview else _PLANNED[meta["op"]]
            else:
                took = f" ({time.monotonic() - self._root_begun:.2f}s)"
                status = (
                    f"**{_NOW[meta['op']].split()[0]} failed{took}**"
                    if failed
                    else _DONE[meta["op"]] + took
                )
            name = urn.rpartition("::")[2]
            info = "; ".join(part for part in (_difference(meta), self._tally(urn)) if part)
            self._say(
                f" {_PREFIX[meta['op']]} {meta.get('type') or _type(urn)} {name} {status} {info}"
            )

    def _block(self, urn: str, said: list[tuple[str, str]]) -> None:
        self._say(f"  {_type(urn)} ({urn.rpartition('::')[2]}):")
        for severity, message in said:
            text = message if severity == "info" else f"{severity}: {message}"
            for line in text.rstrip("\n").split("\n"):
                self._say(f"    {line}")
        self._say("")

    def _outputs_section(self, old: dict, new: dict) -> None:
        lines = []
        known = self._ops.get(self._root, {}).get("op") == "same"
        names = sorted(old.keys() | new.keys())
        width = max(map(len, names), default=0)
        for key in names:
            name = f"{key:<{width}}"
            if key not in new:
                if self._preview:
                    lines.append(f"  - {name}: {_shown(old[key])}")
            elif key not in old:
                lines.append(f"  {'+ ' if old or known else '  '}{name}: {_shown(new[key])}")
            elif self._preview and new[key] == values.UNKNOWN:
                continue
            elif old[key] == new[key] or values.is_secret(new[key]):
                if not self._preview:
                    lines.append(f"    {name}: {_shown(new[key])}")
            else:
                lines.append(f"  ~ {name}: {_shown(old[key])} => {_shown(new[key])}")
        if lines:
            self._say("Outputs:\n" + "\n".join(lines) + "\n")

    def _counts(self, counts: dict[str, int]) -> None:
        self._say("Resources:")
        kinds = 0
        changed = 0
        for op, prefix, done, planned in _COUNTED:
            if counts.get(op):
                kinds += 1
                changed += counts[op]
                words = f"to {planned}" if self._preview else done
                self._say(f"    {prefix}{counts[op]} {words}")
        pieces = [f"{changed} changes"] if kinds > 1 else []
        if counts.get("same"):
            pieces.append(f"{counts['same']} unchanged")
        if pieces:
            self._say("    " + ". ".join(pieces))
        if self._failed:
            self._say(f"    {len(self._failed)} errored")
        self._say("")


def _retained(meta: dict) -> str:
    kept = (meta.get("old") or {}).get("retainOnDelete") and meta["op"] == "delete"
    return "[retain]" if kept else ""


def _default_provider(urn: str) -> bool:
    return "pulumi:providers:" in urn and urn.rpartition("::")[2].startswith("default")


def _type(urn: str) -> str:
    return urn.split("::")[2].rpartition("$")[2]


def _difference(meta: dict) -> str:
    kinds: dict[str, str] = {}
    named = {top: {"diffKind": "update"} for top in meta.get("diffs") or []}
    for path, change in (meta.get("detailedDiff") or named).items():
        top = path.split(".")[0].split("[")[0]
        kind = change["diffKind"].split("-")[0]
        kinds[top] = kind if path == top else "update"
    if not kinds or (meta["op"] in ("delete", "delete-replaced") and not kinds):
        return ""
    marks = (("add", "+"), ("delete", "-"), ("update", "~"))
    text = ""
    for kind, mark in marks:
        tops = [top for top, one in sorted(kinds.items()) if one == kind]
        text += mark + ",".join(tops) if tops else ""
    return f"[diff: {text}]"


def _shown(value: Any, indent: int = 4) -> str:
    if values.is_secret(value):
        return values.MASK
    if value == values.UNKNOWN:
        return "[unknown]"
    if isinstance(value, dict) and value:
        width = max(map(len, value))
        rows = [(f"{key:<{width}}", one) for key, one in sorted(value.items())]
        return _nested("{}", rows, indent)
    if isinstance(value, list) and value:
        return _nested("[]", [(f"[{at}]", one) for at, one in enumerate(value)], indent)
    return json.dumps(value, ensure_ascii=False)


def _nested(brackets: str, rows: list[tuple[str, Any]], indent: int) -> str:
    inner = " " * (indent + 4)
    lines = [f"{inner}{name}: {_shown(one, indent + 4)}" for name, one in rows]
    return "\n".join([brackets[0], *lines, " " * indent + brackets[1]])

"""What a recorded step says beside what the same step says here: every difference, in words."""

from __future__ import annotations

import json
import re
from typing import Any

from . import recordings


class Comparison:
    """`differences` fills up; `places` are the texts of this run that recordings have names for."""

    def __init__(self, places: dict[str, str], *, exports: bool) -> None:
        """`exports=False`: the stack's outputs are not compared; a kill may come before them."""
        self.places, self.exports = places, exports
        self.differences: list[str] = []

    def differ(self, where: str, what: str, recorded: Any, here: Any) -> None:
        if recorded != here:
            self.differences.append(f"{where}: {what}\n  recorded {recorded}\n  here     {here}")

    def lines(self, text: str, *, exports: bool = True) -> set[str]:
        """What a text says, in whatever order."""
        return recordings.lines(text, self.places, exports=exports)

    def call(
        self, where: str, step: dict[str, Any], texts: list[str], call: dict[str, Any]
    ) -> None:
        """The texts of one update through the SDK; `texts`: its output, or what it raised."""
        recorded = self.lines(call["stdout"], exports=self.exports)
        out = texts[0] if texts else ""
        if step.get("raised"):
            message = texts[-1] if texts else ""
            code = re.search(r"code: (-?\d+)", message)
            self.differ(where, "exit code", call["exit_code"], int(code.group(1)) if code else None)
            out, _, err = message.partition("\n stderr: ")
            out = out.partition("\n stdout: ")[2]
            self.differ(where, "stderr", self.lines(call["stderr"]), self.lines(err))
        if {"--json", "--diff"} & set(call["argv"]):
            return  # the rich diff is not rendered
        here = self.lines(out, exports=self.exports)
        if recorded != here:
            only = f"only recorded {sorted(recorded - here)}\n  only here     {sorted(here - recorded)}"
            self.differences.append(f"{where}: stdout\n  {only}")

    def events(self, where: str, recorded: list[dict], here: list[dict]) -> None:
        a, b = recordings.steps_of(recorded), recordings.steps_of(here)
        for urn in sorted(a.keys() | b.keys()):
            self.differ(where, f"events of {urn}", a.get(urn), b.get(urn))
        said = [recordings.said(events, self.places) for events in (recorded, here)]
        self.differ(where, "diagnosed", *said)
        for kind in ("prelude_event", "summary_event", "cancel_event"):
            found = [[one[kind] for one in events if kind in one] for events in (recorded, here)]
            if kind == "summary_event":
                found = [[one["resource_changes"] for one in events] for events in found]
            self.differ(where, kind, *found)
        if here:
            self.differ(where, "last event", True, "cancel_event" in here[-1])

    def process(self, where: str, step: dict[str, Any], code: int, out: str, err: str) -> None:
        """One raw call of the CLI."""
        argv = step["argv"]
        self.differ(where, "exit code", step["exit_code"], code)
        if any(word in argv for word in ("history", "export")) or "--json" in argv:
            if step["exit_code"] == 0 and "preview" not in argv and "about" not in argv:
                self.differ(where, "JSON", _shape(step["stdout"]), _shape(out))
        else:
            self.differ(where, "stdout", self.lines(step["stdout"]), self.lines(out))
        self.differ(where, "stderr", self.lines(step["stderr"]), self.lines(err))

    def checkpoint(self, where: str, recorded: dict[str, Any], here: dict[str, Any]) -> None:
        """Two state files."""
        first, second = (recordings.state(one, exports=self.exports) for one in (recorded, here))
        for urn in sorted(first["resources"].keys() | second["resources"].keys()):
            found = (_unsealed(one["resources"].get(urn)) for one in (first, second))
            self.differ(where, urn, *found)
        self.differ(where, "pending", first["pending"], second["pending"])


def plain_event(event: Any) -> Any:
    """An event of the SDK as the recordings have it."""
    if isinstance(event, dict):
        return {key: plain_event(value) for key, value in event.items()}
    if isinstance(event, list):
        return [plain_event(one) for one in event]
    if (hasattr(event, "value") and not hasattr(event, "__dict__")) or isinstance(event, str):
        return getattr(event, "value", event)
    if hasattr(event, "name") and hasattr(event, "value"):
        return event.value
    if hasattr(event, "__dict__"):
        return {key: plain_event(value) for key, value in vars(event).items() if value is not None}
    return event


def _unsealed(tree: Any) -> Any:
    """Ciphertexts say nothing."""
    if isinstance(tree, dict):
        return {key: _unsealed(value) for key, value in tree.items() if key != "ciphertext"}
    return [_unsealed(one) for one in tree] if isinstance(tree, list) else tree


def _shape(text: str) -> Any:
    """The keys of a JSON text, to their depth; what depends on the machine is left out."""

    def keys(tree: Any) -> Any:
        if isinstance(tree, dict):
            ours = {"environment", "stackTrace", "sourcePosition", "created", "modified", "time"}
            return {key: keys(value) for key, value in tree.items() if key not in ours}
        if isinstance(tree, list):
            return [keys(one) for one in tree]
        return type(tree).__name__

    try:
        return keys(json.loads(text))
    except ValueError:
        return text

"""Telling what a script says to people from what it says to whoever asked."""

from __future__ import annotations

import json


def said(output: str) -> tuple[str, str]:
    """The last `{"sentence": ...}` line of an output (empty without one), and the output without any."""
    sentence, rest = "", []
    for line in output.splitlines(keepends=True):
        found = _sentence(line)
        if found is None:
            rest.append(line)
        else:
            sentence = found
    return sentence, "".join(rest)


def _sentence(line: str) -> str | None:
    if not line.startswith("{"):
        return None
    try:
        told = json.loads(line)
    except ValueError:
        return None
    sentence = told.get("sentence") if isinstance(told, dict) else None
    return sentence if isinstance(sentence, str) else None

"""Characters that have no business in a reviewed text file, each with its place."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rollout_kit.document.codes import Code
from rollout_kit.document.diagnostics import Finding, Severity
from rollout_kit.document.position import Position

_LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
# Beside what YAML cannot hold: marks that make a review show other text than what is read.
_FORBIDDEN = re.compile(
    "[^\t\n\r -~\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
    "|[\u202a-\u202e\u2066-\u2069\ufeff]"
)


def lines_of(text: str) -> list[str]:
    """Split as YAML does, so that a line's number finds it."""
    return _LINE_BREAK.split(text.removeprefix("\ufeff"))


def forbidden_characters(text: str) -> Iterator[Finding]:
    """Find them, at most ten."""
    if text.startswith("\ufeff"):
        yield Finding(
            code=Code.BYTE_ORDER_MARK,
            summary="Byte order mark",
            detail="The file starts with U+FEFF, which other readers take for a part of it.",
            hint="Save it as UTF-8 without a byte order mark.",
            at=Position(line=1, column=1),
            severity=Severity.WARNING,
        )
        text = text[1:]
    for count, found in enumerate(_FORBIDDEN.finditer(text)):
        if count == 10:
            return
        before = _LINE_BREAK.split(text[: found.start()])
        yield Finding(
            code=Code.FORBIDDEN_CHARACTER,
            summary="Forbidden character",
            detail=f"U+{ord(found[0]):04X} cannot be seen by who reviews this plan.",
            hint="Delete it; in a quoted value write it as an escape.",
            at=Position(line=len(before), column=len(before[-1]) + 1),
        )

"""What an unquoted word of YAML means, and which of them mean different things to different readers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

Plain: TypeAlias = str | int | float | bool | None

_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,17}")
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]*)\.[0-9]+")
_SURPRISES = (
    (
        re.compile(r"(?i:y|yes|n|no|on|off|true|false)"),
        "some readers take it for a truth value; this one wants true or false",
    ),
    (re.compile(r"~|(?i:null)"), "some readers take it for nothing at all"),
    (
        re.compile(r"[-+]?0[0-9_]+"),
        "some readers take it for an octal number, others drop the zero",
    ),
    (
        re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?"),
        "some readers take it for base 60",
    ),
    (
        re.compile(r"[-+]?0(?i:[box])[0-9a-fA-F_]+"),
        "some readers take it for a number in another base",
    ),
    (
        re.compile(r"[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?"),
        "some readers take it for a number and change how it is written",
    ),
    (re.compile(r"[-+]?\.(?i:inf|nan)"), "some readers take it for a number that is none"),
    (re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt \t].*)?"), "some readers take it for a date"),
    (re.compile(r"=|<<"), "some readers take it for an instruction"),
)


@dataclass(frozen=True, slots=True)
class Surprise:
    """An unquoted word that does not mean the same to every reader of YAML."""

    because: str


def resolve(text: str) -> Plain | Surprise:
    """Read an unquoted scalar: only spellings that survive a round trip are no strings."""
    if text in {"", "null"}:
        return None
    if text in {"true", "false"}:
        return text == "true"
    if _INTEGER.fullmatch(text):
        return int(text)
    if _DECIMAL.fullmatch(text) and repr(float(text)) == text:
        return float(text)
    for pattern, because in _SURPRISES:
        if pattern.fullmatch(text):
            return Surprise(because)
    return text

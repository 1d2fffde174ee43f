"""Durations, shares and numbers as a plan writes them."""

from __future__ import annotations

import re

_DURATION = re.compile(r"(?:([0-9]+)h)?(?:([0-9]+)m)?(?:([0-9]+(?:\.[0-9]+)?)s)?")


def seconds(text: str) -> float:
    """Read `90s`, `10m`, `4h` or `1h30m`. Raises `ValueError`."""
    found = _DURATION.fullmatch(text)
    if not text or found is None:
        raise ValueError(f"{text!r} is no duration")
    hours, minutes, rest = found.groups()
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(rest or 0)


def duration_text(duration_s: float) -> str:
    """Write seconds as a plan would, as in `1h30m`."""
    whole, rest = divmod(duration_s, 60)
    hours, minutes = divmod(int(whole), 60)
    parts = [f"{hours}h" * bool(hours), f"{minutes}m" * bool(minutes), f"{rest:g}s" * bool(rest)]
    return "".join(parts) or "0s"


def percent(text: str) -> float:
    """Read `12.5%`. Raises `ValueError`."""
    if not text.endswith("%"):
        raise ValueError(f"{text!r} is no percentage")
    return float(text[:-1])

"""Seconds as people read them."""

from __future__ import annotations


def span(seconds: float) -> str:
    """As a plan spells it: `0.4s`, `90s` as `1m30s`, `4h`."""
    if seconds < 60:
        return f"{seconds:.3g}s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "m"), (rest, "s"))
    return "".join(f"{count}{unit}" for count, unit in parts if count)

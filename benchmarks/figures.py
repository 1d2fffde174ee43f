"""What a bench found, and how it is shown."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured number. `at_most=None`: it is there to compare with, and nothing is promised.

    `profile`: why it missed, where it did.
    """

    bench: str
    name: str
    measured: float
    unit: str
    at_most: float | None = None
    note: str = ""
    profile: str = ""

    @property
    def missed(self) -> bool:
        return self.at_most is not None and self.measured > self.at_most

    @property
    def verdict(self) -> str:
        if self.at_most is None:
            return ""
        return "MISSED" if self.missed else "ok"


def table(figures: list[Figure]) -> str:
    """All figures as text, bench by bench, then the profiles of those that missed."""
    rows = [("bench", "figure", "target", "measured", "", "note")]
    for figure in figures:
        target = "" if figure.at_most is None else f"≤ {_number(figure.at_most)} {figure.unit}"
        measured = f"{_number(figure.measured)} {figure.unit}"
        rows.append((figure.bench, figure.name, target, measured, figure.verdict, figure.note))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    lines.insert(1, "  ".join("─" * width for width in widths))
    for figure in figures:
        if figure.missed and figure.profile:
            lines += ["", f"why {figure.bench}: {figure.name} missed", figure.profile.rstrip()]
    return "\n".join(lines)


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"

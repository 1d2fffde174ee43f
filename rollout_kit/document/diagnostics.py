"""What is wrong with a plan and where: all of it at once, in the order of the file."""

from __future__ import annotations

import difflib
import enum
from collections.abc import Iterable
from dataclasses import dataclass

from rollout_kit.document.codes import Code
from rollout_kit.document.position import Position

SHOWN_AT_MOST = 20
_PLACE_COLUMN = 70
_EXCERPT_WIDTH = 110


class Severity(enum.StrEnum):
    """Whether the plan can be used all the same."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something wrong, before it is known in which file."""

    code: Code
    summary: str
    detail: str
    hint: str | None = None
    at: Position | None = None
    """None: it comes from the command line, not from the file."""
    severity: Severity = Severity.ERROR


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    """Something wrong with a plan file; never holds the value of a secret."""

    severity: Severity
    code: Code
    summary: str
    """The same words for every finding of its code."""
    detail: str
    """What is wrong here, with both values, and why it matters."""
    hint: str | None
    """What to do next."""
    file: str
    line: int | None
    """From 1; None where the command line is to blame."""
    col: int | None
    excerpt: str | None
    """The line of the file; None where it might show a secret."""

    @property
    def place(self) -> str:
        """Give `file:line:col`."""
        return self.file if self.line is None else f"{self.file}:{self.line}:{self.col}"


def order(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Sort by place in the file, what has no place first."""
    return tuple(
        sorted(diagnostics, key=lambda d: (d.line or 0, d.col or 0, d.severity, d.code, d.detail))
    )


def render(diagnostics: Iterable[Diagnostic], *, at_most: int = SHOWN_AT_MOST) -> str:
    """Give plain text for people, errors and warnings in the order of the file.

    Beyond `at_most` it only counts: a screenful is worked through, a flood is scrolled past.
    """
    ordered = order(diagnostics)
    # Warnings give way, so that no error is behind the limit while a warning is before it.
    shown = sorted(ordered, key=lambda diagnostic: diagnostic.severity)[:at_most]
    blocks = [_block(diagnostic) for diagnostic in order(shown)]
    if len(ordered) > at_most:
        blocks.append(f"and {len(ordered) - at_most} more")
    return "\n\n".join(blocks)


def _block(diagnostic: Diagnostic) -> str:
    head = f"{diagnostic.severity}: {diagnostic.summary}"
    lines = [f"{head:<{_PLACE_COLUMN - 2}}  {diagnostic.place}"]
    lines += [f"  {line}" for line in diagnostic.detail.splitlines()]
    if (
        diagnostic.excerpt is not None
        and diagnostic.line is not None
        and diagnostic.col is not None
    ):
        lines += _caret(diagnostic.excerpt, diagnostic.line, diagnostic.col)
    if diagnostic.hint:
        lines.append(f"hint: {diagnostic.hint}")
    return "\n".join(lines)


def _caret(excerpt: str, line: int, col: int) -> list[str]:
    number = f"{line:>6}"
    # A caret far to the right helps nobody: show the part of the line around it.
    start = max(0, col - _EXCERPT_WIDTH // 2) if len(excerpt) > _EXCERPT_WIDTH else 0
    shown = excerpt[start : start + _EXCERPT_WIDTH]
    # Tabs are kept in the pad so that the caret stands below its character on any terminal.
    pad = "".join("\t" if char == "\t" else " " for char in shown[: col - 1 - start])
    return [f"{number} | {shown}", f"{' ' * len(number)} | {pad}^"]


def did_you_mean(wrong: str, known: Iterable[str]) -> str | None:
    """Give the one of `known` that somebody may have meant, as a sentence."""
    names = sorted(set(known))
    folded = {name.casefold().replace("_", "-"): name for name in names}
    close = difflib.get_close_matches(
        wrong[:200].casefold().replace("_", "-"), folded, n=1, cutoff=0.6
    )
    return f'Did you mean "{folded[close[0]]}"?' if close else None


def known_names(names: Iterable[str], *, at_most: int = 12) -> str:
    """List names for a sentence, capped."""
    ordered = sorted(set(names))
    shown = ", ".join(ordered[:at_most])
    more = len(ordered) - at_most
    return f"{shown} and {more} more" if more > 0 else shown or "none"

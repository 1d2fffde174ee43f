"""Text for people: what came from outside made harmless, colour where it is wanted.

A server's message may hold escape sequences, line breaks, or a line that a CI system would take for a
command. Whatever is printed passes through here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from typing import Protocol

_CONTROL = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_COMMAND = re.compile(r"^(\s*)::", re.MULTILINE)


class Style(Enum):
    """What a piece of text is, as a colour may show it. Nothing is said by colour alone."""

    NONE = ""
    GOOD = "32"
    CHANGE = "33"
    BAD = "31"
    STRONG = "1"
    FAINT = "2"


def plain(text: str) -> str:
    """Text from anywhere as printable lines that no terminal and no CI system acts on."""
    visible = _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text.replace("\r\n", "\n"))
    return _COMMAND.sub(r"\1: :", visible).replace("##[", "## [").replace("##vso", "## vso")


def one_line(text: str, at_most: int = 400) -> str:
    """As `plain`, on one line, cut with an ellipsis."""
    line = " ".join(plain(text).split())
    return line if len(line) <= at_most else f"{line[: at_most - 1]}…"


class Stream(Protocol):
    """What is printed to: a stream of this process, or an `Outlet` before one."""

    @property
    def encoding(self) -> str: ...

    def write(self, text: str, /) -> int: ...

    def flush(self) -> None: ...

    def isatty(self) -> bool: ...

    def fileno(self) -> int: ...


class Printer:
    """Writes lines to one stream. A closed or full stream ends output, never the rollout."""

    def __init__(self, stream: Stream, *, colour: bool = False) -> None:
        self.stream = stream
        self.colour = colour
        self.closed = False

    @property
    def behind(self) -> bool:
        """Whether its reader has not kept up: what is of the moment only may be left out."""
        return getattr(self.stream, "behind", False)

    def paint(self, text: str, style: Style) -> str:
        """Untrusted text in a style."""
        harmless = plain(text)
        if not self.colour or style is Style.NONE:
            return harmless
        return f"\x1b[{style.value}m{harmless}\x1b[0m"

    def line(self, text: str = "", style: Style = Style.NONE) -> None:
        """Print untrusted text as a line."""
        self.raw(self.paint(text, style) if text else "")

    def raw(self, text: str) -> None:
        """Print what is already harmless."""
        if self.closed:
            return
        encoding = getattr(self.stream, "encoding", None) or "utf-8"
        try:
            self.stream.write(text.encode(encoding, "replace").decode(encoding) + "\n")
            self.stream.flush()
        except (OSError, ValueError):  # a closed pipe, a full disk, a closed file
            self.closed = True


def wants_colour(stream: Stream, environment: Mapping[str, str]) -> bool:
    """`NO_COLOR` and `TERM=dumb` say no, `FORCE_COLOR` says yes, else a terminal does."""
    if environment.get("NO_COLOR"):
        return False
    if environment.get("FORCE_COLOR"):
        return True
    return environment.get("TERM") != "dumb" and _is_terminal(stream)


def wants_live_view(stream: Stream, environment: Mapping[str, str]) -> bool:
    """A view that redraws itself: only on a terminal that can, and not in CI."""
    dumb = environment.get("TERM", "dumb") == "dumb"
    return _is_terminal(stream) and not dumb and not environment.get("CI")


def _is_terminal(stream: Stream) -> bool:
    try:
        return stream.isatty()
    except ValueError:  # closed
        return False

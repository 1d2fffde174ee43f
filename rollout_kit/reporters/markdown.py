"""Markdown that holds text from anywhere: nothing in it becomes a link, a mention, markup or HTML."""

from __future__ import annotations

import re

from rollout_kit.reporters.text import one_line, plain

_MARKUP = re.compile(r"([\\`*_{}\[\]()#+!|~>-])")
_RUNS = re.compile(r"`+")


def prose(text: str) -> str:
    """Untrusted text as words inside a paragraph or a table cell, on one line."""
    escaped = _MARKUP.sub(r"\\\1", one_line(text, 1000))
    escaped = escaped.replace("&", "&amp;").replace("<", "&lt;")
    # A zero-width space keeps @names and bare addresses from notifying people or becoming links.
    return escaped.replace("@", "@\u200b").replace("://", ":\u200b//")


def code(text: str) -> str:
    """Untrusted text as a code span, also inside a table."""
    line = one_line(text, 1000)
    if not line:
        return ""
    if "|" in line:  # a table would end its cell there, inside a span too
        escaped = line.replace("&", "&amp;").replace("<", "&lt;").replace("|", "&#124;")
        return f"<code>{escaped}</code>"
    fence = "`" * (1 + max((len(run) for run in _RUNS.findall(line)), default=0))
    pad = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{pad}{line}{pad}{fence}"


def block(text: str) -> str:
    """Untrusted text as a code block."""
    body = plain(text)
    fence = "`" * max(3, 1 + max((len(run) for run in _RUNS.findall(body)), default=0))
    return f"{fence}text\n{body}\n{fence}"


def truncated(text: str, at_most_bytes: int, notice: str) -> str:
    """Text cut at a line so that it fits with the notice: platforms refuse what is longer."""
    data = text.encode()
    if len(data) <= at_most_bytes:
        return text
    end = f"\n\n{notice}\n"
    room = at_most_bytes - len(end.encode())
    kept = data[: max(0, room)].decode(errors="ignore")
    return kept.rpartition("\n")[0] + end

"""What comes from outside is printed, never obeyed."""

from __future__ import annotations

import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rollout_kit.reporters.markdown import block, code, prose, truncated
from rollout_kit.reporters.text import (
    Printer,
    Style,
    one_line,
    plain,
    wants_colour,
    wants_live_view,
)

from .cases import HOSTILE


@example(HOSTILE)
@example("::set-env name=x::y")
@example(" \t::stop-commands::x\n\n  ::error::y")
@given(st.text())
def test_no_text_controls_a_terminal_or_commands_a_runner(text: str) -> None:
    shown = plain(text)

    assert not any(ord(char) < 32 and char not in "\n\t" for char in shown)
    assert "\x1b" not in shown
    assert not any(line.lstrip().startswith("::") for line in shown.splitlines())
    assert "##[" not in shown
    assert "\n" not in one_line(text)


@given(st.text())
def test_no_text_breaks_a_table_or_speaks_html(text: str) -> None:
    for shown in (prose(text), code(text)):
        assert "\n" not in shown
    assert "<" not in prose(text)
    assert not any(char == "|" and before != "\\" for before, char in pairs(prose(text)))
    assert "|" not in code(text)


def pairs(text: str) -> list[tuple[str, str]]:
    return list(zip(" " + text, text, strict=False))


@given(st.text(min_size=1))
def test_a_block_ends_where_it_should(text: str) -> None:
    lines = block(text).splitlines()

    assert lines[0] == f"{lines[-1]}text"
    assert not any(line == lines[-1] for line in lines[1:-1])


def test_markdown_neither_notifies_people_nor_links() -> None:
    shown = prose(HOSTILE)

    assert "@ada" not in shown
    assert "](http" not in shown
    assert "http://" not in shown


def test_code_holds_backticks() -> None:
    assert code("a`b") == "``a`b``"
    assert code("`a`") == "`` `a` ``"
    assert code("a|<b>") == "<code>a&#124;&lt;b></code>"


def test_text_is_cut_at_a_line_and_says_so() -> None:
    text = "\n".join(f"line {number}" for number in range(1000))

    shown = truncated(text, 200, "**cut**")

    assert len(shown.encode()) <= 200
    assert shown.endswith("\n\n**cut**\n")
    assert shown.splitlines()[0] == "line 0"
    assert truncated("short", 200, "**cut**") == "short"


def test_colour_says_nothing_that_the_text_does_not() -> None:
    coloured, bare = io.StringIO(), io.StringIO()
    Printer(coloured, colour=True).line("✓ done", Style.GOOD)
    Printer(bare).line("✓ done", Style.GOOD)

    assert bare.getvalue() == "✓ done\n"
    assert coloured.getvalue() == "\x1b[32m✓ done\x1b[0m\n"


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "environment", "colour", "live"),
    [
        (Tty(), {"TERM": "xterm"}, True, True),
        (Tty(), {"TERM": "xterm", "NO_COLOR": "1"}, False, True),
        (Tty(), {"TERM": "dumb"}, False, False),
        (Tty(), {"TERM": "xterm", "CI": "true"}, True, False),
        (io.StringIO(), {"TERM": "xterm"}, False, False),
        (io.StringIO(), {"FORCE_COLOR": "1"}, True, False),
        (io.StringIO(), {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False, False),
    ],
)
def test_colour_and_live_view_follow_terminal_and_environment(
    stream: io.StringIO, environment: dict[str, str], colour: bool, live: bool
) -> None:
    assert wants_colour(stream, environment) is colour
    assert wants_live_view(stream, environment) is live


def test_a_stream_that_cannot_show_a_symbol_shows_something() -> None:
    raw = io.BytesIO()
    printer = Printer(io.TextIOWrapper(raw, encoding="ascii"))

    printer.line("✓ done")

    assert raw.getvalue() == b"? done\n"


class Broken(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError


def test_a_closed_pipe_ends_output_and_nothing_else() -> None:
    printer = Printer(Broken())

    printer.line("one")
    printer.line("two")

    assert printer.closed

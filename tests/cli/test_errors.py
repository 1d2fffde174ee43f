"""Whatever stops a command ends as one sentence and one code; a traceback goes to a file."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest

from rollout_kit.cli.console import Console
from rollout_kit.cli.errors import explain
from rollout_kit.document.terms import UnsetEnvironmentError
from rollout_kit.journal.lock import LockTaken
from rollout_kit.journal.lock_place import LockState
from rollout_kit.ports.errors import Incompatible, Refused, Trouble, Unavailable
from rollout_kit.ports.journal import JournalLost
from rollout_kit.reporters.text import Printer
from tests.journal.cases import owner

LOCK = LockState(version=1, fence=1, owner=owner(), rollout="r-1")


def explained(error: BaseException) -> tuple[int, str]:
    err = io.StringIO()
    console = Console(
        out=Printer(io.StringIO()),
        err=Printer(err),
        err_stream=err,
        environment={},
        folder=Path(),
        colour=False,
        live=False,
        interactive=False,
    )
    return int(explain(error, console)), err.getvalue()


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (
            Unavailable(
                "http://api-1 gave no answer within 5s",
                why="Nobody knows whether it lives.",
                hint="look at it",
                trouble=Trouble.TIMEOUT,
            ),
            7,
            "error: http://api-1 gave no answer within 5s\n  Nobody knows whether it lives.\n"
            "hint: look at it\n",
        ),
        (Refused("403", trouble=Trouble.AUTH), 4, "error: 403\n"),
        (Incompatible("HTML where JSON was due", trouble=Trouble.INCOMPATIBLE), 8, None),
        (LockTaken(LOCK), 15, None),
        (JournalLost("disk full", "free space"), 1, "error: disk full\nhint: free space\n"),
        (
            UnsetEnvironmentError("DW_ADMIN_TOKEN"),
            2,
            "error: The environment variable DW_ADMIN_TOKEN is not set, and this plan needs it\n"
            "hint: set DW_ADMIN_TOKEN\n",
        ),
        (KeyboardInterrupt(), 16, "error: interrupted\n  Nothing was written to the fleet.\n"),
    ],
)
def test_what_is_expected_has_its_own_sentence(
    error: BaseException, code: int, text: str | None
) -> None:
    got, said = explained(error)

    assert got == code
    assert said.startswith("error: ")
    if text is not None:
        assert said == text


def test_a_bug_says_so_and_keeps_the_traceback_in_a_file() -> None:
    try:
        raise ZeroDivisionError("division by zero")
    except ZeroDivisionError as error:
        code, said = explained(error)

    assert code == 1
    assert said.startswith("error: This is a bug in rollout-kit: ZeroDivisionError\n")
    assert "Traceback" not in said
    found = re.search(r"written to (\S+)", said)
    assert found is not None
    kept = Path(found[1])
    try:
        text = kept.read_text()
    finally:
        kept.unlink()
    assert "Traceback (most recent call last)" in text
    assert "ZeroDivisionError: division by zero" in text


def test_a_server_cannot_make_our_errors_lie() -> None:
    hostile = "no\n::error title=x::pwned\n\x1b[2J\x1b]0;title\x07"
    _, said = explained(Refused(hostile))

    assert "\x1b" not in said
    assert not any(line.lstrip().startswith("::") for line in said.splitlines())
    assert len(said.splitlines()) == 1

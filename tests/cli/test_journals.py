"""`status`, `journal`, `approve`, `unlock`: what a journal tells, and what a person may add to it."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rollout_kit.journal.lock import acquire
from rollout_kit.journal.lock_file import LockFile
from rollout_kit.journal.owner import this_process
from rollout_kit.journal.people import PeopleFolder
from rollout_kit.model.events import HoldKind, RolloutHeld
from rollout_kit.ports.approvals import PersonSaid
from tests.journal.cases import (
    VirtualClock,
    attached,
    completed,
    finished,
    intended,
    owner,
    started,
)
from tests.journal.test_store import write

from .terminal import Ran, rollout_kit

APPROVAL = RolloutHeld(
    kind=HoldKind.APPROVAL,
    operation="ask/go",
    reason="Go on?",
    hint="`rollout-kit approve ask/go` lets it go on",
    fingerprint="f1",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def journaled(folder: Path, *events: object, rollout: str = "orders-1", minute: int = 0) -> Path:
    from rollout_kit.journal.folder_store import FolderStore

    store = FolderStore(folder / ".rollout-kit")
    return write(store, rollout, started(rollout), attached(), *events, minute=minute)  # type: ignore[arg-type]


def say(folder: Path, *argv: str) -> Ran:
    return rollout_kit(*argv, folder=folder)


def test_where_nothing_was_ever_applied_there_is_nothing_to_show(folder: Path) -> None:
    for command in (["status"], ["journal", "show"], ["approve"], ["abort"]):
        ran = say(folder, *command)
        assert ran.code == 5, command
        assert ran.err.startswith("error: No unfinished rollout in ")
        assert "is --state the place where `apply` kept its journal?" in ran.err


def test_status_tells_an_interrupted_rollout_and_its_next_command(folder: Path) -> None:
    path = journaled(folder, intended())

    ran = say(folder, "status")

    assert ran.code == 0
    assert ran.out.splitlines()[0] == "orders-1 on orders: interrupted"
    assert f"journal {path}" in ran.out
    assert ran.out.splitlines()[-1] == "next: rollout-kit resume orders-1"


def test_status_tells_why_a_rollout_holds(folder: Path) -> None:
    journaled(folder, APPROVAL)

    lines = say(folder, "status").out.splitlines()

    assert lines[0] == "orders-1 on orders: held (approval)"
    assert "held at ask/go: Go on?" in lines
    assert lines[-1] == "next: rollout-kit approve ask/go"


def test_status_of_a_finished_rollout_has_no_next_command(folder: Path) -> None:
    journaled(folder, finished())

    ran = say(folder, "status")

    assert ran.out.splitlines()[0] == "orders-1 on orders: succeeded"
    assert "next:" not in ran.out


def test_status_names_who_runs_it_and_forgets_who_is_dead(folder: Path) -> None:
    path = journaled(folder)
    lock = acquire(
        LockFile(path.parent), owner=this_process({}), rollout="orders-1", clock=VirtualClock()
    )
    ran = say(folder, "status")
    assert "run by " in ran.out
    assert f"process {os.getpid()}" in ran.out
    assert "next:" not in ran.out
    lock.release()

    assert "run by " not in say(folder, "status").out


def test_status_of_all_has_one_line_for_each(folder: Path) -> None:
    journaled(folder, finished(), rollout="old", minute=1)
    journaled(folder, APPROVAL, rollout="new", minute=2)

    ran = say(folder, "status", "--all")

    assert ran.out.splitlines() == ["new  orders  held (approval)", "old  orders  succeeded"]
    said = json.loads(say(folder, "status", "--all", "--output", "json").out)
    assert [one["rollout"] for one in said["rollouts"]] == ["new", "old"]


def test_journal_show_tells_a_story_with_who_and_why(folder: Path) -> None:
    journaled(folder, intended(), completed("out of rotation"), APPROVAL)

    lines = say(folder, "journal", "show").out.splitlines()

    assert lines[:2] == ["2026-04-28 (UTC)", "  ada (lock 1) runs it"]
    assert "  10:00:00   ~ api/api-1/detach  detach node; undo: none, it stays: harmless" in lines
    assert "  10:00:00   ✓ api/api-1/detach  out of rotation" in lines
    assert "  10:00:00   ‖ ask/go  held (approval): Go on?" in lines
    assert lines[-1] == "  here it ends, unfinished: `rollout-kit status` says what to do next"


def test_journal_export_is_the_journal(folder: Path) -> None:
    path = journaled(folder, intended())

    ran = say(folder, "journal", "export", "--format", "jsonl")

    assert ran.out == path.read_text()


def test_journal_verify_counts_and_stops_at_damage(folder: Path) -> None:
    path = journaled(folder, intended(), completed())
    ran = say(folder, "journal", "verify")
    assert (ran.code, "4 records" in ran.out) == (0, True)

    data = path.read_bytes()
    path.write_bytes(data.replace(b'"host":"h"', b'"host":"g"'))
    ran = say(folder, "journal", "verify")

    assert ran.code == 1
    assert ran.out == ""
    assert "is damaged at byte" in ran.err
    assert "Traceback" not in ran.err


def test_approve_leaves_a_record_bound_to_what_was_seen(folder: Path) -> None:
    path = journaled(folder, APPROVAL)

    ran = say(folder, "approve", "--because", "canary is clean")

    assert ran.code == 0
    assert ran.out == "✓ ask/go approved by ada\nnext: rollout-kit resume orders-1\n"
    (record,) = PeopleFolder(path.with_name("orders-1.people")).read()
    assert (record.said, record.operation, record.attempt) == (PersonSaid.APPROVE, "ask/go", 1)
    assert (record.digest, record.fingerprint) == ("d" * 64, "f1")
    assert (record.actor, record.because) == ("ada", "canary is clean")


def test_the_first_approval_stands(folder: Path) -> None:
    journaled(folder, APPROVAL)
    say(folder, "approve")

    assert "approved before" in say(folder, "approve").out


@pytest.mark.parametrize(
    ("event", "argv", "message"),
    [
        (APPROVAL, ["other"], "error: orders-1 holds at ask/go, not at other"),
        (intended(), [], "error: orders-1 does not hold"),
        (
            RolloutHeld(kind=HoldKind.DRIFT, operation="x", reason="somebody changed it"),
            [],
            "error: orders-1 holds for something else: somebody changed it",
        ),
    ],
)
def test_only_what_a_yes_settles_can_be_approved(
    folder: Path, event: object, argv: list[str], message: str
) -> None:
    path = journaled(folder, event)

    ran = say(folder, "approve", *argv)

    assert (ran.code, ran.err.splitlines()[0]) == (5, message)
    assert PeopleFolder(path.with_name("orders-1.people")).read() == ()


def test_a_proof_of_what_only_a_person_knows_is_its_own_word(folder: Path) -> None:
    held = RolloutHeld(kind=HoldKind.PERSON, operation="x", reason="is the old one gone?")
    path = journaled(folder, held)

    say(folder, "approve", "x", "--because", "saw it")

    (record,) = PeopleFolder(path.with_name("orders-1.people")).read()
    assert record.said is PersonSaid.PROVE


HOLDER = "orders is held by ada (process 1 on elsewhere) since 2026-04-28T10:00:00Z for orders-1"


def test_unlock_shows_the_holder_and_opens_only_by_force(folder: Path) -> None:
    path = journaled(folder)
    acquire(LockFile(path.parent), owner=owner(), rollout="orders-1", clock=VirtualClock())

    ran = say(folder, "unlock")
    assert ran.code == 15
    assert HOLDER in ran.out

    ran = say(folder, "unlock", "--force", "--because", "its machine is gone")
    assert (ran.code, HOLDER in ran.out) == (0, True)
    assert say(folder, "unlock").out == "orders is not locked\n"
    lock = LockFile(path.parent).read()
    assert lock is not None
    assert lock.note == "forced open by ada: its machine is gone"


@pytest.mark.parametrize("more", [(), ("--yes",)])
def test_where_nobody_can_be_asked_a_lock_is_opened_for_a_reason_only(
    folder: Path, more: tuple[str, ...]
) -> None:
    path = journaled(folder)
    acquire(LockFile(path.parent), owner=owner(), rollout="orders-1", clock=VirtualClock())

    ran = say(folder, "unlock", "--force", *more)

    assert (ran.code, HOLDER in ran.out) == (2, True)
    assert "hint: say why with --because TEXT" in ran.err
    assert say(folder, "unlock").code == 15


@pytest.mark.parametrize(
    ("answer", "code", "said"), [("y\n", 0, "✓ opened"), ("n\n", 15, "left"), ("", 15, "left")]
)
def test_on_a_terminal_a_lock_is_opened_when_who_sees_its_holder_says_yes(
    folder: Path, monkeypatch: pytest.MonkeyPatch, answer: str, code: int, said: str
) -> None:
    path = journaled(folder)
    acquire(LockFile(path.parent), owner=owner(), rollout="orders-1", clock=VirtualClock())
    monkeypatch.setattr(sys, "stdin", io.StringIO(answer))

    ran = rollout_kit("unlock", "--force", folder=folder, interactive=True)

    assert (ran.code, said in ran.out) == (code, True)
    assert HOLDER in ran.out
    assert "[y/N]" in ran.err


def test_unlock_of_a_target_that_is_not_there_names_those_that_are(folder: Path) -> None:
    journaled(folder)

    ran = say(folder, "unlock", "--target", "nope")

    assert ran.code == 5
    assert "hint: there are: orders" in ran.err


def test_a_closed_pipe_is_no_error(folder: Path) -> None:
    journaled(folder, *[completed("x" * 1000) for _ in range(200)])
    root = Path(__file__).parents[2]

    done = subprocess.run(
        f"'{sys.executable}' -m rollout_kit journal show | head -n 1",
        shell=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == "2026-04-28 (UTC)\n"
    assert done.stderr == ""

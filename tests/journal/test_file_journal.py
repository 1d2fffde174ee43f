"""The journal's file: what a full disk, a vanished file and two processes do to it."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rollout_kit.journal.attendance import Attendance
from rollout_kit.journal.chain import JournalDamaged
from rollout_kit.journal.file_journal import FileJournal, FileTape, load
from rollout_kit.journal.guard import lost
from rollout_kit.journal.memory_lock import MemoryLock
from rollout_kit.journal.verify import verify
from rollout_kit.ports.journal import JournalLost

from .cases import VirtualClock, attached, completed, intended, started, story


def attach(path: Path, fence: int = 1) -> FileJournal:
    clock = VirtualClock()
    return FileJournal(
        path,
        clock=clock,
        actor="ada",
        lock=MemoryLock(fence),
        attendance=Attendance(clock),
        warn=lambda _: None,
    )


def test_append_is_synced_before_it_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "new" / "folder" / "one.jsonl"
    synced: list[tuple[str, int]] = []
    fsync = os.fsync

    def watched(descriptor: int) -> None:
        synced.append(
            (str(Path(f"/proc/self/fd/{descriptor}").readlink()), os.fstat(descriptor).st_size)
        )
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    attach(path).append(started())

    folders = [name for name, _ in synced[:-1]]
    assert folders == [str(tmp_path), str(tmp_path / "new"), str(tmp_path / "new" / "folder")]
    assert synced[-1] == (str(path), path.stat().st_size)


def test_a_full_disk_loses_the_journal_with_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "one.jsonl"
    path.symlink_to("/dev/full")
    journal = attach(path)
    journal._is_read = True  # reading /dev/full never ends

    with pytest.raises(JournalLost) as caught:
        journal.append(started())

    assert "No space left on device" in caught.value.message
    assert "could not be undone" in caught.value.message
    assert caught.value.hint == "free space there, then resume"
    with pytest.raises(JournalLost):
        journal.append(started())


def test_after_a_failed_sync_no_later_append_pretends_to_succeed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = attach(tmp_path / "one.jsonl")
    journal.append(started())

    def broken(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", broken)
        with pytest.raises(JournalLost, match="Input/output error"):
            journal.append(intended())

    with pytest.raises(JournalLost, match="Input/output error"):
        journal.append(completed())


@pytest.mark.parametrize(
    ("number", "hint"),
    [
        (errno.ENOSPC, "free space"),
        (errno.EROFS, "make it writable"),
        (errno.EACCES, "make it writable"),
        (errno.EIO, "look at the disk"),
    ],
)
def test_each_way_to_fail_has_its_remedy(number: int, hint: str) -> None:
    error = lost(Path("/s/one.jsonl"), OSError(number, os.strerror(number)))

    assert error.message.startswith(f"/s/one.jsonl cannot be written: {os.strerror(number)}.")
    assert hint in error.hint


def test_a_state_folder_that_is_a_file_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")

    with pytest.raises(JournalLost, match="state"):
        attach(tmp_path / "state" / "orders" / "one.jsonl").append(started())


@pytest.mark.parametrize("act", ["remove", "replace", "cut"])
def test_a_file_that_changes_under_us_stops_the_rollout(tmp_path: Path, act: str) -> None:
    path = tmp_path / "one.jsonl"
    journal = attach(path)
    journal.append(started())
    copy = path.read_bytes()
    match act:
        case "remove":
            path.unlink()
        case "replace":
            path.unlink()
            path.write_bytes(copy)
        case _:
            os.truncate(path, 5)

    with pytest.raises(JournalLost, match=r"put the journal back|removed or replaced|was cut to 5"):
        journal.append(intended())


WRITER = """
import sys
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from rollout_kit.journal.attendance import Attendance
from rollout_kit.journal.file_journal import FileJournal
from rollout_kit.journal.memory_lock import MemoryLock
from rollout_kit.model.events import OperationSkipped
from datetime import UTC, datetime
class Clock:
    now = staticmethod(lambda: datetime.now(UTC)); monotonic_s = staticmethod(lambda: 0.0)
clock = Clock()
journal = FileJournal(Path(sys.argv[1]), clock=clock, actor="child", lock=MemoryLock(),
    attendance=Attendance(clock), warn=print)
n = 0
while True:
    journal.append(OperationSkipped(operation=f"op-{n}", reason="x" * 3000))
    print(n, flush=True)
    n += 1
"""


def test_what_append_returned_for_survives_kill_9(tmp_path: Path) -> None:
    path = tmp_path / "one.jsonl"
    root = Path(__file__).parents[2]
    child = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), str(root)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    acknowledged = [int(child.stdout.readline()) for _ in range(40)]
    child.kill()
    acknowledged += [int(line) for line in child.stdout.read().splitlines() if line]
    child.wait()

    records = load(path).records

    assert len(records) >= len(acknowledged) == acknowledged[-1] + 1


def test_verify_tells_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "one.jsonl"
    journal = attach(path)
    for event in story():
        journal.append(event)
    attach(path, fence=3).append(attached())
    with path.open("ab") as file:
        file.write(b'{"version":1,"seq')

    report = verify(FileTape(path))

    assert (report.records, report.fences) == (6, (1, 3))
    assert report.bytes == path.stat().st_size - 17
    assert report.remarks == (
        "17 bytes of a record that a crash cut off stand at the end; "
        "they count for nothing and go with the next append",
    )


def test_verify_stops_at_damage(tmp_path: Path) -> None:
    path = tmp_path / "one.jsonl"
    journal = attach(path)
    for event in story():
        journal.append(event)
    path.write_bytes(path.read_bytes().replace(b"Attached", b"Detached"))

    with pytest.raises(JournalDamaged, match=r"'Detached' is not known here"):
        verify(FileTape(path))

"""The folder of a driver's long work: how each key stands, what it said, and who waits for whom.

    work/<key>/status.json, lock    one change or job; `of`: its queue or resource; stdout, stderr,
                                    job.json of what runs a program; stdin, progress.jsonl
    queues/<name>.lock              held by the child whose turn it is
    roles/<name>.json, .lock        the process of a role, as it recorded itself

Nothing in it is a secret: environments keep their `${env:NAME}` references.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

from rollout_kit.drivers.work import processes, pruning, records, roles
from rollout_kit.ports.infra import JobState, JobStatus

if TYPE_CHECKING:
    from rollout_kit.drivers.work.records import Job

OUTPUT_AT_MOST = 64 * 1024
PROGRESS = "progress.jsonl"
"""File in a key's folder to which its program may append `{"sentence": ...}`, one a line."""
UNDER_WAY = frozenset({JobState.QUEUED, JobState.RUNNING})
_PROGRESS_AT_MOST = 4096
_LEFT_BY_A_RUN = ("status.json", "stdout", "stderr", PROGRESS)
_NAME_AT_MOST = 120
_DETAIL_LINES = 8
_ASKING_S = 1.0
_LOOK_S = 0.005


class WorkFolder:
    """Paths and files below one folder; readable by its owner alone."""

    folders: tuple[str, ...] = ("work", "queues", "roles")

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()  # programs run elsewhere, and name it too

    def create(self) -> None:
        for name in self.folders:
            (self.root / name).mkdir(mode=0o700, parents=True, exist_ok=True)

    def work(self, key: str) -> Path:
        """The folder of a key."""
        return self.root / "work" / file_name(key)

    def queue(self, name: str) -> str:
        """The lock file of a queue."""
        return str(self.root / "queues" / f"{file_name(name)}.lock")

    def role(self, name: str) -> str:
        """The path of the role's files, without their endings."""
        return f"{self.root}/roles/{file_name(name)}"

    def job(self, key: str) -> Job | None:
        """What was last begun under the key, where that is a program."""
        return cast("Job | None", records.read(str(self.work(key) / "job.json")))

    def write_job(self, key: str, job: Job) -> None:
        text = json.dumps(job, indent=1, ensure_ascii=False) + "\n"
        records.replace_file(str(self.work(key) / "job.json"), text, durable=True)

    def works(self) -> Iterator[Path]:
        """The folders of all keys that were ever begun."""
        return (self.root / "work").glob("*/")

    def begin(self, key: str, resource: str) -> int | None:
        """The key's lock, to be handed to its child; None when one already runs under it."""
        work = self.work(key)
        work.mkdir(mode=0o700, parents=True, exist_ok=True)
        deadline = time.monotonic() + _ASKING_S
        while (lock := roles.take(str(work / "lock"))) is None:
            # Whoever only looks holds the lock for a moment too; a child has said who it is.
            record = records.read(str(work / "status.json"))
            runs = record is not None and processes.runs(record["pid"], record["start"])
            if runs or time.monotonic() > deadline:
                return None
            time.sleep(_LOOK_S)
        (work / pruning.OF).write_text(json.dumps(resource), encoding="utf-8")
        return lock

    def forget(self, key: str) -> None:
        """Remove what an earlier run under this key left."""
        for name in _LEFT_BY_A_RUN:
            with contextlib.suppress(FileNotFoundError):
                (self.work(key) / name).unlink()

    def write_status(self, key: str, state: JobState, detail: str = "") -> None:
        """Say how the key's work ended, for a child that could not or was not needed."""
        record = {"state": state.value, "pid": 0, "start": "", "exit_status": None}
        path = str(self.work(key) / "status.json")
        records.write_flat(path, {**record, "detail": detail})

    def status(self, key: str) -> JobStatus:
        """How the key's work stands, and what it said."""
        state, record = self._standing(key)
        if record is None:
            return JobStatus(state=state)
        work = self.work(key)
        return JobStatus(
            state=state,
            exit_status=record["exit_status"],
            output=tail(work / "stdout"),
            detail=record["detail"] or last_lines(tail(work / "stderr")),
        )

    def job_state(self, key: str) -> JobState:
        """How the key's work stands, without what it said."""
        return self._standing(key)[0]

    def _standing(self, key: str) -> tuple[JobState, Any]:
        """Final words count only when nobody runs under the key any more."""
        work = f"{self.root}/work/{file_name(key)}"
        if not os.path.exists(work):  # noqa: PTH110 - asked at every look at a spec
            return JobState.UNKNOWN, None
        taken = roles.is_taken(f"{work}/lock")
        record = records.read(f"{work}/status.json")
        state = JobState(record["state"]) if record else JobState.QUEUED
        under_way = state in UNDER_WAY
        # Not taken, and yet not at its end: it may have begun between the two looks.
        taken = taken or (under_way and roles.is_taken(f"{work}/lock"))
        if taken and not under_way:
            state = JobState.RUNNING  # it has said so, and is about to give its lock back
        elif under_way and not taken:
            state = JobState.LOST
        return state, record

    def progress(self, key: str) -> str:
        """The last sentence that its program has said about how far it is; empty without one."""
        lines = tail(self.work(key) / PROGRESS, _PROGRESS_AT_MOST).splitlines(keepends=True)
        for line in reversed(lines):
            if line.endswith("\n") and (sentence := _sentence(line)):
                return sentence
        return ""


def _sentence(line: str) -> str:
    try:
        said = json.loads(line)
    except ValueError:
        return ""
    sentence = said.get("sentence") if isinstance(said, dict) else None
    return sentence if isinstance(sentence, str) else ""


@lru_cache(maxsize=4096)
def file_name(name: str) -> str:
    """A file name that differs exactly when the name differs."""
    plain = quote(name, safe="@:=,+ ")
    if not plain.strip("."):
        plain = plain.replace(".", "%2E")
    if len(plain) <= _NAME_AT_MOST:
        return plain
    return f"{plain[:_NAME_AT_MOST]}~{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def tail(path: Path, at_most: int = OUTPUT_AT_MOST) -> str:
    """The end of a file: 64 KiB unless told. Empty where there is none."""
    try:
        with path.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - at_most))
            return file.read().decode(errors="replace")
    except FileNotFoundError:
        return ""


def last_lines(text: str) -> str:
    """As many as one sentence of a failure carries."""
    return "\n".join(text.splitlines()[-_DETAIL_LINES:])

"""The state folder: what is wanted of each resource, who has which role, how each change stands.

    resources/<name>.json, .lock    what is wanted; held by the child that makes it so
    roles/<name>.json, .lock        the process of a role, as it recorded itself; .ended: how it ended
    work/<key>/status.json, lock    one change or job; `of`: of what; stdout, stderr, job.json of jobs
    front/<node>.attached, .count   membership of each node, and what the front counts
    logs/<role>.log, .log.1 ...     what its last launch printed, and those before it

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
from urllib.parse import quote, unquote

from rollout_kit.drivers.process import processes, pruning, records, roles
from rollout_kit.ports.infra import JobState, JobStatus

if TYPE_CHECKING:
    from rollout_kit.drivers.process.records import Desired, Job

OUTPUT_AT_MOST = 64 * 1024
_NAME_AT_MOST = 120
_DETAIL_LINES = 8
_ASKING_S = 1.0
_LOOK_S = 0.005


class StateFolder:
    """Paths and files below one folder; readable by its owner alone."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def create(self) -> None:
        for name in ("resources", "roles", "work", "front", "logs"):
            (self.root / name).mkdir(mode=0o700, parents=True, exist_ok=True)

    def resource(self, name: str) -> Path:
        return self.root / "resources" / f"{_file_name(name)}.json"

    def role(self, name: str) -> str:
        """The path of the role's files, without their endings."""
        return f"{self.root}/roles/{_file_name(name)}"

    def role_name(self, role: str) -> str:
        """The name that `role` was given, unless it was too long for a file."""
        return unquote(role.rpartition("/")[2])

    def log(self, role: str) -> str:
        return str(self.root / "logs" / f"{_file_name(role)}.log")

    def work(self, key: str) -> Path:
        return self.root / "work" / _file_name(key)

    def job_queue(self, name: str) -> str:
        return str(self.root / "resources" / f"{_file_name(f'job/{name}')}.lock")

    def desired(self, resource: str) -> Desired | None:
        path = f"{self.root}/resources/{_file_name(resource)}.json"
        return cast("Desired | None", records.read(path))

    def resources(self) -> Iterator[Desired]:
        for path in sorted((self.root / "resources").glob("*.json")):
            yield cast("Desired", records.read(str(path)))

    def want(self, resource: str, desired: Desired) -> None:
        """Record what is wanted; on disk when this returns."""
        text = json.dumps(desired, indent=1, ensure_ascii=False) + "\n"
        records.replace_file(str(self.resource(resource)), text, durable=True)

    def write_job(self, key: str, job: Job) -> None:
        text = json.dumps(job, indent=1, ensure_ascii=False) + "\n"
        records.replace_file(str(self.work(key) / "job.json"), text, durable=True)

    def attached(self, node: str) -> bool:
        """A node is attached until somebody detaches it."""
        return records.read(self.membership(node) + ".attached") is not False

    def set_attached(self, node: str, *, attached: bool) -> None:
        self.create()
        text = "true\n" if attached else "false\n"
        records.replace_file(self.membership(node) + ".attached", text, durable=True)

    def membership(self, node: str) -> str:
        """The path of the node's files at the front, without their endings."""
        return f"{self.root}/front/{_file_name(node)}"

    def connections(self, node: str) -> int | None:
        """What the front counted last; None when it never did."""
        value = records.read(self.membership(node) + ".count")
        return cast("int | None", value)

    def works(self) -> Iterator[Path]:
        """The folders of all keys that were ever begun."""
        return (self.root / "work").glob("*/")

    def roles(self) -> Iterator[str]:
        """All roles that were ever taken."""
        return (str(path)[: -len(".lock")] for path in (self.root / "roles").glob("*.lock"))

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
        for name in ("status.json", "stdout", "stderr", "interrupted"):
            with contextlib.suppress(FileNotFoundError):
                (self.work(key) / name).unlink()

    def write_status(self, key: str, state: JobState, detail: str = "") -> None:
        """Say how the key's work ended, for a child that could not or was not needed."""
        record = {"state": state.value, "pid": 0, "start": "", "exit_status": None}
        path = str(self.work(key) / "status.json")
        records.write_flat(path, {**record, "detail": detail})

    def end_supervisor(self, work: Path) -> None:
        """SIGKILL to the child that works in this key's folder, if it has said who it is."""
        record = records.read(str(work / "status.json"))
        if record is not None:
            processes.send(record["pid"], record["start"], processes.SIGKILL)

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
        work = f"{self.root}/work/{_file_name(key)}"
        if not os.path.exists(work):  # noqa: PTH110 - asked at every look at a spec
            return JobState.UNKNOWN, None
        taken = roles.is_taken(f"{work}/lock")
        record = records.read(f"{work}/status.json")
        state = JobState(record["state"]) if record else JobState.QUEUED
        under_way = state in {JobState.QUEUED, JobState.RUNNING}
        # Not taken, and yet not at its end: it may have begun between the two looks.
        taken = taken or (under_way and roles.is_taken(f"{work}/lock"))
        if taken and not under_way:
            state = JobState.RUNNING  # it has said so, and is about to give its lock back
        elif under_way and not taken:
            state = JobState.LOST
        return state, record


@lru_cache(maxsize=4096)
def _file_name(name: str) -> str:
    """A file name that differs exactly when the name differs."""
    plain = quote(name, safe="@:=,+ ")
    if not plain.strip("."):
        plain = plain.replace(".", "%2E")
    if len(plain) <= _NAME_AT_MOST:
        return plain
    return f"{plain[:_NAME_AT_MOST]}~{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def tail(path: Path) -> str:
    """The last 64 KiB."""
    try:
        with path.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - OUTPUT_AT_MOST))
            return file.read().decode(errors="replace")
    except FileNotFoundError:
        return ""


def last_lines(text: str) -> str:
    """As many as one sentence of a failure carries."""
    return "\n".join(text.splitlines()[-_DETAIL_LINES:])

"""Long work by key: recorded first, then handed to a child that outlives this process."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rollout_kit.drivers.work import asking, processes, pump, records, roles
from rollout_kit.drivers.work.children import SUPERVISOR, Children
from rollout_kit.drivers.work.folder import UNDER_WAY, WorkFolder
from rollout_kit.drivers.work.program import Program, launch, names_in
from rollout_kit.drivers.work.turns import ends_for, operation_of, same_rollout
from rollout_kit.ports.errors import Refused, Unavailable
from rollout_kit.ports.infra import JobState, JobStatus, RunCommand

if TYPE_CHECKING:
    from rollout_kit.drivers.work.records import Earlier, Job

SETTLED_WITHIN_S = 4.0
FOLDER_VARIABLE = "ROLLOUT_KIT_WORK_FOLDER"
"""Tells a program the folder of its key, where it may append to `progress.jsonl`."""
_LOOK_S = 0.02


class Work:
    """Begins and stops what children do, and says how it stands."""

    def __init__(
        self, folder: WorkFolder, environment: Mapping[str, str], *, supervisor: str = SUPERVISOR
    ) -> None:
        """`environment`: what children inherit, and what `${env:NAME}` stands for.

        `supervisor`: the module of one that knows more acts than running a program.
        """
        self.folder = folder
        self._environment = environment
        self._children = Children(supervisor)

    def run(
        self,
        key: str,
        queue: str,
        program: Program,
        secrets: Sequence[str] = (),
        *,
        joins_success: bool,
        of: str = "",
    ) -> None:
        """Run a program to its end; the same key joins what runs. One at a time per `queue`.

        `joins_success` is for jobs: a success stands for ever. Without it, a change, a key that has
        ended is free again, and earlier attempts in its queue are asked to end and are waited for
        before it begins (`turns`); what else runs there is waited for alone.
        `secrets`: variables, beside those that it refers to, whose values it prints as references.
        `of`: what it changes. The newest of each such thing are kept when old ones make room; without
        it that is the operation in the key or, of jobs, the queue.

        Raises Refused: an environment variable is not set.
        """
        if joins_success and self.folder.job_state(key) is JobState.SUCCEEDED:
            return
        self._refuse_unset(program.argv[0], program.environment)
        kept_as = f"job/{queue}" if joins_success else f"change/{queue}/{operation_of(key)}"
        lock = self._take(key, of or kept_as)
        if lock is None:
            return
        with os.fdopen(lock, "rb"):  # the child has its own copy
            turn = self.folder.queue(queue)
            job = self._job(key, turn, program, secrets, stands=joins_success)
            self.folder.write_job(key, job)
            self._supervise(key, lock, "job")

    def run_command(
        self, key: str, change: RunCommand, folder: Path, secrets: Sequence[str] = ()
    ) -> None:
        """A user's own command, on the machine that applies: once per key, as a job."""
        program = Program(
            argv=change.argv,
            directory=folder,
            environment=change.environment,
            role=f"command/{key}",
        )
        self.run(key, " ".join(change.argv), program, secrets, joins_success=True)

    def status(self, key: str) -> JobStatus:
        """How it stands, what it printed, masked as it was written, and how far it says it is."""
        status = self.folder.status(key)
        if status.state not in UNDER_WAY:
            return status
        return replace(status, progress=self.progress(key))

    def progress(self, key: str) -> str:
        """The last sentence that its program has said about how far it is; empty without one."""
        job = self.folder.job(key)
        values = pump.values_of(job["secrets"] if job else (), self._environment)
        said = self.folder.progress(key).encode(errors="replace")
        return pump.masked(said, values, final=True)[0].decode(errors="replace")

    def prepare(self) -> None:
        """A change is about to come: have its child ready."""
        self._children.prepare(self._environment)

    def done(self, key: str, resource: str) -> None:
        """Record a success that needed no child."""
        self.folder.create()
        if (lock := self.folder.begin(key, resource)) is not None:
            with os.fdopen(lock, "rb"):
                self.folder.write_status(key, JobState.SUCCEEDED)

    def stop(self, key: str, *, within_s: float = SETTLED_WITHIN_S) -> None:
        """Ask it to end and wait. A program gets one SIGINT, however often this is called.

        Raises Unavailable when it has not ended within that time: ask again.
        """
        deadline = time.monotonic() + within_s
        while self._at_it(key):
            asking.end(str(self.folder.work(key)))
            if time.monotonic() > deadline:
                raise Unavailable(
                    f"what runs under {key} has not ended yet",
                    why="It was asked to end and is waited for.",
                    hint="Look again in a moment.",
                )
            time.sleep(_LOOK_S)
        if self.folder.job_state(key) is JobState.LOST:
            self.folder.write_status(key, JobState.FAILED, "stopped before its end")

    def stop_all(self, keys: Iterable[str]) -> tuple[str, ...]:
        """Ask all of them to end, then wait; gives those that have not ended within four seconds."""
        deadline = time.monotonic() + SETTLED_WITHIN_S
        asked = [key for key in keys if not self._has_stopped(key, 0.0)]
        return tuple(
            key for key in asked if not self._has_stopped(key, deadline - time.monotonic())
        )

    def _has_stopped(self, key: str, within_s: float) -> bool:
        try:
            self.stop(key, within_s=within_s)
        except (Unavailable, OSError):
            return False
        return True

    def _at_it(self, key: str) -> bool:
        """Whether its child or, where that died, its program still runs."""
        if self.folder.job_state(key) in UNDER_WAY:
            return True
        job = self.folder.job(key)
        holder = roles.holder(job["places"][0]["role"]) if job else None
        return holder is not None and holder.alive and holder.spec == key

    def _job(
        self, key: str, queue: str, program: Program, secrets: Sequence[str], *, stands: bool
    ) -> Job:
        work = self.folder.work(key)
        earlier = list(self._earlier(key, queue, ends=not stands)) if program.role is None else []
        role = str(work / f"program-{os.urandom(4).hex()}")
        if program.role is not None:
            role = self.folder.role(program.role)
        input_file = str(work / "stdin") if program.input else ""
        if input_file:
            records.replace_file(input_file, program.input, durable=True)
        told = {**program.environment, FOLDER_VARIABLE: str(work)}
        made = launch(replace(program, environment=told), key, role, input_file)
        me = os.getpid()
        return {
            "queue": queue,
            "secrets": [*secrets, *names_in(program.environment)],
            "places": [{"role": role, "launch": made}],
            "earlier": earlier,
            "tool": {"pid": me, "start": processes.started(me) or ""}
            if program.ends_with_tool
            else None,
            "group": program.group,
            "stands": stands,
        }

    def _earlier(self, key: str, queue: str, *, ends: bool) -> Iterator[Earlier]:
        """What runs or waits in this queue, an earlier run under the same key included."""
        for work in self.folder.works():
            job: Job | None = records.read(str(work / "job.json"))
            if job is None or job["queue"] != queue:
                continue
            place = job["places"][0]
            other = place["launch"]["spec"] if place["launch"] else ""
            if roles.at_it(place["role"]) or roles.is_taken(str(work / "lock")):
                yield {
                    "work": str(work),
                    "role": place["role"],
                    "stop": ends
                    and not job["stands"]
                    and ends_for(other, key)
                    and not _is_attended(job, other, key),
                    "group": job["group"],
                }

    def _take(self, key: str, resource: str) -> int | None:
        """The key's lock with nothing left of an earlier run; None joins what runs under it."""
        self.folder.create()
        lock = self.folder.begin(key, resource)
        if lock is not None:
            self.folder.forget(key)
        return lock

    def _supervise(self, key: str, lock: int, act: str, *arguments: str) -> None:
        work = self.folder.work(key)
        self._children.supervise(
            [act, str(work), *arguments], lock, self._environment, work / "supervisor.log"
        )

    def _refuse_unset(self, program: str, environment: Mapping[str, str]) -> None:
        for name in names_in(environment):
            if not self._environment.get(name):
                raise Refused(
                    f"environment variable {name} is not set",
                    why=f"{program} would start without it.",
                    hint=f"Set {name} and run the command again.",
                )


def _is_attended(job: Job, other: str, key: str) -> bool:
    """Whether another rollout, which somebody runs now, is at it: of another target in the same queue."""
    tool = job["tool"]
    elsewhere = tool is not None and tool["pid"] != os.getpid() and not same_rollout(other, key)
    return elsewhere and tool is not None and processes.runs(tool["pid"], tool["start"])

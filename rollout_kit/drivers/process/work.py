"""Long work by key: recorded first, then handed to a child that outlives this process."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, cast

from rollout_kit.drivers.process import processes, records, roles
from rollout_kit.drivers.process.children import Children
from rollout_kit.drivers.process.rendering import references
from rollout_kit.drivers.process.state import StateFolder
from rollout_kit.ports.errors import Refused, Unavailable
from rollout_kit.ports.infra import JobState

if TYPE_CHECKING:
    from rollout_kit.drivers.process.records import Desired, Job, Launch, Place

SETTLED_WITHIN_S = 4.0
UNDER_WAY = frozenset({JobState.QUEUED, JobState.RUNNING})
_LOOK_S = 0.02


class Work:
    """Begins and stops what children do; `StateFolder.status` says how it stands."""

    def __init__(self, state: StateFolder, environment: Mapping[str, str], grace_s: float) -> None:
        self._state = state
        self._environment = environment
        self._grace_s = grace_s
        self._children = Children()

    def settle(
        self, key: str, resource: str, spec: str, launches: Mapping[str, Launch | None]
    ) -> None:
        """Make the resource's roles run what `launches` says (None: nothing).

        What is wanted is on disk when this returns, and a later `settle` of the same resource, by
        whatever key, replaces it. Raises Refused: an environment variable is not set.
        """
        self._refuse_unset([launch for launch in launches.values() if launch is not None])
        places: list[Place] = [
            {"role": self._state.role(role), "launch": launch} for role, launch in launches.items()
        ]
        desired: Desired = {
            "resource": resource,
            "key": key,
            "grace_s": self._grace_s,
            "spec": spec,
            "places": places,
        }
        lock = self._take(key, resource)
        if lock is None:
            return
        with os.fdopen(lock, "rb"):  # the child has its own copy
            self._state.want(resource, desired)
            self._supervise(key, lock, "settle", str(self._state.resource(resource)), key)

    def run(self, key: str, queue: str, launch: Launch, secrets: Sequence[str]) -> None:
        """Run a program to its end, once per key: a success stands. One at a time per `queue`.

        `secrets`: variables, beside those that it refers to, whose values it prints as references.

        Raises Refused: an environment variable is not set.
        """
        if self._state.status(key).state is JobState.SUCCEEDED:
            return
        self._refuse_unset([launch])
        lock = self._take(key, f"job/{queue}")
        if lock is None:
            return
        with os.fdopen(lock, "rb"):  # the child has its own copy
            place: Place = {"role": launch["role"], "launch": launch}
            job: Job = {
                "queue": self._state.job_queue(queue),
                "secrets": [*secrets, *references(launch)],
                "places": [place],
            }
            self._state.write_job(key, job)
            self._supervise(key, lock, "job")

    def prepare(self) -> None:
        """A change is about to come: have its child ready."""
        self._children.prepare(self._environment)

    def done(self, key: str, resource: str) -> None:
        """Record a success that needed no child."""
        self._state.create()
        if (lock := self._state.begin(key, resource)) is not None:
            with os.fdopen(lock, "rb"):  # the child has its own copy
                self._state.write_status(key, JobState.SUCCEEDED)

    def stop(self, key: str) -> None:
        """Ask it to end and wait. A job gets one SIGINT, however often this is called.

        Raises Unavailable when it has not ended within four seconds: ask again.
        """
        deadline = time.monotonic() + SETTLED_WITHIN_S
        while (status := self._state.status(key)).state in UNDER_WAY:
            job = cast("Job | None", records.read(str(self._state.work(key) / "job.json")))
            if job is None or status.state is JobState.QUEUED:
                self._state.end_supervisor(self._state.work(key))
            else:
                self._interrupt(key, job["places"][0]["role"])
            if time.monotonic() > deadline:
                raise Unavailable(
                    f"what runs under {key} has not ended yet",
                    why="It was asked to end and is waited for.",
                    hint="Look again in a moment.",
                )
            time.sleep(_LOOK_S)
        if status.state is JobState.LOST:
            self._state.write_status(key, JobState.FAILED, "stopped before its end")

    def _interrupt(self, key: str, role: str) -> None:
        asked = self._state.work(key) / "interrupted"
        holder = roles.holder(role)
        if holder is not None and holder.alive and not asked.exists():
            asked.touch()
            processes.send(holder.pid, holder.start, processes.SIGINT)

    def _take(self, key: str, resource: str) -> int | None:
        """The key's lock with nothing left of an earlier run; None joins what runs under it."""
        self._state.create()
        lock = self._state.begin(key, resource)
        if lock is not None:
            self._state.forget(key)
        return lock

    def _supervise(self, key: str, lock: int, act: str, *arguments: str) -> None:
        work = self._state.work(key)
        self._children.supervise(
            [act, str(work), *arguments], lock, self._environment, work / "supervisor.log"
        )

    def _refuse_unset(self, launches: Sequence[Launch]) -> None:
        for launch in launches:
            for name in references(launch):
                if not self._environment.get(name):
                    raise Refused(
                        f"environment variable {name} is not set",
                        why=f"{launch['argv'][0]} would start without it.",
                        hint=f"Set {name} and run the command again.",
                    )

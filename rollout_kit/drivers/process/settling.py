"""What the child of a change of the fleet does: stop what differs, start what lacks, note how it ends.

It makes a resource what the state folder says, and its supervisor then watches for a while how what
it started ends.
"""

from __future__ import annotations

import os
import time

from rollout_kit.drivers.work import launcher, processes, records, roles, supervisor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rollout_kit.drivers.work.records import Desired
    from rollout_kit.drivers.work.supervisor import Started, Status

MODULE = "rollout_kit.drivers.process.settling"
_ATTEMPTS = 3


def main(argv: list[str]) -> None:
    """`settle WORK LOCK DESIRED KEY`, or what the supervisor of every driver does."""
    supervisor.supervise(argv, {"settle": settle})


def settle(status: Status, started: Started, path: str, key: str) -> None:
    """Make the resource of this file what is wanted of it, as long as this key wants it."""
    mine = roles.take(path.removesuffix(".json") + ".lock", within_s=None)
    assert mine is not None
    try:
        problem = _converge(status, started, path, key)
    finally:
        os.close(mine)
    status.write("failed" if problem else "succeeded", detail=problem)


def _converge(status: Status, started: Started, path: str, key: str) -> str:
    """Gives what went wrong."""
    status.write("running")
    problem = ""
    for _ in range(_ATTEMPTS):
        desired: Desired = records.read(path)
        if desired["key"] != key:
            return f"another change came: {desired['key']}"
        problem = _stop_what_differs(desired, path) or _start_what_lacks(desired, path, started)
        if not problem:
            break
    return problem


def _stop_what_differs(desired: Desired, path: str) -> str:
    """SIGTERM to all at once, SIGKILL to the rest after the grace. Gives what went wrong."""
    begun = time.monotonic()
    asked: set[int] = set()
    while leaving := _leaving(desired):
        for holder in leaving:
            if holder.pid not in asked and holder.pid:
                asked.add(holder.pid)
                _ask_to_end(holder)
        waited_s = time.monotonic() - begun - desired["grace_s"]
        if waited_s > supervisor.KILLED_WITHIN_S:
            return f"process {leaving[0].pid} does not end, not even when killed"
        if waited_s > 0:
            for holder in leaving:
                processes.send_group(holder.pid, holder.start, processes.SIGKILL)
        supervisor.wait_for(leaving[0])
        if records.read(path)["key"] != desired["key"]:
            return "another change came"
    return ""


def _leaving(desired: Desired) -> list[roles.Holder]:
    """Who has a role that is to be empty or to run something else."""
    found = []
    for place in desired["places"]:
        holder = roles.holder(place["role"])
        launch = place["launch"]
        right = launch is not None and holder is not None and holder.digest == launch["digest"]
        if holder is not None and not (right and holder.alive):
            found.append(holder)
    return found


def _ask_to_end(holder: roles.Holder) -> None:
    if holder.alive:
        processes.send(holder.pid, holder.start, processes.SIGTERM)
    else:
        processes.send_group(holder.pid, holder.start, processes.SIGTERM)


def _start_what_lacks(desired: Desired, path: str, started: Started) -> str:
    """All at once. Gives what went wrong."""
    pipes = []
    for place in desired["places"]:
        launch = place["launch"]
        if launch is not None and roles.holder(place["role"]) is None:
            pid, pipe = launcher.fork(launch, path, None)
            started[pid] = (place["role"], time.monotonic())
            pipes.append((launch, pipe))
    told = [(launch, launcher.outcome(pipe)) for launch, pipe in pipes]
    return "; ".join(f"{launch['argv'][0]}: {text}" for launch, text in told if text)

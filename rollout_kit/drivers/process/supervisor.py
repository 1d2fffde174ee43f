"""The child that carries out one change, detached from whoever began it.

It holds the lock of its key from before its first line until its end: a key whose lock is free and
whose status is not final is lost. `settle` makes a resource what the state folder says, and then watches for
a while how what it started ends; `job` runs a program to its end and records its exit status.
"""

from __future__ import annotations

import os
import sys
import time
from _signal import alarm  # type: ignore[import-not-found]

from rollout_kit.drivers.process import launcher, processes, pruning, pump, records, roles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rollout_kit.drivers.process.records import Desired, Job

    _Started = dict[int, tuple[str, float]]  # pid -> role, when it was started

KILLED_WITHIN_S = 5.0
DRAINED_WITHIN_S = 1.0
"""For so long the end of a job's output is awaited: a child that it left may keep it open."""
WATCHED_S = 60
"""For so long after a start somebody is there to be told with which status the program ends."""
WHOLE = "whole"
"""Ends what a spare child is told: half of it is nothing to act on."""
_LOOK_S = 0.05
_ATTEMPTS = 3


def main(argv: list[str]) -> None:
    """`settle WORK LOCK DESIRED KEY` or `job WORK LOCK`. WORK: folder of the key; LOCK: inherited.

    With `LINE` alone, a socket, all of that is still to come from there, or nothing is.
    """
    act, work, lock, *rest = argv if len(argv) > 1 else _await_work(int(argv[0]))
    os.set_inheritable(int(lock), False)
    status = _Status(work)
    status.write("queued")
    started: _Started = {}
    try:
        if act == "settle":
            _settle(status, started, *rest)
        else:
            _run(status, work)
    except Exception as error:  # noqa: BLE001 - its status is all that anybody will ever see
        status.write("failed", detail=f"{type(error).__name__}: {error}")
    os.close(int(lock))  # the key is free at once
    try:
        pruning.prune(work)
    except Exception as error:  # noqa: BLE001 - what is not tidied up now is next time
        os.write(2, f"not tidied up: {type(error).__name__}: {error}\n".encode())
    _watch(started)
    os._exit(0)


def _await_work(descriptor: int) -> list[str]:
    """What a spare child is to do. Without a word, or with half of one, it ends."""
    from _socket import CMSG_SPACE, socket

    line = socket(fileno=descriptor)
    first, found, _, _ = line.recvmsg(1, CMSG_SPACE(8))
    text = b""
    while first and (chunk := line.recv(65536)):
        text += chunk
    line.close()
    act, *more = text.decode().split("\0")
    if not more or more.pop() != WHOLE:
        os._exit(0)
    lock, errors = (int.from_bytes(found[0][2][at : at + 4], sys.byteorder) for at in (0, 4))
    os.dup2(errors, 1)
    os.dup2(errors, 2)
    os.close(errors)
    work, *rest = more
    return [act, work, str(lock), *rest]


class _Status:
    """The file in which the key's owner says how far it is."""

    def __init__(self, work: str) -> None:
        self._path = work + "/status.json"
        self._pid = os.getpid()
        self._start = processes.started(self._pid)

    def write(self, state: str, *, exit_status: int | None = None, detail: str = "") -> None:
        record: dict[str, str | int | None] = {
            "state": state,
            "pid": self._pid,
            "start": self._start,
            "exit_status": exit_status,
            "detail": detail,
        }
        records.write_flat(self._path, record)


def _settle(status: _Status, started: _Started, path: str, key: str) -> None:
    mine = roles.take(path.removesuffix(".json") + ".lock", within_s=None)
    assert mine is not None
    try:
        problem = _converge(status, started, path, key)
    finally:
        os.close(mine)
    status.write("failed" if problem else "succeeded", detail=problem)


def _converge(status: _Status, started: _Started, path: str, key: str) -> str:
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
        if waited_s > KILLED_WITHIN_S:
            return f"process {leaving[0].pid} does not end, not even when killed"
        if waited_s > 0:
            for holder in leaving:
                processes.send_group(holder.pid, holder.start, processes.SIGKILL)
        _wait_for(leaving[0])
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


def _wait_for(holder: roles.Holder) -> None:
    """A moment at most: what is wanted may change meanwhile."""
    if holder.alive:
        processes.wait(holder.pid, holder.start, _LOOK_S)
    else:
        time.sleep(_LOOK_S / 5)


def _start_what_lacks(desired: Desired, path: str, started: _Started) -> str:
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


def _watch(started: _Started) -> None:
    """Note beside its role how each of these programs ended, while there is anybody to be told."""
    alarm(WATCHED_S)  # ends this process
    while started:
        pid, ended = os.waitpid(-1, 0)
        role, begun_s = started.pop(pid, ("", 0.0))
        record: dict[str, str | int | None] = {
            "pid": pid,
            "exit_status": os.waitstatus_to_exitcode(ended),
            "after_ms": round((time.monotonic() - begun_s) * 1000),
        }
        try:
            records.write_flat(role + ".ended", record)
        except FileNotFoundError:
            return  # the whole state folder is gone


def _run(status: _Status, work: str) -> None:
    job: Job = records.read(work + "/job.json")
    roles.take(job["queue"], within_s=None)
    launch = job["places"][0]["launch"]
    assert launch is not None
    status.write("running")
    # An earlier supervisor may have died and left its program running: never two at once.
    while (holder := roles.holder(launch["role"])) is not None:
        _wait_for(holder)
    values = pump.values_of(job["secrets"], os.environ)
    pumps = [pump.fork(f"{work}/{stream}", values) for stream in ("stdout", "stderr")]
    (_, output), (_, errors) = pumps
    pid, pipe = launcher.fork(launch, work + "/job.json", (output, errors))
    os.close(output)
    os.close(errors)
    problem = launcher.outcome(pipe)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    for pumping, _ in pumps:
        processes.wait(pumping, processes.started(pumping) or "", DRAINED_WITHIN_S)
    if problem:
        status.write("failed", detail=f"{launch['argv'][0]}: {problem}")
    else:
        status.write("succeeded" if code == 0 else "failed", exit_status=code)

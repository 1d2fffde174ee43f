"""The child that carries out one change, detached from whoever began it.

It holds the lock of its key from before its first line until its end: a key whose lock is free and
whose status is not final is lost. `job` runs a program to its end and records its exit status; a
driver may add acts of its own, and what these start is watched for a while.
"""

from __future__ import annotations

import os
import sys
import time
from _signal import alarm  # type: ignore[import-not-found]

from rollout_kit.drivers.work import asking, launcher, processes, pruning, pump, records, roles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rollout_kit.drivers.work.records import Earlier, Job

    Started = dict[int, tuple[str, float]]  # pid -> role, when it was started
    Act = Callable[..., None]

KILLED_WITHIN_S = 5.0
DRAINED_WITHIN_S = 1.0
"""For so long the end of a job's output is awaited: a child that it left may keep it open."""
WATCHED_S = 60
"""For so long after a start somebody is there to be told with which status the program ends."""
WHOLE = "whole"
"""Ends what a spare child is told: half of it is nothing to act on."""
_LOOK_S = 0.05
_TOOL_LOOK_S = 0.25


def main(argv: list[str]) -> None:
    """`job WORK LOCK`. WORK: folder of the key; LOCK: inherited."""
    supervise(argv, {})


def supervise(argv: list[str], acts: Mapping[str, Act]) -> None:
    """`job WORK LOCK`, or `ACT WORK LOCK ...` with what a driver has added to the acts.

    With `LINE` alone, a socket, all of that is still to come from there, or nothing is.
    """
    act, work, lock, *rest = argv if len(argv) > 1 else _await_work(int(argv[0]))
    os.set_inheritable(int(lock), False)
    status = Status(work)
    status.write("queued")
    started: Started = {}
    try:
        if act in acts:
            acts[act](status, started, *rest)
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


class Status:
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


def wait_for(holder: roles.Holder) -> None:
    """Wait for its end, a moment at most: what is wanted may change meanwhile."""
    if holder.alive:
        processes.wait(holder.pid, holder.start, _LOOK_S)
    else:
        time.sleep(_LOOK_S / 5)


def _watch(started: Started) -> None:
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


def _run(status: Status, work: str) -> None:
    job: Job = records.read(work + "/job.json")
    _await_turn(job, work)
    launch = job["places"][0]["launch"]
    assert launch is not None
    status.write("running")
    # An earlier supervisor may have died and left its program running: never two at once.
    while (holder := roles.holder(launch["role"])) is not None:
        wait_for(holder)
    values = pump.values_of(job["secrets"], os.environ)
    pumps = [pump.fork(f"{work}/{stream}", values) for stream in ("stdout", "stderr")]
    (_, output), (_, errors) = pumps
    pid, pipe = launcher.fork(launch, work + "/job.json", (output, errors))
    os.close(output)
    os.close(errors)
    problem = launcher.outcome(pipe)
    _see_the_tool_out(job, work, pid)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    for pumping, _ in pumps:
        processes.wait(pumping, processes.started(pumping) or "", DRAINED_WITHIN_S)
    if problem:
        status.write("failed", detail=f"{launch['argv'][0]}: {problem}")
    else:
        status.write("succeeded" if code == 0 else "failed", exit_status=code)


def _await_turn(job: Job, work: str) -> None:
    """Until the queue is ours and what ran in it before us has ended, asked to where it has to."""
    stopped = [earlier for earlier in job["earlier"] if earlier["stop"]]
    while roles.take(job["queue"], within_s=_LOOK_S if stopped else None) is None:
        for earlier in stopped:
            _end(earlier, work)
    for earlier in job["earlier"]:
        while roles.at_it(earlier["role"]):
            if earlier["stop"]:
                _end(earlier, work)
            time.sleep(_LOOK_S)


def _end(earlier: Earlier, mine: str) -> None:
    if earlier["work"] == mine:  # an earlier run under our own key: its supervisor is dead
        asking.interrupt(mine, earlier["role"], group=earlier["group"])
    else:
        asking.end(earlier["work"])


def _see_the_tool_out(job: Job, work: str, pid: int) -> None:
    """Where the program is to end with the tool: ask it to, once, when the tool is gone."""
    tool = job["tool"]
    if tool is None:
        return
    start = processes.started(pid)
    while start is not None and processes.runs(tool["pid"], tool["start"]):
        if processes.wait(pid, start, _TOOL_LOOK_S):
            return
    asking.end(work)

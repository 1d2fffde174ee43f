"""Asking a piece of work to end: politely, and once, whoever asks and however often."""

from __future__ import annotations

import os

from rollout_kit.drivers.work import processes, records, roles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rollout_kit.drivers.work.records import Job


def end(work: str) -> None:
    """One SIGINT to the program of this key; SIGKILL to a supervisor that has none to begin with."""
    status = records.read(f"{work}/status.json")
    job: Job | None = records.read(f"{work}/job.json")
    if job is None or (status is not None and status["state"] == "queued"):
        if status is not None:
            processes.send(status["pid"], status["start"], processes.SIGKILL)
        return
    interrupt(work, job["places"][0]["role"], group=job["group"])


def interrupt(work: str, role: str, *, group: bool) -> None:
    """One SIGINT to who has this role under the key of this folder; no second one ever."""
    holder = roles.holder(role)
    if holder is not None and holder.alive and _first(work, holder):
        send = processes.send_group if group else processes.send
        send(holder.pid, holder.start, processes.SIGINT)


def _first(work: str, holder: roles.Holder) -> bool:
    asked = f"{work}/interrupted-{holder.pid}-{holder.start}"
    try:
        os.close(os.open(asked, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except OSError:  # asked already, or the folder is gone
        return False
    return True

"""Become the program: take the role, record oneself, exec.

The lock and the record come before the program and belong to the same process, so that a death at
any moment leaves either nothing or something that is found and counted.
"""

from __future__ import annotations

import os
from _signal import SIG_DFL, SIGINT, SIGPIPE, signal  # type: ignore[import-not-found]

from rollout_kit.drivers.work import processes, pruning, records, roles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from rollout_kit.drivers.work.records import Desired, Job, Launch

TAKEN = "the role is taken"
SUPERSEDED = "no longer wanted"
NEUTRAL = ("HOME", "LANG", "LC_ALL", "LC_CTYPE", "LOGNAME", "PATH", "TMPDIR", "TZ", "USER")
"""What every process of the fleet inherits: nothing that could be a secret."""

# Whoever only asks whether a role is free holds its lock for some microseconds.
_ASKING_S = 1.0


def fork(launch: Launch, wanted: str, streams: tuple[int, int] | None) -> tuple[int, int]:
    """Start the program. Gives its pid and a pipe that tells what went wrong (`outcome`).

    `wanted`: file of what is wanted, read once more when the role is ours. `streams`: where
    standard output and error go; None is the role's log.
    """
    told, telling = os.pipe()
    pid = os.fork()
    if pid:
        os.close(telling)
        return pid, told
    try:
        os.close(told)
        _become(launch, wanted, streams)
    except BaseException as error:  # noqa: BLE001 - a forked child must never return
        os.write(telling, (str(error) or type(error).__name__).encode())
    os._exit(127)


def outcome(pipe: int) -> str:
    """Wait until the program runs (an empty text) or never will (why)."""
    with open(pipe, encoding="utf-8", errors="replace") as file:
        return file.read()


def _become(launch: Launch, wanted: str, streams: tuple[int, int] | None) -> None:
    os.setsid()
    signal(SIGINT, SIG_DFL)  # Python's handler would only note it, and exec forget the note
    environment = _environment(launch)
    lock = roles.take(launch["role"] + ".lock", within_s=_ASKING_S)
    if lock is None:
        raise RuntimeError(TAKEN)
    # What is wanted is written before anybody looks whether the role is free: either they see our
    # lock, or we see what they wrote.
    if not _is_wanted(launch, records.read(wanted)):
        raise RuntimeError(SUPERSEDED)
    record: dict[str, str | int | None] = {
        "pid": os.getpid(),
        "start": processes.started(os.getpid()),
        "digest": launch["digest"],
        "spec": launch["spec"],
    }
    if launch["worker"]:
        record["worker_id"] = f"{launch['worker']}:{os.urandom(4).hex()}"
        environment[launch["worker_variable"]] = str(record["worker_id"])
    _redirect(launch.get("input") or "/dev/null", *(streams or _log(launch)))
    os.chdir(launch["directory"])
    records.write_flat(launch["role"] + ".json", record)
    os.set_inheritable(lock, True)
    signal(SIGPIPE, SIG_DFL)
    os.execvpe(launch["argv"][0], launch["argv"], environment)


def _is_wanted(launch: Launch, now: Desired | Job | None) -> bool:
    return now is not None and any(
        place["role"] == launch["role"]
        and place["launch"] is not None
        and place["launch"]["digest"] == launch["digest"]
        for place in now["places"]
    )


def _environment(launch: Launch) -> dict[str, str]:
    mine = os.environ
    inherited = dict(mine) if launch["inherits"] else {n: mine[n] for n in NEUTRAL if n in mine}
    return inherited | {
        name: resolved(value, mine) for name, value in launch["environment"].items()
    }


def resolved(text: str, environment: Mapping[str, str]) -> str:
    """Put the environment's values in the place of `${env:NAME}`. Raises LookupError."""
    head, *rest = text.split("${env:")
    for part in rest:
        name, _, tail = part.partition("}")
        if not environment.get(name):
            msg = f"environment variable {name} is not set"
            raise LookupError(msg)
        head += environment[name] + tail
    return head


def _log(launch: Launch) -> tuple[int, int]:
    pruning.rotate(launch["log"])
    file = os.open(launch["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    return file, file


def _redirect(source: str, output: int, errors: int) -> None:
    for file, target in ((os.open(source, os.O_RDONLY), 0), (output, 1), (errors, 2)):
        os.dup2(file, target)  # the original is closed when the program begins

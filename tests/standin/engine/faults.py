"""What the stand-in can be told to do wrong.

`STANDIN_FAULTS` is a JSON list, or the path of a file with one. Each fault is an object:

  at       the point where it strikes (below)
  do       crash    SIGKILL to this very process
           exit     end at once: `code`, `text` (standard error), `out` (standard output)
           sleep    `seconds`
           error    the operation fails with `text` (points begun, applied)
           partial  the object exists but never got ready: `text` (point applied)
           full     "no space left on device" (points checkpoint, locking)
  command  only in this command: up, preview, refresh, destroy, `stack output`, `config set-all` ...
  name     only at operations on the resource of this name
  op       only at this operation: create, update, delete ...
  skip     passes this many chances first
  times    strikes so often, then never again (needs the list in a file: what struck is kept in
           FILE.struck); without it every time

Points, in their order in one update:

  start       the process has begun, nothing is read
  locking     before the lock is written
  locked      the lock is held, nothing has happened
  begun       an operation is recorded as pending, the provider has not been asked
  applied     the provider has done it, nothing is recorded
  recorded    it is recorded
  finished    all operations are done, no history entry is written
  released    history is written, the lock is gone, the process is about to end
  checkpoint  before every write of the state file
"""

from __future__ import annotations

import errno
import json
import os
import signal
import sys
import time
from collections import Counter
from pathlib import Path

from .failure import OperationFailed, Unfinished

VARIABLE = "STANDIN_FAULTS"
_command = ""
_chances: Counter[int] = Counter()


def of_command(command: str) -> None:
    """The command that this process runs, for faults that are meant for one."""
    global _command  # noqa: PLW0603
    _command = command


def _load() -> tuple[list[dict], Path | None]:
    given = os.environ.get(VARIABLE, "")
    if not given:
        return [], None
    if given.lstrip().startswith("["):
        return json.loads(given), None
    path = Path(given)
    return (json.loads(path.read_text()) if path.exists() else []), path


def strike(point: str, name: str = "", op: str = "", outcome: tuple[str, dict] = ("", {})) -> None:
    """Do what a fault of this point says; `outcome` is the object's id and outputs, if it has any."""
    faults, path = _load()
    for index, fault in enumerate(faults):
        if fault["at"] != point or fault.get("command", _command) != _command:
            continue
        if fault.get("name", name) != name or fault.get("op", op) != op:
            continue
        _chances[index] += 1
        if _chances[index] <= fault.get("skip", 0) or _spent(path, index, fault):
            continue
        _do(fault, outcome)


def _spent(path: Path | None, index: int, fault: dict) -> bool:
    if "times" not in fault or path is None:
        return False
    kept = path.with_name(path.name + ".struck")
    struck = Counter(json.loads(kept.read_text()) if kept.exists() else {})
    if struck[str(index)] >= fault["times"]:
        return True
    struck[str(index)] += 1
    kept.write_text(json.dumps(struck))
    return False


def _do(fault: dict, outcome: tuple[str, dict]) -> None:
    match fault["do"]:
        case "crash":
            sys.stdout.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        case "exit":
            sys.stdout.write(fault.get("out", ""))
            sys.stderr.write(fault.get("text", ""))
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(fault["code"])
        case "sleep":
            time.sleep(fault["seconds"])
        case "error":
            raise OperationFailed(fault["text"])
        case "partial":
            raise Unfinished(outcome[0], outcome[1], [fault["text"]])
        case "full":
            raise OSError(errno.ENOSPC, "no space left on device")
        case other:
            raise ValueError(f"{VARIABLE}: no such fault: {other}")

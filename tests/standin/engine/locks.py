"""The lock of a stack: list, write an own file, list again. Nothing expires, nobody is checked."""

from __future__ import annotations

import getpass
import os
import socket
import uuid
from pathlib import Path

from . import faults
from .backend import StackFiles, compact, erase, now, parse, write
from .failure import Failure


class Lock:
    """Held from `take` to `release`; other commands that change the state are turned away."""

    def __init__(self, files: StackFiles) -> None:
        self._folder, self._root = files.locks, files.backend.root
        self._own = self._folder / f"{uuid.uuid4()}.json"

    def take(self) -> None:
        self._refuse_if_others()
        try:
            faults.strike("locking")
        except OSError:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._own.with_name(f"{self._own.name}.1.tmp").touch()
            raise Failure(f"blob (key {self._own.name!r}): no space left on device") from None
        holder = {
            "pid": os.getpid(),
            "username": getpass.getuser(),
            "hostname": socket.gethostname(),
            "timestamp": now(),
        }
        try:
            write(self._own, compact(holder))
        except OSError as wrong:
            text = (wrong.strerror or str(wrong)).lower()
            raise Failure(f"open {self._own}: {text}") from None
        try:
            self._refuse_if_others()
        except Failure:
            self.release()
            raise
        faults.strike("locked")

    def release(self) -> None:
        erase(self._own)

    def _refuse_if_others(self) -> None:
        others = [path for path in _files(self._folder) if path != self._own]
        if not others:
            return
        lines = [self._line(path) for path in others]
        raise Failure(
            f"the stack is currently locked by {len(others)} lock(s). Either wait for the other "
            "process(es) to end or delete the lock file with `pulumi cancel`."
            + "".join(f"\n  {line}" for line in lines)
        )

    def _line(self, path: Path) -> str:
        held = parse(path.read_text())
        return (
            f"file://{path}?no_tmp_dir=true: created by {held.get('username', '')}@"
            f"{held.get('hostname', '')} (pid {held.get('pid', 0)}) at "
            f"{held.get('timestamp', '0001-01-01T00:00:00Z')}"
        )


def _files(folder: Path) -> list[Path]:
    if not folder.exists():
        return []
    return sorted(path for path in folder.iterdir() if not path.name.endswith(".attrs"))


def remove_all(files: StackFiles) -> None:
    """What `pulumi cancel` does: nothing but this."""
    for path in _files(files.locks):
        erase(path)

"""What is done on the machine: files written whole, units stopped and started.

Runs in the provider's own process; standard library only. Nothing here is undone half-way: whoever
asks again for the same units gets the same end, whatever an interrupted attempt left.
"""

from __future__ import annotations

import fcntl
import re
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

Argv = tuple[str, ...]
_STOP_S = 900  # longer than any unit's own grace
_LOOK_S = 30
_UP_S = 10


class HostError(RuntimeError):
    """A command of this machine did not do what it was for; the text has its last words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manager:
    """How this machine's service manager is spoken to; `{unit}` stands for a unit's name.

    `folder` and `suffix`: where units' files are. `state` says how a unit is, and `up` is what it says
    of one that runs (a regular expression). `settle` follows every change of files. `stays_s`: a
    manager that calls a program up as soon as it was begun is asked again so much later.
    """

    folder: str
    suffix: str
    stop: Argv
    settle: Argv
    start: Argv
    state: Argv
    up: str
    stays_s: float = 0.0

    def path(self, unit: str) -> Path:
        return Path(self.folder) / f"{unit}{self.suffix}"


def change_units(
    manager: Manager, before: Mapping[str, str], after: Mapping[str, str], family: str = ""
) -> None:
    """Units as `after` has them: whatever goes or changes has stopped before anything starts.

    `before`: what was there by our own account; units `<family>-<number>` are ours without it. A
    unit whose file and process are as they should be is left alone. Where one does not come up,
    those that were not there before are taken away again. The engine changes several things at
    once, but a manager that reads all units' files again is told so by one at a time.
    """
    with _turn(Path(manager.folder)):
        known = {*before, *_numbered(manager, family)}
        changing = [unit for unit in sorted(after) if not _stands(manager, unit, after[unit])]
        gone = sorted(known - set(after))
        _stop(manager, (*gone, *changing))
        for unit in changing:
            write(manager.path(unit), after[unit])
        if gone or changing:
            _run(manager.settle, "", within_s=_STOP_S)
        try:
            _start(manager, changing)
        except HostError:
            if new := [unit for unit in changing if unit not in known]:
                _stop(manager, new)
                _run(manager.settle, "", within_s=_STOP_S, may_fail=True)
            raise


def _numbered(manager: Manager, family: str) -> list[str]:
    """The units `<family>-<number>` that this machine has; of no family there are none."""
    if not family:
        return []
    found = Path(manager.folder).glob(f"{family}-*{manager.suffix}")
    units = [path.name.removesuffix(manager.suffix) for path in found]
    return [unit for unit in units if unit.removeprefix(f"{family}-").isdecimal()]


def _stop(manager: Manager, units: Iterable[str]) -> None:
    for unit in units:
        if manager.path(unit).exists():
            _run(manager.stop, unit, within_s=_STOP_S, may_fail=True)
            _expect_down(manager, unit)
            manager.path(unit).unlink()


def _start(manager: Manager, changing: Sequence[str]) -> None:
    for unit in changing:
        _run(manager.start, unit, within_s=_LOOK_S, may_fail=True)
    for unit in changing:
        _expect_up(manager, unit, _UP_S)
    if changing and manager.stays_s:
        time.sleep(manager.stays_s)
        for unit in changing:
            _expect_up(manager, unit, 0)


def standing_units(manager: Manager, units: Mapping[str, str], family: str = "") -> dict[str, str]:
    """Those of the units whose file is there and whose process runs, with the file's text.

    Of a family, what else has a file there is among them, running or not: it is to go.
    """
    strays = [unit for unit in _numbered(manager, family) if unit not in units]
    found = {unit: manager.path(unit).read_text(encoding="utf-8") for unit in strays}
    for unit in units:
        path = manager.path(unit)
        if path.is_file() and _is_up(manager, unit):
            found[unit] = path.read_text(encoding="utf-8")
    return found


def write(path: Path, text: str, mode: int = 0o600) -> None:
    """The whole text or nothing; units carry environment, so others may not read them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = path.with_name(f".{path.name}.new")
    whole.write_text(text, encoding="utf-8")
    whole.chmod(mode)
    whole.replace(path)


def write_line(path: str, text: str, check: Argv, reload: Argv) -> None:
    """One file of the front. What the front would refuse is taken back and never loaded."""
    target = Path(path)
    with _turn(target.parent):
        _write_line(target, text, check, reload)


def _write_line(target: Path, text: str, check: Argv, reload: Argv) -> None:
    before = target.read_text(encoding="utf-8") if target.exists() else None
    if before != text:
        write(target, text, 0o644)
    try:
        _run(check, "", within_s=_LOOK_S)
    except HostError:
        if before is not None:
            write(target, before, 0o644)
        else:
            target.unlink()
        raise
    _run(reload, "", within_s=_LOOK_S)


def standing_line(path: str) -> str:
    """What the file of the front says; empty where there is none."""
    target = Path(path)
    return target.read_text(encoding="utf-8") if target.is_file() else ""


def remove_line(path: str, reload: Argv) -> None:
    """Takes one file of the front away."""
    target = Path(path)
    with _turn(target.parent):
        target.unlink(missing_ok=True)
        _run(reload, "", within_s=_LOOK_S)


@contextmanager
def _turn(folder: Path) -> Iterator[None]:
    """One change of this folder at a time, whoever makes it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".fleet.lock").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _stands(manager: Manager, unit: str, text: str) -> bool:
    path = manager.path(unit)
    same = path.is_file() and path.read_text(encoding="utf-8") == text
    return same and _is_up(manager, unit)


def _is_up(manager: Manager, unit: str) -> bool:
    said = _called(manager.state, unit, _LOOK_S).stdout
    return re.search(manager.up, said, re.MULTILINE) is not None


def _expect_up(manager: Manager, unit: str, within_s: float) -> None:
    if not _waited(lambda: _is_up(manager, unit), within_s):
        said = _called(manager.state, unit, _LOOK_S)
        raise HostError(f"{unit} does not stay up: {_words(said)}")


def _expect_down(manager: Manager, unit: str) -> None:
    if not _waited(lambda: not _is_up(manager, unit), _LOOK_S):
        raise HostError(f"{unit} did not stop; nothing was started in its place")


def _waited(is_so: Callable[[], bool], within_s: float) -> bool:
    end = time.monotonic() + within_s
    while not is_so():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


def _run(argv: Argv, unit: str, *, within_s: float, may_fail: bool = False) -> None:
    if not argv:
        return
    done = _called(argv, unit, within_s)
    if done.returncode != 0 and not may_fail:
        raise HostError(f"{' '.join(done.args)} ended with {done.returncode}: {_words(done)}")


def _called(argv: Argv, unit: str, within_s: float) -> subprocess.CompletedProcess[str]:
    command = [part.replace("{unit}", unit) for part in argv]
    try:
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=within_s,
            check=False,
        )
    except FileNotFoundError:
        raise HostError(f"there is no {command[0]} on this machine") from None
    except subprocess.TimeoutExpired:
        raise HostError(f"{' '.join(command)} did not end within {within_s:g} s") from None


def _words(done: subprocess.CompletedProcess[str]) -> str:
    return " | ".join((done.stdout + done.stderr).strip().splitlines()[-5:]) or "it said nothing"

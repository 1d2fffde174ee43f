"""Our own record of an update under way, beside the stack: what a crash leaves for the next process.

    open.jsonl   an update of ours that has not been seen to end well; gone once one was verified
    last.json    how the last verified one left the stack

The file begins before the update does, and each line is on disk before what it tells of goes on.
What the engine tells us comes a moment late: for that moment there are its own pending operations.
"""

from __future__ import annotations

import json
import os
import socket
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from rollout_kit.drivers.work import records

_OPEN = "open.jsonl"
_LAST = "last.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Where a process is a process: two with the same pid here are one. Empty: not told."""

    host: str
    boot_id: str = ""
    pid_namespace: str = ""

    @property
    def certain(self) -> bool:
        return bool(self.boot_id and self.pid_namespace)


@dataclass(frozen=True, slots=True, kw_only=True)
class Object:
    """What an update made or was to make, by what it is known by in the world.

    `facts`: of a Kubernetes object `apiVersion`, `kind`, `namespace`, `name`.
    """

    urn: str
    type: str
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """An update of ours without a good end. `pids`: of its CLI processes, with their start times.

    `sent`: by the name that it was sent with, the process that sent it, once it was seen to run.
    `creating`: what it was seen to begin making and not to finish. `adopting`: what of it a
    recovery has set out to adopt.
    """

    operation: str
    machine: Machine
    at: datetime
    pids: tuple[tuple[int, str], ...] = ()
    sent: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    creating: tuple[Object, ...] = ()
    adopting: frozenset[str] = frozenset()


def here() -> Machine:
    """This machine."""
    return Machine(
        host=socket.gethostname(),
        boot_id=_read("/proc/sys/kernel/random/boot_id"),
        pid_namespace=_link("/proc/self/ns/pid"),
    )


class Marks:
    """The files of one stack."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open = folder / _OPEN

    def begin(
        self, operation: str, carried: Iterable[Object] = (), adopting: Iterable[str] = ()
    ) -> None:
        """An update is about to be sent.

        `carried`: what an earlier one began and nobody settled; `adopting`: what of it was tried.
        """
        mark = Mark(operation=operation, machine=here(), at=datetime.now(UTC))
        self._write(replace(mark, creating=tuple(carried), adopting=frozenset(adopting)))

    def carry_over(self, mark: Mark, doubtful: Iterable[Object]) -> None:
        """An earlier one is being mended: it stays what it was, with all that is in doubt by now."""
        self._write(replace(mark, creating=tuple(doubtful)))

    def _write(self, mark: Mark) -> None:
        head: dict[str, object] = {
            "operation": mark.operation,
            "host": mark.machine.host,
            "boot_id": mark.machine.boot_id,
            "pid_namespace": mark.machine.pid_namespace,
            "at": mark.at.isoformat(),
        }
        lines = [head]
        names = {process: name for name, process in mark.sent.items()}
        for pid, start in mark.pids:
            if name := names.get((pid, start)):
                lines.append({"sending": name})
            lines.append({"pid": pid, "start": start})
        lines += [{"creating": _as_json(item)} for item in mark.creating]
        lines += [{"adopting": urn} for urn in sorted(mark.adopting)]
        text = "".join(json.dumps(line) + "\n" for line in lines)
        records.replace_file(str(self._open), text, durable=True)

    def sending(self) -> str:
        """Something is about to be sent; gives the name for it, which no other one bears."""
        name = f"rollout-kit/{uuid.uuid4().hex}"
        self._append({"sending": name})
        return name

    def started(self, pid: int, start: str) -> None:
        """A process of the CLI runs."""
        self._append({"pid": pid, "start": start})

    def creating(self, item: Object) -> None:
        self._append({"creating": _as_json(item)})

    def adopting(self, urn: str) -> None:
        """What exists is about to be taken over; where that fails it is removed the next time."""
        self._append({"adopting": urn})

    def created(self, urn: str) -> None:
        """It is in the recorded state now."""
        self._append({"created": urn})

    def close(self, settled: Mapping[str, str]) -> None:
        """It ended well and was looked at: `settled` is how the stack stands now."""
        records.replace_file(str(self._folder / _LAST), json.dumps(settled) + "\n", durable=True)
        self._open.unlink(missing_ok=True)

    def drop(self) -> None:
        """Nothing was sent after all."""
        self._open.unlink(missing_ok=True)

    def last(self) -> Mapping[str, str]:
        """What `close` was told last; empty where nothing or nothing whole is there."""
        try:
            found = json.loads((self._folder / _LAST).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def found(self) -> Mark | None:
        """The update that has not ended well. A torn last line is as if it had not been written."""
        try:
            text = self._open.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        return _mark([line for line in map(_parsed, text.splitlines()) if line is not None])

    def _append(self, line: Mapping[str, object]) -> None:
        if not self._open.exists():
            return
        file = os.open(self._open, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        try:
            os.write(file, (json.dumps(line) + "\n").encode())
            os.fsync(file)
        finally:
            os.close(file)


def _mark(lines: list[Mapping[str, object]]) -> Mark | None:
    if not lines or "operation" not in lines[0]:
        return None
    head, *rest = lines
    mark = Mark(
        operation=str(head["operation"]),
        machine=Machine(
            host=str(head["host"]),
            boot_id=str(head["boot_id"]),
            pid_namespace=str(head["pid_namespace"]),
        ),
        at=datetime.fromisoformat(str(head["at"])),
    )
    creating: dict[str, Object] = {}
    adopting: set[str] = set()
    sending = ""
    for line in rest:
        match line:
            case {"sending": str(name)}:
                sending = name
            case {"pid": int(pid), "start": str(start)}:
                sent = {**mark.sent, sending: (pid, start)} if sending else mark.sent
                mark, sending = replace(mark, pids=(*mark.pids, (pid, start)), sent=sent), ""
            case {"creating": {"urn": str(urn), "type": str(kind), "facts": dict(facts)}}:
                creating[urn] = Object(urn=urn, type=kind, facts=facts)
            case {"created": str(urn)}:
                creating.pop(urn, None)
            case {"adopting": str(urn)}:
                adopting.add(urn)
            case _:
                pass
    return replace(mark, creating=tuple(creating.values()), adopting=frozenset(adopting))


def _as_json(item: Object) -> dict[str, object]:
    return {"urn": item.urn, "type": item.type, "facts": dict(item.facts)}


def _parsed(line: str) -> Mapping[str, object] | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _link(path: str) -> str:
    try:
        return str(Path(path).readlink())
    except OSError:
        return ""

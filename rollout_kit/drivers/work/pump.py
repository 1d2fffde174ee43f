"""What a job prints goes through here to its file, so that no known secret value reaches the disk.

The pump is a process of its own that ends with the pipe: a job that loses its supervisor prints on.
It masks the exact bytes of a value, however the job split them over writes; what a job encodes
otherwise (base64, one letter a line) nobody could know.
"""

from __future__ import annotations

import os
from _signal import SIG_IGN, SIGINT, signal  # type: ignore[import-not-found]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

TOO_SHORT_TO_BE_SECRET = 6
_AT_ONCE = 65536
_FILES_AT_MOST = 256  # a supervisor has a dozen

Value = tuple[bytes, bytes]
"""What is secret, and what is written in its place."""


def values_of(names: Iterable[str], environment: Mapping[str, str]) -> list[Value]:
    """The values of these variables with their references; not those too short to be a secret."""
    known = ((name, environment.get(name, "")) for name in sorted(set(names)))
    return [
        (os.fsencode(value), os.fsencode(f"${{env:{name}}}"))
        for name, value in known
        if len(value) >= TOO_SHORT_TO_BE_SECRET
    ]


def fork(path: str, values: Sequence[Value]) -> tuple[int, int]:
    """Start a pump to the end of this file. Gives its pid, and what to write to."""
    source, sink = os.pipe()
    pid = os.fork()
    if pid:
        os.close(source)
        return pid, sink
    try:
        os.setsid()
        signal(SIGINT, SIG_IGN)
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(source, 0)
        os.dup2(file, 1)
        # Not a lock, nor the other pump's pipe, may stay open for as long as this one runs.
        os.closerange(3, _FILES_AT_MOST)
        _pump(values)
    finally:
        os._exit(0)


def _pump(values: Sequence[Value]) -> None:
    pending = b""
    while more := os.read(0, _AT_ONCE):
        written, pending = masked(pending + more, values, final=False)
        _write(written)
    _write(masked(pending, values, final=True)[0])


def _write(data: bytes) -> None:
    try:
        while data:
            data = data[os.write(1, data) :]
    except OSError:
        return  # a full disk costs the job its output, not its life


def masked(pending: bytes, values: Sequence[Value], *, final: bool) -> tuple[bytes, bytes]:
    """Split into what may be written, masked, and what waits because a value may begin in it.

    The leftmost value goes first, of two that begin together the longer one.
    """
    done: list[bytes] = []
    at = 0
    while True:
        found = [
            (place, -len(value), reference)
            for value, reference in values
            if (place := pending.find(value, at)) >= 0
        ]
        waits = len(pending) if final else _may_begin(pending, at, values)
        if not found or min(found)[0] >= waits:
            return b"".join((*done, pending[at:waits])), pending[waits:]
        place, negative_length, reference = min(found)
        done += (pending[at:place], reference)
        at = place - negative_length


def _may_begin(pending: bytes, at: int, values: Sequence[Value]) -> int:
    """Where the first value begins that the end of `pending` may have cut off."""
    longest = max((len(value) for value, _ in values), default=0)
    for place in range(max(at, len(pending) - longest + 1), len(pending)):
        rest = pending[place:]
        if any(len(value) > len(rest) and value.startswith(rest) for value, _ in values):
            return place
    return len(pending)

# ruff: noqa: PTH105, PTH120, PTH123
"""Small JSON files that several processes share, without the start-up of the json package.

`json` pulls in `re` and `enum`; its C parts alone read and write the same text at no cost.
"""

from __future__ import annotations

import os
from _json import encode_basestring_ascii as _quoted
from _json import make_scanner as _make_scanner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, NotRequired, TypedDict

    class Launch(TypedDict):
        """One process as it is to run. `environment` still holds its `${env:NAME}` references."""

        role: str  # path of the role's files, without their endings
        digest: str  # of everything below: tells a running process that is already right
        argv: list[str]
        environment: dict[str, str]
        inherits: bool  # the whole environment of whoever applies, not only its neutral part
        directory: str
        log: str
        worker: str  # `<queue>:<build>:<n>`; empty for what is no worker
        worker_variable: str
        spec: str  # JSON of the driver's spec, or the key: kept for whoever asks what runs
        input: NotRequired[str]  # file that is its standard input

    class Place(TypedDict):
        """A role and what is to run in it; None: nothing."""

        role: str
        launch: Launch | None

    class Desired(TypedDict):
        """What is to be so for one resource (a node, a cohort, the scheduler)."""

        resource: str
        key: str
        grace_s: float  # between SIGTERM and SIGKILL
        spec: str
        places: list[Place]

    class Tool(TypedDict):
        """The process whose end is also that of what it began."""

        pid: int
        start: str

    class Earlier(TypedDict):
        """A run on the same queue that may still be at it."""

        work: str  # its key's folder
        role: str
        stop: bool  # asked to end; else only waited for
        group: bool

    class Job(TypedDict):
        """A process that is to run once, to its end."""

        queue: str  # lock file: what has one name runs one after the other
        secrets: list[str]  # names of variables whose values it may print and nobody may read
        places: list[Place]  # one
        earlier: list[Earlier]  # over before this begins
        tool: Tool | None  # asked to end when that is gone; None: runs on
        group: bool  # who asks it to end asks its whole process group
        stands: bool  # a success stands, and no change that comes asks it to end


class _Reading:
    """What the scanner asks of its reader."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = float
    memo: dict[str, str] = {}  # noqa: RUF012


_scan = _make_scanner(_Reading())  # type: ignore[arg-type]


def read(path: str) -> Any:
    """The JSON value in the file; None where there is no such file."""
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except FileNotFoundError:
        return None
    return _scan(text.strip(), 0)[0]


def write_flat(path: str, record: Mapping[str, str | int | None]) -> None:
    """Replace the file by one JSON object."""
    fields = ", ".join(f"{_quoted(name)}: {_value(value)}" for name, value in record.items())
    replace_file(path, "{" + fields + "}\n", durable=False)


def _value(value: str | int | None) -> str:
    if value is None:
        return "null"
    return str(_quoted(value)) if isinstance(value, str) else str(value)


def replace_file(path: str, text: str, *, durable: bool) -> None:
    """Replace the file so that a reader sees the old or the new text; `durable`: on disk too."""
    temporary = f"{path}.{os.urandom(6).hex()}.new"
    file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        data = text.encode()
        while data:
            data = data[os.write(file, data) :]
        if durable:
            os.fsync(file)
    finally:
        os.close(file)
    os.replace(temporary, path)
    if durable:
        folder = os.open(os.path.dirname(path), os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

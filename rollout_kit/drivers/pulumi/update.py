"""The child that carries out one change: `python -m rollout_kit.drivers.pulumi.update FOLDER`.

FOLDER holds `request.json`. It gets `record.jsonl` (each step, written before it is taken),
`progress.jsonl` (a sentence a line) and, at the end, `result.json`. It exits with 0 (done), 1
(failed), 13 (refused: it would have gone further than allowed) or 16 (stopped). One SIGINT or
SIGTERM asks it to stop: the CLI finishes the operation that runs, and nothing more is begun.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from rollout_kit.drivers.pulumi import api, failures
from rollout_kit.drivers.pulumi.api import Kind, Outcome, Trouble, UpdateRequest, UpdateResult
from rollout_kit.drivers.pulumi.objects import ClusterObjects, NoObjects, Objects
from rollout_kit.drivers.work import records
from rollout_kit.model import codec
from rollout_kit.ports.errors import OutsideError

if TYPE_CHECKING:
    from rollout_kit.drivers.pulumi.session import Session

RECORD_FILE = "record.jsonl"
EXIT_CODES = {Outcome.DONE: 0, Outcome.FAILED: 1, Outcome.REFUSED: 13, Outcome.STOPPED: 16}


def main(argv: list[str], objects: Objects | None = None) -> int:
    """Carry out the request in the folder; gives the exit code.

    `objects`: where to look for what exists unrecorded, if not in the request's cluster.
    """
    folder = Path(argv[0])
    request = read_request(folder)
    looked_in = objects or objects_of(request)
    result = run(request, folder, looked_in, on_session=_stop_on_signals)
    write(folder / api.RESULT_FILE, result)
    return EXIT_CODES[result.outcome]


def run(
    request: UpdateRequest,
    folder: Path,
    objects: Objects,
    *,
    on_session: Callable[[Session], None] | None = None,
) -> UpdateResult:
    """The change with its records in `folder`; every failure is in the result."""
    record = _Lines(folder / RECORD_FILE)
    said = _Lines(folder / api.PROGRESS_FILE)
    try:
        from rollout_kit.drivers.pulumi import carrying  # the SDK comes with it
        from rollout_kit.drivers.pulumi.session import Session

        session = Session.begin(
            request,
            objects,
            say=lambda sentence: said.add({"sentence": sentence}, durable=False),
            note=lambda step, what: record.add({"step": step, "what": what}, durable=True),
        )
        if on_session is not None:
            on_session(session)
        return carrying.carry_out(session)
    except OutsideError as error:
        return _failed(failures.of_error(error))
    except ModuleNotFoundError as error:
        return _failed(_no_sdk(error))


def objects_of(request: UpdateRequest) -> Objects:
    """Where to look for what an interrupted update may have made."""
    stack = request.stack
    usual = Path.home() / ".kube" / "config"
    if stack.kubeconfig or stack.context or os.environ.get("KUBECONFIG") or usual.exists():
        return ClusterObjects(stack.kubeconfig, stack.context)
    return NoObjects()


def _stop_on_signals(session: Session) -> None:
    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        session.stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)


def read_request(folder: Path) -> UpdateRequest:
    return codec.from_json(
        UpdateRequest, json.loads((folder / api.REQUEST_FILE).read_text(encoding="utf-8"))
    )


def read_result(folder: Path) -> UpdateResult | None:
    """How it ended; None while it has not, or where it died."""
    try:
        text = (folder / api.RESULT_FILE).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    return codec.from_json(UpdateResult, json.loads(text))


def write(path: Path, value: UpdateRequest | UpdateResult) -> None:
    """A request or a result, whole and on disk."""
    text = json.dumps(codec.to_json(value), ensure_ascii=False, indent=1)
    records.replace_file(str(path), text + "\n", durable=True)


class _Lines:
    """A file of JSON lines."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, line: Mapping[str, str], *, durable: bool) -> None:
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"at": at, **line}, ensure_ascii=False) + "\n")
            file.flush()
            if durable:
                os.fsync(file.fileno())


def _failed(trouble: Trouble) -> UpdateResult:
    return UpdateResult(outcome=Outcome.FAILED, sentence=trouble.message, trouble=trouble)


def _no_sdk(error: ModuleNotFoundError) -> Trouble:
    return Trouble(
        kind=Kind.REFUSED,
        name="no-sdk",
        message=f"the Python package {error.name} is not installed",
        why="Changes of a Pulumi stack are made through its SDK.",
        hint="pip install 'rollout-kit[pulumi]'",
        trouble="not-found",
    )


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    os._exit(code)  # a program's own threads may still be at it, and are of no use any more

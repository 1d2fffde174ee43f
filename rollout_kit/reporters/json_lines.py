"""Every event as one JSON object a line on stdout: for programs that follow a rollout."""

from __future__ import annotations

import json
from collections.abc import Mapping

from rollout_kit.model.codec import to_json
from rollout_kit.model.events import Progress, Record
from rollout_kit.reporters.text import Printer

SCHEMA_VERSION = 1


class JsonLinesReporter:
    """Implements `ports.reporter.Reporter`. Records are as journaled; progress is not journaled."""

    def __init__(self, printer: Printer) -> None:
        self._printer = printer

    def record(self, record: Record) -> None:
        self._write("record", {"record": to_json(record)})

    def progress(self, progress: Progress) -> None:
        self._write("progress", {"progress": to_json(progress)})

    def result(self, result: Mapping[str, object]) -> None:
        """The last line: how it ended."""
        self._write("result", {"result": result})

    def _write(self, kind: str, body: Mapping[str, object]) -> None:
        head = {"schema_version": SCHEMA_VERSION, "type": kind}
        self._printer.raw(json.dumps({**head, **body}, separators=(",", ":")))


def document(kind: str, body: Mapping[str, object]) -> str:
    """One JSON document, as every other command prints it with `--output json`."""
    return json.dumps({"schema_version": SCHEMA_VERSION, "type": kind, **body}, indent=2)

"""Every event as one JSON object a line on stdout: for programs that follow a rollout."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from rollout_kit.model.codec import to_json
from rollout_kit.model.events import Progress, Record
from rollout_kit.reporters.json_document import SCHEMA_VERSION
from rollout_kit.reporters.text import Printer


def left_out(lines: int) -> str:
    """The line that stands for lines which nobody took; `record.sequence` has a gap there, too."""
    head = {"schema_version": SCHEMA_VERSION, "type": "left-out"}
    return json.dumps({**head, "lines": lines}, separators=(",", ":"))


class JsonLinesReporter:
    """Implements `ports.reporter.Reporter`. Records are as journaled; progress is not journaled."""

    def __init__(self, printer: Printer) -> None:
        self._printer = printer

    def catch_up(self, records: Sequence[Record]) -> None:
        """Nothing: each line is of what happens now."""

    def record(self, record: Record) -> None:
        self._write("record", {"record": to_json(record)})

    def progress(self, progress: Progress) -> None:
        if not self._printer.behind:
            self._write("progress", {"progress": to_json(progress)})

    def result(self, result: Mapping[str, object]) -> None:
        """The last line: how it ended."""
        self._write("result", {"result": result})

    def _write(self, kind: str, body: Mapping[str, object]) -> None:
        head = {"schema_version": SCHEMA_VERSION, "type": kind}
        self._printer.raw(json.dumps({**head, **body}, separators=(",", ":")))

"""A journal as an OpenTelemetry trace, for the tools in which people look at deployments.

Ids come from the rollout's id and the record that began the span: exported twice, a journal is the same
trace twice. The form is OTLP's JSON: ids in hex, 64-bit numbers as strings.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any

from rollout_kit.journal.spans import Span, spans
from rollout_kit.model.events import Record, RolloutStarted

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
PREFIX = "rollout_kit."
INTERNAL = 1  # the kind of a span that is neither a request's client nor its server
WORDS = re.compile(r"(?<=[a-z])(?=[A-Z])")


def traces(records: Sequence[Record]) -> Mapping[str, Any]:
    """OTLP's `TracesData` as JSON values: one trace; none where nothing has begun."""
    found = spans(records)
    if not found:
        return {"resourceSpans": []}
    started = records[0].event
    assert isinstance(started, RolloutStarted), "spans begin with it"
    resource = {"service.name": "rollout-kit", "service.version": started.tool_version}
    scope = {"name": "rollout_kit.journal", "version": _text(started.tool_version)}
    written = [_span(span, started.rollout) for span in found]
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": _attributes(resource)},
                "scopeSpans": [{"scope": scope, "spans": written}],
            }
        ]
    }


def _span(span: Span, rollout: str) -> Mapping[str, Any]:
    body: dict[str, Any] = {
        "traceId": _id(rollout, 16),
        "spanId": _id(f"{rollout}/{span.seed}", 8),
        "name": _text(span.name),
        "kind": INTERNAL,
        "startTimeUnixNano": _nanoseconds(span.start),
        "endTimeUnixNano": _nanoseconds(span.end),
        "attributes": _attributes({f"{PREFIX}{k}": v for k, v in span.about.items() if v != ""}),
        "events": [_event(record) for record in span.moments],
        "status": {"code": int(span.status)},
    }
    if span.parent:
        body["parentSpanId"] = _id(f"{rollout}/{span.parent}", 8)
    if span.message:
        body["status"]["message"] = _text(span.message)
    return body


def _event(record: Record) -> Mapping[str, Any]:
    """One moment: what the record says in texts and numbers, who wrote it, and under which lock."""
    about: dict[str, Any] = {
        "sequence": record.sequence,
        "actor": record.actor,
        "fence": record.fence,
    }
    for item in fields(record.event):
        value = getattr(record.event, item.name)
        if value != "" and isinstance(value, str | int | float):
            # who said it need not be who ran it
            about["said_by" if item.name == "actor" else item.name] = (
                value.value if isinstance(value, Enum) else value
            )
    return {
        "name": WORDS.sub("_", type(record.event).__name__).lower(),
        "timeUnixNano": _nanoseconds(record.at),
        "attributes": _attributes({f"{PREFIX}{k}": v for k, v in about.items()}),
    }


def _attributes(values: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in values.items()]


def _value(value: Any) -> Mapping[str, Any]:
    match value:
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}
        case list() | tuple():
            return {"arrayValue": {"values": [_value(item) for item in value]}}
        case _:
            return {"stringValue": _text(str(value))}


def _text(text: str) -> str:
    """A surrogate out of the wild is no UTF-8, and no reader would take it."""
    return text.encode("utf-8", "replace").decode()


def _nanoseconds(at: datetime) -> str:
    return str((at - EPOCH) // timedelta(microseconds=1) * 1000)


def _id(text: str, size: int) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:size].hex()

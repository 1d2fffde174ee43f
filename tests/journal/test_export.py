"""A journal as an OpenTelemetry trace: readable by OTLP's own definition, and telling what happened."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status, TracesData

from rollout_kit.journal.chain import parse
from rollout_kit.journal.otlp import traces
from rollout_kit.journal.spans import spans
from rollout_kit.model.events import (
    Event,
    GateDecided,
    GuardBreached,
    HoldKind,
    OperationAwaited,
    OperationCompleted,
    OperationFailed,
    OperationSkipped,
    Outcome,
    Record,
    RollbackStarted,
    RolloutFinished,
    RolloutHeld,
)
from rollout_kit.model.gate import Verdict
from rollout_kit.model.operation import Operation

from .cases import START, completed, intended, started, story
from .test_journal_codec import RECORDS

VERSIONS = Path(__file__).parent / "versions"
KEPT = sorted(VERSIONS.glob("v*.jsonl"))
EVERY = pytest.mark.parametrize("path", KEPT, ids=lambda path: path.stem)


def kept(name: str) -> tuple[Record, ...]:
    return parse((VERSIONS / f"{name}.jsonl").read_bytes(), name).records


def records(*events: Event, actor: str = "ada") -> tuple[Record, ...]:
    """Each a second after the one before it."""
    return tuple(
        Record(
            sequence=n,
            at=START + timedelta(seconds=n),
            attended_s=float(n),
            actor=actor,
            fence=1,
            previous="",
            event=event,
        )
        for n, event in enumerate(events)
    )


def as_otlp(data: Mapping[str, Any]) -> TracesData:
    """By OTLP's definition. Its JSON has ids in hex, where plain protobuf JSON has base64."""
    body = json.loads(json.dumps(data))
    for resource in body["resourceSpans"]:
        for scope in resource["scopeSpans"]:
            for span in scope["spans"]:
                for key in ("traceId", "spanId", "parentSpanId"):
                    if key in span:
                        span[key] = base64.b64encode(bytes.fromhex(span[key])).decode()
    return json_format.ParseDict(body, TracesData(), ignore_unknown_fields=False)


def read(given_records: tuple[Record, ...]) -> list[Span]:
    found = as_otlp(traces(given_records))
    return [s for r in found.resource_spans for scope in r.scope_spans for s in scope.spans]


def about(span: Span) -> dict[str, Any]:
    values = {item.key.removeprefix("rollout_kit."): item.value for item in span.attributes}
    return {key: getattr(value, value.WhichOneof("value")) for key, value in values.items()}


def named(found: list[Span], name: str) -> list[Span]:
    return [span for span in found if span.name == name]


@EVERY
def test_every_kept_journal_is_a_trace_by_otlps_definition(path: Path) -> None:
    found = read(parse(path.read_bytes(), path.name).records)

    assert len({span.trace_id for span in found}) == 1
    assert {len(span.trace_id) for span in found} == {16}
    assert {len(span.span_id) for span in found} == {8}
    ids = {span.span_id: span for span in found}
    assert len(ids) == len(found)
    roots = [span for span in found if not span.parent_span_id]
    assert [span.name for span in roots] == ["rollout walk"]
    for span in found:
        assert span.start_time_unix_nano <= span.end_time_unix_nano
        parent = ids[span.parent_span_id] if span.parent_span_id else span
        assert parent.start_time_unix_nano <= span.start_time_unix_nano
        assert span.end_time_unix_nano <= parent.end_time_unix_nano
        for event in span.events:
            assert span.start_time_unix_nano <= event.time_unix_nano <= span.end_time_unix_nano


def test_the_same_journal_is_the_same_trace() -> None:
    assert traces(kept("v1-succeeded")) == traces(kept("v1-succeeded"))


def test_what_was_exported_while_it_ran_keeps_its_ids() -> None:
    whole = kept("v1-succeeded")

    early = {span.span_id for span in read(whole[:20])}

    assert early < {span.span_id for span in read(whole)}


def test_steps_and_operations_stand_below_each_other_with_who_did_them() -> None:
    found = read(kept("v1-succeeded"))
    [rollout], [step] = named(found, "rollout walk"), named(found, "api")
    [replaced] = named(found, "api/api-1/replace")

    assert step.parent_span_id == rollout.span_id
    assert replaced.parent_span_id == step.span_id
    assert about(rollout)["outcome"] == "succeeded"
    assert about(step) == {"step": "api", "title": "api"}
    said = about(replaced)
    assert said["kind"] == "replace_node"
    assert (said["attempt"], said["actor"], said["fence"]) == (1, "me", 1)
    assert said["wrote"] is True
    assert {span.status.code for span in (rollout, step, replaced)} == {Status.STATUS_CODE_OK}


def test_undos_stand_below_the_rollback_and_the_failure_below_its_step() -> None:
    found = read(kept("v1-rolled-back"))
    [rollback], [failed] = named(found, "rollback"), named(found, "api/api-1/ready")

    undos = [span for span in found if span.name.startswith("undo/")]
    assert len(undos) == 3
    assert {span.parent_span_id for span in undos} == {rollback.span_id}
    assert rollback.status.code == Status.STATUS_CODE_OK
    assert 'version is "9.9.9"' in about(rollback)["cause"]
    assert failed.status.code == Status.STATUS_CODE_ERROR
    assert 'version is "9.9.9", expected "2.4.0"' in failed.status.message
    [step], [rollout] = named(found, "api"), named(found, "rollout walk")
    assert step.status.code == rollout.status.code == Status.STATUS_CODE_ERROR
    assert step.status.message.startswith("api/api-1/ready: ")


def test_holds_approvals_and_who_took_it_up_are_moments_of_the_rollout() -> None:
    found = read(kept("v1-held-and-resumed"))
    [rollout] = named(found, "rollout walk")
    moments = {event.name: event for event in rollout.events}

    assert {"attached", "rollout_held", "drift_accepted", "hold_released"} <= set(moments)
    said = {
        item.key.removeprefix("rollout_kit."): item.value.string_value
        for item in moments["approval_given"].attributes
    }
    assert (said["operation"], said["because"]) == ("ask/ask", "looked at it")
    assert (said["actor"], said["said_by"]) == ("me", "ann")
    fences = [f.int_value for f in about(rollout)["fences"].values]
    assert fences == [1, 2, 3]


def test_each_attempt_is_a_span_of_its_own() -> None:
    attempts = named(read(kept("v1-held-and-resumed")), "api/api-2/replace")

    assert [about(span)["attempt"] for span in attempts] == [1, 2]
    assert len({span.span_id for span in attempts}) == 2


GATE = Operation(id="canary/1/gate/served", kind="judge_gate", step="canary")


def test_a_gates_decision_is_a_moment_of_its_operation() -> None:
    decided = GateDecided(
        operation=GATE.id, gate="served", verdict=Verdict.PASS, sentence="0 of at most 0"
    )
    waited = OperationAwaited(operation=GATE, attempt=1)
    done = OperationCompleted(operation=GATE.id, facts={}, wrote=False)
    [gate] = named(read(records(started(), waited, decided, done)), GATE.id)

    assert [event.name for event in gate.events] == ["gate_decided"]
    values = {a.key: a.value.string_value for a in gate.events[0].attributes}
    assert values["rollout_kit.verdict"] == "pass"
    assert gate.end_time_unix_nano - gate.start_time_unix_nano == 2_000_000_000


def test_a_breached_guard_and_a_hold_are_moments_of_the_rollout() -> None:
    breach = GuardBreached(guard="served", sentence="3 unserved pins")
    hold = RolloutHeld(kind=HoldKind.FAILURE, operation="served", reason="it was breached")
    [rollout] = read(records(started(), breach, hold))

    assert [event.name for event in rollout.events] == ["guard_breached", "rollout_held"]
    assert rollout.status.code == Status.STATUS_CODE_UNSET, "it is not over"


def test_an_operation_that_is_under_way_has_no_status() -> None:
    [span] = named(read(records(started(), intended())), "api/api-1/detach")

    assert span.status.code == Status.STATUS_CODE_UNSET


def test_what_was_skipped_or_done_at_once_is_a_span_without_length() -> None:
    skipped = OperationSkipped(operation="verify/gate/x", reason="nothing wrote")
    found = read(records(started(), skipped, completed()))

    [one], [two] = named(found, "verify/gate/x"), named(found, "api/api-1/detach")
    assert about(one)["skipped"] == "nothing wrote"
    for span in (one, two):
        assert span.start_time_unix_nano == span.end_time_unix_nano


def test_a_rollout_rolled_back_after_its_end_ends_as_the_rollback_did() -> None:
    first = RolloutFinished(outcome=Outcome.SUCCEEDED, sentence="All done.")
    asked = RollbackStarted(cause="asked for by ada", actor="ada")
    last = RolloutFinished(outcome=Outcome.ROLLBACK_INCOMPLETE, sentence="api-1 is left.")
    found = read(records(started(), first, asked, last))

    [rollout], [rollback] = named(found, "rollout orders"), named(found, "rollback")
    assert rollout.status.message == rollback.status.message == "api-1 is left."
    assert about(rollout)["outcome"] == "rollback-incomplete"


def test_a_wall_clock_that_was_set_back_makes_no_negative_span() -> None:
    one, two, three = records(started(), intended(), completed())
    back = Record(
        **{name: getattr(three, name) for name in three.__slots__}
        | {"at": START - timedelta(hours=1)}
    )

    for span in read((one, two, back)):
        assert span.start_time_unix_nano <= span.end_time_unix_nano


def test_text_from_the_wild_is_written() -> None:
    wild = OperationFailed(operation="api/\ud800/detach", reason="cut \udfff")
    found = read(records(*story(), wild))

    assert [span.name for span in found][-1] == "api/?/detach"
    assert found[-1].status.message == "cut ?"


def test_a_journal_in_which_nothing_has_begun_is_an_empty_trace() -> None:
    assert read(()) == []
    assert spans(records(OperationFailed(operation="a", reason="b"))) == ()


@given(st.lists(RECORDS, max_size=2))
@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_records_say_they_are_a_trace(given_records: list[Record]) -> None:
    first = records(started())[0]

    assert read((first, *given_records))[0].name == "rollout orders"

"""What is kept of the engine's events: steps, drift, outputs, reasons, and no secret."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from rollout_kit.drivers.pulumi.api import Step
from rollout_kit.drivers.pulumi.events import Stream, name_of, progress
from tests.drivers.pulumi import recorded

THING = "urn:pulumi:dev::proj::lab:index:Thing::"


def _read(name: str, call: str, nth: int = 0) -> tuple[Stream, list[str]]:
    steps = [step for step in recorded.load(name) if str(step.get("call", "")).startswith(call)]
    said: list[str] = []
    stream = Stream(mask=str, on_event=lambda event: said.append(progress(event)))
    for event in recorded.events(steps[nth]):
        stream.take(event)
    return stream, [text for text in said if text]


def test_a_preview_gives_each_step_with_changed_paths_and_reasons() -> None:
    stream, _ = _read("preview/mixed", "stack.preview")
    steps = {(step.urn.removeprefix(THING), step.op): step for step in stream.steps.values()}
    assert set(steps) == {
        ("repl", "create-replacement"),
        ("repl", "replace"),
        ("repl", "delete-replaced"),
        ("upd", "update"),
        ("fresh", "create"),
        ("gone", "delete"),
    }
    assert steps["upd", "update"].changed == ("extra", "value")
    assert steps["repl", "replace"].reasons == ("key",)
    assert stream.over


def test_what_a_refresh_finds_is_drift_and_no_step() -> None:
    stream, _ = _read("preview/refresh-drift", "stack.preview(refresh=True)")
    assert stream.drifted == [
        Step(urn=f"{THING}keep", op="gone"),
        Step(urn=f"{THING}upd", op="refresh", changed=("value",)),
    ]
    assert [(step.urn.removeprefix(THING), step.op) for step in stream.steps.values()] == [
        ("upd", "update"),
        ("keep", "create"),
    ]
    assert stream.outputs == {"o": "computed-upd-1"}


def test_the_resource_that_is_waited_for_and_its_reason_are_the_progress() -> None:
    stream, said = _read("kubernetes/never-ready", "stack.up")
    assert said[:2] == [
        "updating Deployment web",
        "Deployment web: Waiting for app ReplicaSet to be available (0/1 Pods available)",
    ]
    failed = [item for item in stream.ended if item.failed]
    assert [name_of(item.step.urn) for item in failed] == ["Deployment web"]
    assert failed[0].not_ready[1].startswith("Minimum number of Pods")


def test_a_stream_that_was_cut_off_has_no_last_event() -> None:
    [step] = [step for step in recorded.load("up/success") if step.get("call") == "stack.up()"]
    stream = Stream(mask=str)
    for event in list(recorded.events(step))[:-2]:
        stream.take(event)
    assert not stream.over
    assert f"{THING}b create" in stream.steps


@pytest.mark.parametrize("secret", ["canary-cfg-77", "canary-out-77", "canary-prov-77"])
def test_secrets_in_debug_events_reach_nobody(secret: str) -> None:
    """Hazard 10: the stream carries secret outputs in clear; nothing of it is kept."""
    raw = json.dumps([step.get("events") for step in recorded.load("secrets/canary")])
    kept: list[object] = []
    for step in recorded.load("secrets/canary"):
        stream = Stream(mask=str, on_event=lambda event: kept.append(asdict(event)))
        for event in recorded.events(step):
            stream.take(event)
        kept.append([asdict(item) for item in stream.steps.values()])
        kept.append(dict(stream.outputs or {}))
    assert "canary-out-77" in raw
    assert secret not in json.dumps(kept, default=str)


def test_what_a_provider_says_is_masked_before_anybody_is_told() -> None:
    told: list[str] = []
    stream = Stream(
        mask=lambda text: text.replace("canary-err-77", "***"),
        on_event=lambda event: told.append(repr(event)),
    )
    for step in recorded.load("secrets/canary"):
        for event in recorded.events(step):
            stream.take(event)
    assert any("cannot use password ***" in text for text in told)
    assert not any("canary-err-77" in text for text in told)
    assert not any("canary-err-77" in item.text for item in stream.errors)


def test_a_resource_is_named_as_people_say_it() -> None:
    assert name_of("urn:pulumi:dev::proj::kubernetes:apps/v1:Deployment::web") == "Deployment web"
    assert name_of("urn:pulumi:dev::p::my:index:Node$kubernetes:core/v1:Service::a") == "Service a"

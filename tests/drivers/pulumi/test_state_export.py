"""The exported state as a picture, and its hash."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rollout_kit.drivers.pulumi import state_export
from rollout_kit.ports.errors import Incompatible
from tests.drivers.pulumi import recorded

THING = "urn:pulumi:dev::proj::lab:index:Thing::"


def _exported(**changes: Any) -> str:
    resource = {"urn": f"{THING}a", "type": "lab:index:Thing", "id": "a-1", "inputs": {"value": 1}}
    return json.dumps({"deployment": {"resources": [{**resource, **changes}]}})


def _exports(name: str) -> list[str]:
    found = [call for step in recorded.load(name) for call in recorded.calls(step)]
    return [
        call["stdout"]
        for call in found
        if "export" in call["argv"] and call["exit_code"] == 0 and call["stdout"].startswith("{")
    ]


@pytest.mark.parametrize("name", recorded.names())
def test_every_recorded_export_can_be_read(name: str) -> None:
    for text in _exports(name):
        assert state_export.picture(text).hash


def test_a_pending_create_is_seen_with_its_urn() -> None:
    """Hazard 1: no preview mentions it."""
    pictures = [state_export.picture(text) for text in _exports("signals/sigkill-cli-create")]
    pending = [item for picture in pictures for item in picture.pending]
    assert {(item.act, item.urn) for item in pending} == {("creating", f"{THING}slow")}
    assert not any(picture.clean for picture in pictures if picture.pending)


def test_what_never_got_ready_and_what_is_left_over_is_not_clean() -> None:
    assert state_export.picture(_exported()).clean
    assert not state_export.picture(_exported(initErrors=["not ready"])).clean
    assert not state_export.picture(_exported(delete=True)).clean


def test_ciphertexts_do_not_count_and_everything_else_of_the_inputs_does() -> None:
    def sealed(text: str) -> dict[str, Any]:
        secret = {state_export.SIGNATURE: state_export.SECRET, "ciphertext": text}
        return {"value": 1, "deep": [{"token": secret}]}

    first = state_export.picture(_exported(inputs=sealed("v1:aaa")))
    second = state_export.picture(_exported(inputs=sealed("v1:bbb")))
    assert first.hash == second.hash
    assert first.hash != state_export.picture(_exported(inputs={"value": 2})).hash
    assert first.hash != state_export.picture(_exported(id="a-2")).hash


def test_secret_outputs_of_the_stack_are_masked() -> None:
    root = {
        "urn": "urn:pulumi:dev::proj::pulumi:pulumi:Stack::proj-dev",
        "type": "pulumi:pulumi:Stack",
        "outputs": {"token": {state_export.SIGNATURE: state_export.SECRET, "ciphertext": "x"}},
    }
    picture = state_export.picture(json.dumps({"deployment": {"resources": [root]}}))
    assert picture.outputs == {"token": "[secret]"}


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"deployment": {"resources": [{}]}}', "nonsense"]
)
def test_what_is_no_export_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(Incompatible, match="exported state of the stack cannot be read"):
        state_export.picture(text)

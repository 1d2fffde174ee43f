"""`infra: {driver: manual}`: what it takes, and what it cannot tell."""

from __future__ import annotations

from pathlib import Path

import pytest

from rollout_kit.document.codes import Code
from rollout_kit.document.plan import ManualInfra
from rollout_kit.document.read import PlanReading, read_plan
from rollout_kit.document.substitute import Purpose

PLAN = Path(__file__).parents[2] / "pipelines" / "plans" / "gitops.yaml"
ENVIRONMENT = {
    name: f"http://{name}"
    for name in (
        "DURABLE_WORKFLOW_SERVER_URL",
        "DW_OPERATOR_TOKEN",
        "DW_ADMIN_TOKEN",
        "DW_API_1_URL",
        "DW_API_2_URL",
        "DW_API_3_URL",
    )
}


def read(text: str) -> PlanReading:
    return read_plan(
        text, file="gitops.yaml", variables={}, environment=ENVIRONMENT, purpose=Purpose.APPLY
    )


def test_it_needs_nothing_but_its_name() -> None:
    document = read(PLAN.read_text()).document
    assert document is not None
    assert document.infra == ManualInfra()


def test_a_fleet_file_beside_it_is_a_mistake() -> None:
    text = PLAN.read_text().replace("{driver: manual}", "{driver: manual, fleet: fleet.yaml}")
    reading = read(text)
    assert reading.document is None
    assert [found.code for found in reading.diagnostics] == [Code.UNKNOWN_KEY]


@pytest.mark.parametrize("before", ["", "\n    from_image: server:old"])
def test_identity_by_the_drivers_image_is_refused_with_what_to_write_instead(before: str) -> None:
    text = PLAN.read_text().replace("identity: version ", f"identity: infra {before}\n    #")
    reading = read(text)
    assert reading.document is None
    found = next(one for one in reading.diagnostics if one.code is Code.IDENTITY)
    assert "driver: manual" in found.detail
    assert "identity: version" in str(found.hint)
    assert found.line is not None
    assert "identity: infra" in text.splitlines()[found.line - 1]


def test_without_the_admin_token_nobody_could_read_a_marker() -> None:
    lines = PLAN.read_text().splitlines(keepends=True)
    reading = read("".join(line for line in lines if "admin: " not in line))
    assert reading.document is None
    assert [found.code for found in reading.diagnostics] == [Code.MISSING_KEY]
    assert "admin" in str(reading.diagnostics[0].hint)

"""The plans to copy are right as they stand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rollout_kit.document.diagnostics import render
from rollout_kit.document.read import PlanReading, read_canonical, read_plan
from rollout_kit.document.steps import StepKind
from rollout_kit.document.substitute import Purpose

FOLDER = Path(__file__).parents[2] / "pipelines" / "plans"
PLANS = sorted(FOLDER.glob("*.yaml"))


def opened(path: Path, variables: dict[str, str] | None = None) -> PlanReading:
    text = path.read_text(encoding="utf-8")
    names = re.findall(r"\$\{env:(\w+)\}", text)
    environment = {name: f"http://{name.lower().replace('_', '-')}:1" for name in names}
    return read_plan(
        text,
        file=path.name,
        variables=variables or {},
        environment=environment,
        purpose=Purpose.APPLY,
    )


def test_there_is_a_plan_for_every_kind_of_rollout() -> None:
    assert {path.stem for path in PLANS} >= {
        "rolling-upgrade",
        "workers-only",
        "api-only",
        "hotfix-forward-only",
        "restore",
        "restart",
        "smoke-then-approve",
    }


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.stem)
def test_a_plan_to_copy_has_nothing_wrong_with_it(path: Path) -> None:
    reading = opened(path)
    assert render(reading.diagnostics) == ""
    assert reading.document is not None


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.stem)
def test_a_plan_to_copy_comes_back_from_its_journal(path: Path) -> None:
    document = opened(path).document
    assert document is not None
    again = read_canonical(document.canonical)
    assert again == document
    assert again.digest == document.digest


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.stem)
def test_a_plan_to_copy_names_its_schema_for_editors(path: Path) -> None:
    first = path.read_text(encoding="utf-8").splitlines()[0]
    schema = first.removeprefix("# yaml-language-server: $schema=")
    assert (path.parent / schema).resolve().is_file()


def test_every_kind_of_step_is_shown_somewhere() -> None:
    shown = {
        step.uses
        for path in PLANS
        if (document := opened(path).document)
        for step in document.steps
    }
    assert shown == set(StepKind)


def test_the_rolling_upgrade_takes_its_times_from_the_command_line() -> None:
    times = ["bake", "node_bake", "hold", "sample_every", "gate_within", "node_within"]
    times += ["canary_within", "drain_within", "rollback_within", "overdue_at_most"]
    reading = opened(FOLDER / "rolling-upgrade.yaml", dict.fromkeys(times, "7s"))
    assert render(reading.diagnostics) == ""
    assert reading.document is not None
    left = set(re.findall(r'"(\d+[smh][0-9smh]*)"', reading.document.canonical))
    assert left == {"7s", "30s"}  # 30s: how long there may be no scheduler, which no demo waits for

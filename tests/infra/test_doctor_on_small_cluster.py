"""The shipped plan for Kubernetes and the shipped program, by `rollout-kit doctor`: nothing is missing."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from pulumi import automation as auto

from tests.infra.rendering import INFRA, loaded
from tests.infra.test_small_cluster import FULL, PROGRAM
from tests.standin.fixtures import Cli, standin

pytestmark = pytest.mark.crash

__all__ = ["standin"]

PLAN = INFRA.parent / "pipelines" / "plans" / "rolling-upgrade-kubernetes.yaml"


def _doctor(cli: Cli, program: str) -> str:
    """What it says of the shipped plan, without a cluster: the stand-in keeps objects in a file."""
    text = PLAN.read_text(encoding="utf-8")
    cluster = '  kubernetes: {context: "${var:context}"}\n'
    assert cluster in text
    text = text.replace(cluster, "").replace("../../infra/small-cluster", program)
    for number in (1, 2, 3):
        node = "kubernetes://${var:space}/StatefulSet/api-" + f"{number}:8080"
        assert node in text
        text = text.replace(node, f"http://127.0.0.1:{number}")
    plan = cli.folder / "plan.yaml"
    plan.write_text(text, encoding="utf-8")
    secrets = {"DW_OPERATOR_TOKEN": "operator", "DW_ADMIN_TOKEN": "admin"}
    ended = subprocess.run(
        [sys.executable, "-m", "rollout_kit", "doctor", str(plan)],
        cwd=cli.folder,
        env={
            **os.environ,
            **secrets,
            "DURABLE_WORKFLOW_SERVER_URL": "http://127.0.0.1:4",
            "PYTHONPATH": str(INFRA.parent),
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return ended.stdout


def _up(cli: Cli, program: object, **more: object) -> None:
    options = auto.LocalWorkspaceOptions(work_dir=str(cli.work))
    stack = auto.create_or_select_stack("prod", PROGRAM, program=program, opts=options)  # type: ignore[arg-type]
    values = {
        name: auto.ConfigValue(value if isinstance(value, str) else json.dumps(value))
        for name, value in {**FULL, **more}.items()
    }
    stack.set_all_config(values)
    stack.up()


def test_the_program_offers_all_that_the_plan_needs(standin: Cli) -> None:
    with loaded(PROGRAM) as module:
        _up(standin, module.fleet)
    said = _doctor(standin, str(INFRA / PROGRAM))
    assert "✓ stack contract" in said, said
    assert "✓ stack at rest" in said
    assert "✓ driver on api-1         runs server:1, in rotation" in said
    assert "✓ driver on api-3         runs server:1, out of rotation" in said
    assert "✓ driver on the scheduler" in said


def test_what_a_fleet_lacks_is_named(standin: Cli) -> None:
    nodes = {name: node for name, node in FULL["fleet:nodes"].items() if name != "api-3"}
    with loaded(PROGRAM) as module:
        _up(standin, module.fleet, **{"fleet:nodes": nodes, "fleet:scheduler": "null"})
    said = _doctor(standin, str(INFRA / PROGRAM))
    (line,) = [line for line in said.splitlines() if "stack contract" in line]
    assert line.startswith("✗")
    assert "nodes/api-3" in line
    assert "scheduler" in line
    assert "nodes/api-1" not in line

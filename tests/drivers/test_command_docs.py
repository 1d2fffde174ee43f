"""The script in the documentation does what stands beside it."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

import pytest

from rollout_kit.drivers.command.contract import contract_text
from rollout_kit.drivers.command.driver import CommandDriver
from rollout_kit.drivers.work.folder import UNDER_WAY
from rollout_kit.ports.infra import Answers, JobState, ProcessSpec, ReplaceNode, SetScheduler
from tests.drivers.conftest import eventually

pytestmark = pytest.mark.processes

DOCS = Path(__file__).parents[2] / "docs" / "drivers.md"

# A host is a file that holds the image of its container.
SSH = """#!/bin/sh
host=$1; shift 2
case "$1" in
ps) cat "hosts/$host" 2>/dev/null;;
rm) rm -f "hosts/$host";;
run) for word in "$@"; do last=$word; done; echo "$last" > "hosts/$host"; echo 0a1b2c;;
esac
true
"""


@pytest.fixture
def driver(tmp_path: Path) -> CommandDriver:
    section = DOCS.read_text().partition("\n## command\n")[2].partition("\n## ")[0]
    (text,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    (tmp_path / "fleet.py").write_text(text)
    (tmp_path / "hosts").mkdir()
    (tmp_path / "ssh").write_text(SSH)
    (tmp_path / "ssh").chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    return CommandDriver([sys.executable, "fleet.py"], tmp_path, tmp_path / "state", environment)


def done(driver: CommandDriver, key: str, change: ReplaceNode | SetScheduler) -> str:
    driver.begin(key, change)
    eventually(lambda: driver.work(key).state not in UNDER_WAY, 20.0)
    assert driver.work(key).state is JobState.SUCCEEDED, driver.work(key)
    return driver.work(key).detail


def test_the_documented_script_keeps_to_the_contract(driver: CommandDriver) -> None:
    assert driver.answers() == {Answers.SPEC, Answers.JOBS}, "a person's share included"
    assert driver.scheduler_spec() is None
    assert driver.node_spec("api-1") == ProcessSpec(image="")
    for _ in range(2):
        change = ReplaceNode(node="api-1", spec=ProcessSpec(image="server:2"))
        assert done(driver, "r/api-1/1", change) == "api-1 is done"
        assert driver.node_spec("api-1").image == "server:2"
    assert driver.node_spec("api-2").image == ""
    done(driver, "r/start/1", SetScheduler(spec=ProcessSpec(image="server:2")))
    assert driver.scheduler_spec() == ProcessSpec(image="server:2")
    done(driver, "r/stop/1", SetScheduler(spec=None))
    assert driver.scheduler_spec() is None


def test_every_field_of_the_contract_is_documented() -> None:
    section = DOCS.read_text().partition("\n## command\n")[2].partition("\n## ")[0]
    names: set[str] = set()
    kinds: set[str] = set()

    def walk(schema: object) -> None:
        if isinstance(schema, dict):
            names.update(schema.get("properties", {}))
            kinds.update(filter(None, [schema.get("properties", {}).get("kind", {}).get("const")]))
            for part in schema.values():
                walk(part)
        elif isinstance(schema, list):
            for part in schema:
                walk(part)

    walk(json.loads(contract_text()))
    missing = {name for name in names | kinds if not re.search(rf"\b{name}\b", section)}
    assert missing == set()

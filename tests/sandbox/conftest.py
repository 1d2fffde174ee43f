"""A sandbox in a folder of its own; every process of it is gone at the end."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rollout_kit.drivers.process.driver import ProcessDriver
from rollout_kit.drivers.process.whole import await_work
from rollout_kit.ports.infra import InfraChange
from rollout_kit.sandbox import fleet
from rollout_kit.sandbox.layout import NAMESPACE, Flaw, Generation, SandboxInfo
from rollout_kit.sandbox.wire import CONTROL_PLANE, Answer, Wire


@contextmanager
def sandbox(folder: Path, **options: object) -> Iterator[SandboxInfo]:
    try:
        yield fleet.up(folder, **options)  # type: ignore[arg-type]
    finally:
        fleet.down(folder)
        assert processes_of(folder) == []


def processes_of(folder: Path) -> list[str]:
    """Every process on this machine that names the folder."""
    listed = subprocess.run(
        ["ps", "-ww", "-eo", "pid,args"], capture_output=True, text=True, check=True
    )
    return [line for line in listed.stdout.splitlines() if str(folder) in line]


def wire(info: SandboxInfo, token: str = "DW_OPERATOR_TOKEN") -> Wire:
    return Wire(url=info.url, token=info.tokens[token], namespace=NAMESPACE, headers=CONTROL_PLANE)


def change(driver: ProcessDriver, key: str, wanted: InfraChange, within_s: float = 20.0) -> None:
    driver.begin(key, wanted)
    await_work(driver, [key], within_s)


def wait_for(there: Callable[[], object], what: str, within_s: float = 20.0) -> None:
    deadline = time.monotonic() + within_s
    while not there():
        if time.monotonic() > deadline:
            pytest.fail(f"not within {within_s:g} s: {what}")
        time.sleep(0.05)


def start(info: SandboxInfo, workflow_id: str, workflow_type: str, **more: object) -> Answer:
    body = {
        "workflow_id": workflow_id,
        "workflow_type": workflow_type,
        "task_queue": "orders",
        **more,
    }
    answer = wire(info).call("POST", "/api/workflows", body)
    assert answer.status == 201, answer
    return answer


def describe(info: SandboxInfo, workflow_id: str) -> Answer:
    return wire(info).call("GET", f"/api/workflows/{workflow_id}")


BOTH = pytest.mark.parametrize("generation", list(Generation))
__all__ = ["BOTH", "Flaw", "Generation"]

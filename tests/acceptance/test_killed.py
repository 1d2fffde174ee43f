"""`kill -9` at any moment: the same command again ends where it should, and no run is lost."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rollout_kit.sandbox import fleet
from rollout_kit.sandbox.layout import NODES, QUEUES, Generation, SandboxInfo
from tests.acceptance.machine import (
    PACE,
    PLANS,
    STATE,
    Machine,
    assignments,
    ours,
    sandbox_machine,
)
from tests.sandbox.conftest import wire

pytestmark = [pytest.mark.processes, pytest.mark.crash, pytest.mark.timeout(600)]

HERE = ("--state", STATE)

PATIENT = {"rollback_within": "300s", "canary_within": "120s", "drain_within": "120s"}
"""A rollout that is killed so often takes its time on a busy machine."""

Moments = tuple[tuple[str, str], ...]
MOMENTS: Moments = (
    ("OperationIntended", "schema/run"),  # the job runs on without us
    ("OperationIntended", "api/api-1/replace"),  # a node is out
    ("OperationCompleted", "api/api-2/ready"),  # replaced, and not yet back in
    ("OperationCompleted", "scheduler/stop"),  # nobody fires schedules
    ("OperationAwaited", "canary/share-2/bake"),  # in the canary, all starts on the new build
    ("OperationIntended", "drain/orders/stop"),  # workers are being stopped
)
BACK: Moments = (
    ("OperationIntended", "undo/canary/share-2/.*"),  # the old build is about to get its starts
    ("OperationIntended", "undo/scheduler/start/1"),  # the new scheduler is about to stop
    ("OperationIntended", "undo/api/api-2/replace/1"),  # a node is out, on its way back
)

WALK: Moments = (  # 0.2.x gives a build its starts by a walk over the nodes
    ("OperationIntended", "schema/run"),
    ("OperationIntended", "canary/smoke-1/api-1/replace"),  # a node is out, to come back marked
    ("OperationCompleted", "canary/smoke-1/api-1/ready"),  # marked, and not yet back in
    ("OperationIntended", "canary/share-2/api-3/replace"),  # two nodes pin to the new build
    ("OperationCompleted", "canary/share-2/scheduler/stop"),  # its marker follows; nobody fires
    ("OperationIntended", "drain/orders/stop"),  # here the stop is the drain
)
WALK_BACK: Moments = (
    ("OperationIntended", "undo/canary/share-2/scheduler/start/1"),
    ("OperationIntended", "undo/canary/share-2/api-2/replace/1"),  # a node out, to pin as before
    ("OperationIntended", "undo/api/api-1/replace/1"),
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Machine, SandboxInfo]]:
    folder = tmp_path_factory.mktemp("killed")
    with sandbox_machine(folder, workers=1, rate_hz=4) as (machine, info):
        yield machine, info
        machine.leave()


def versions(info: SandboxInfo) -> dict[str, str]:
    """What each node says that it is."""
    from rollout_kit.sandbox.wire import Wire

    token = info.tokens["DW_OPERATOR_TOKEN"]
    return {
        name: str(
            Wire(url=url, token=token, namespace="default", headers={})
            .call("GET", "/api/cluster/info")
            .body["version"]
        )
        for name, url in info.node_urls.items()
    }


def builds(info: SandboxInfo) -> dict[str, set[str | None]]:
    """Builds with living workers, of each queue."""
    driver = fleet.driver_of(info)
    living = [cohort for cohort in driver.cohort_specs() if driver.cohort_processes(cohort)]
    return {queue: {c.build_id for c in living if c.task_queue == queue} for queue in QUEUES}


def selected(info: SandboxInfo) -> dict[str, object]:
    """The build that gets new starts, of each queue."""
    found = {}
    for queue in QUEUES:
        rows = wire(info).call("GET", f"/api/task-queues/{queue}/build-ids").body["build_ids"]
        assert isinstance(rows, list)
        found[queue] = next(row["build_id"] for row in rows if row["new_start_selected"])
    return found


def markers(info: SandboxInfo) -> dict[str, object]:
    """The build that each node and the scheduler pin new runs to."""
    driver = fleet.driver_of(info)
    found: dict[str, object] = {name: driver.node_spec(name).marker for name in NODES}
    scheduler = driver.scheduler_spec()
    assert scheduler is not None
    return {**found, "scheduler": scheduler.marker}


def test_killed_at_many_moments_forward_and_back(place: tuple[Machine, SandboxInfo]) -> None:
    machine, info = place
    is_killed_forward_and_back(machine, info, MOMENTS, BACK, gives_starts=selected)


def test_killed_at_many_moments_of_a_marker_walk_forward_and_back(tmp_path: Path) -> None:
    options = {"generation": Generation.V0_2, "workers": 1, "rate_hz": 4}
    with sandbox_machine(tmp_path, **options) as (machine, info):
        try:
            is_killed_forward_and_back(machine, info, WALK, WALK_BACK, gives_starts=markers)
        finally:
            machine.leave()


def is_killed_forward_and_back(
    machine: Machine,
    info: SandboxInfo,
    moments: Moments,
    moments_back: Moments,
    *,
    gives_starts: Callable[[SandboxInfo], dict[str, object]],
) -> None:
    """`gives_starts`: the build that gets new starts, of each queue or node."""
    plan = (
        str(PLANS / "rolling-upgrade.yaml"),
        *assignments({**info.variables, **PACE, **PATIENT}),
    )
    apply = ("apply", *plan, *HERE)
    before = (versions(info), builds(info), gives_starts(info))

    for kind, operation in moments:
        running = machine.start(*apply)
        machine.await_event(kind, operation, within_s=240.0)
        running.kill()
        assert machine.journal_is_whole()
    ended = machine.run(*apply)

    assert ended.code == 0, ended.both
    assert "✓ Succeeded" in ended.out
    new = info.versions
    assert versions(info) == dict.fromkeys(NODES, new.server_to)
    assert builds(info) == {queue: {new.worker_to} for queue in QUEUES}
    assert set(gives_starts(info).values()) == {new.worker_to}
    assert len(list((machine.folder / STATE / "sandbox").glob("*.jsonl"))) == 1
    assert ours(machine.folder) == []
    assert fleet.account(info).lost == ()
    again = machine.run("preview", *plan, "--exit-code")
    assert again.code == 0, again.out
    assert "Nothing to do: the fleet is already there." in again.out

    rollout = machine.events()[0]["rollout"]
    back: tuple[str, ...] = ("rollback", rollout, *HERE)
    for kind, operation in moments_back:
        running = machine.start(*back)
        machine.await_event(kind, operation, within_s=240.0)
        running.kill()
        back = ("apply", *plan, *HERE) if operation == moments_back[0][1] else ("resume", *HERE)
    ended = machine.run(*back, "--output", "json")

    assert ended.code == 10, ended.both[-3000:]
    result = json.loads(ended.last_line)["result"]
    assert result["ending"] == "rolled-back"
    assert result["residue"] == []
    assert (versions(info), builds(info), gives_starts(info)) == before
    assert machine.journal_is_whole()
    assert ours(machine.folder) == []
    account = fleet.settle(info, 30)
    assert account.lost == ()
    assert account.open_claimable == 0
    assert account.completed > 60

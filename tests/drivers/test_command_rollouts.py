"""Each shipped plan that has a script of its own, carried out whole: killed on its way, or with a bad build.

The plan is the shipped one, with the sandbox's names and short times. The fleet's programs run where the
script puts them, under load; what runs in the end is read from the kernel.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from rollout_kit.drivers.process import whole
from rollout_kit.sandbox import account as accounting
from rollout_kit.sandbox import fleet, ledger
from rollout_kit.sandbox.account import LoadAccount
from rollout_kit.sandbox.layout import NAMESPACE, NODES, QUEUES, Flaw, SandboxInfo
from rollout_kit.sandbox.wire import CONTROL_PLANE, Wire
from tests.acceptance.machine import PLANS, STATE, Machine, sandbox_machine
from tests.drivers import nomad_agent
from tests.drivers.conftest import eventually
from tests.drivers.contained import TWO_SCHEDULERS, inside, running
from tests.drivers.platforms import PLATFORMS, hand_over, things

pytestmark = [pytest.mark.processes, pytest.mark.crash, pytest.mark.timeout(1800)]

HERE = ("--state", STATE)
PATIENCE_S = 60.0
WITHIN_S = 800.0
OTHERS = {"ansible": "fleet-maintenance-"}
"""What a script leaves to others stays with the sandbox."""
RESOURCES = {
    "nomad": "job/fleet-node-api-1",
    "ecs": "service/fleet-node-api-1",
    "ansible": "node/api-1",
}


@dataclass(frozen=True, kw_only=True)
class Place:
    """A fleet under load on one of the platforms."""

    machine: Machine
    info: SandboxInfo
    before: Counter[tuple[str, str]]

    def runs(self) -> Counter[tuple[str, str]]:
        return running(self.info.folder)

    def after(self) -> Counter[tuple[str, str]]:
        """What is to run once the rollout has ended well."""
        versions = self.info.versions
        server = versions.server_image(versions.server_to)
        worker = versions.worker_image(versions.worker_to)
        kinds = [what for what, _ in self.before]
        return Counter((what, worker if "worker/" in what else server) for what in kinds)

    def settled(self) -> LoadAccount:
        """What became of every start, once the open runs have ended."""
        whole.stop_process(driver := fleet.driver_of(self.info), "load/stop", "load")
        whole.await_work(driver, ["load/stop"], PATIENCE_S)
        wire = Wire(
            url=self.info.url,
            token=self.info.tokens["DW_OPERATOR_TOKEN"],
            namespace=NAMESPACE,
            headers=CONTROL_PLANE,
        )
        builds = {one.build for one in inside(self.info.folder) if one.build}

        def account() -> LoadAccount | None:
            starts = ledger.read(self.info.ledger)
            found = accounting.account(wire, starts, QUEUES, lambda pin: pin in {None, *builds})
            return None if found.open_claimable else found

        found = eventually(account, PATIENCE_S)
        assert found is not None, "runs stay open"
        return found


@pytest.fixture(
    params=["nomad", pytest.param("real nomad", marks=pytest.mark.real_nomad), "ecs", "ansible"]
)
def platform(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    if name == "real nomad" and (reason := nomad_agent.left_out()):
        pytest.skip(reason)
    return name


@contextmanager
def fleet_on(platform: str, folder: Path, flaw: Flaw | None = None) -> Iterator[Place]:
    with sandbox_machine(folder, workers=1, rate_hz=0, flaw=flaw) as (machine, info):
        left = OTHERS.get(platform, "nothing")
        there = [thing for thing in things(info) if not thing.name.startswith(left)]
        hand_over(info, there)
        with PLATFORMS[platform](machine.folder, info, there) as environment:
            wanted = sum(thing.count for thing in there)
            assert eventually(lambda: running(info.folder).total() == wanted, PATIENCE_S)
            assert eventually(lambda: all(fleet.status(info.folder).ready.values()), PATIENCE_S), (
                "every node is ready"
            )
            driver = fleet.driver_of(info)
            whole.start_process(driver, "load/start", "load")
            whole.await_work(driver, ["load/start"], PATIENCE_S)
            path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
            own = {**machine.environment, **environment, "PATH": path}
            there_machine = Machine(machine.folder, own)
            try:
                write_plan(platform, there_machine.folder, info)
                yield Place(machine=there_machine, info=info, before=running(info.folder))
            finally:
                there_machine.leave()


def write_plan(platform: str, folder: Path, info: SandboxInfo) -> None:
    """The shipped plan of the platform, for the sandbox: its names, short times, one more gate."""
    shipped = PLANS / f"command-{platform.removeprefix('real ')}.yaml"
    plan = yaml.safe_load(shipped.read_text())
    versions = info.versions
    plan["target"] |= {
        "namespace": NAMESPACE,
        "nodes": [{"name": name, "url": url} for name, url in info.node_urls.items()],
    }
    plan["release"]["server"] |= {
        "from": versions.server_from,
        "to": versions.server_to,
        "image": versions.server_image(versions.server_to),
    }
    (workers,) = plan["release"]["workers"]
    build = {
        "from": versions.worker_from,
        "to": versions.worker_to,
        "image": versions.worker_image(versions.worker_to),
        "replicas": 1,
    }
    plan["release"]["workers"] = [{**workers, **build, "task_queue": queue} for queue in QUEUES]
    quick = {"for": "1s", "within": "20s", "interval": "1s"}
    plan["gates"] = {name: {**gate, **quick} for name, gate in plan["gates"].items()}
    if info.flaw is not None:  # its attempts fail before they succeed: no run does
        attempts = {"metric": "activities.failed_attempts", "increase_at_most": 12}
        plan["gates"]["attempts"] = {**attempts, **quick, "for": "8s"}
    steps = {step["id"]: step for step in plan["steps"]}
    steps["api"]["with"] = {"order": list(NODES), "bake": "0s", "within": "90s"}
    steps["scheduler"]["with"] = {"within": "90s"}
    share: dict[str, Any] = {"share": "100%", "bake": "1s"}
    smoke = {"smoke": {"workflow_type": "ping", "count": 2}}
    steps["canary"]["with"] = {
        "task_queue": list(QUEUES),
        "within": "120s",
        "stages": [smoke, share],
    }
    steps["canary"]["gates"] += [name for name in plan["gates"] if name == "attempts"]
    drained = {"cohort": versions.worker_from, "within": "120s"}
    steps["drain"]["with"] = {"task_queue": list(QUEUES), **drained}
    (folder / "plan.yaml").write_text(yaml.safe_dump(plan, sort_keys=False))


def test_killed_on_its_way_it_goes_on_to_the_end_and_no_run_is_lost(
    platform: str, tmp_path: Path
) -> None:
    with fleet_on(platform, tmp_path) as place:
        begun = place.machine.start("apply", "plan.yaml", *HERE)
        place.machine.await_event("OperationIntended", "api/api-2/replace", within_s=WITHIN_S)
        begun.kill()
        ran = place.machine.run("resume", *HERE, within_s=WITHIN_S)
        assert ran.code == 0, ran.both[-4000:]
        assert place.runs() == place.after()
        (started,) = [one for one in place.machine.events() if one["is"] == "RolloutStarted"]
        said = {one["operation"]: one["resources"] for one in started["announced"]}
        assert said["api/api-1/replace"] == [RESOURCES[platform.removeprefix("real ")]]
        nothing_was_lost(place)


def test_a_finished_rollout_is_taken_back(tmp_path: Path) -> None:
    with fleet_on("nomad", tmp_path) as place:
        ran = place.machine.run("apply", "plan.yaml", *HERE, within_s=WITHIN_S)
        assert ran.code == 0, ran.both[-4000:]
        (started,) = [one for one in place.machine.events() if one["is"] == "RolloutStarted"]
        back = place.machine.run("rollback", started["rollout"], *HERE, within_s=WITHIN_S)
        assert back.code == 10, back.both[-4000:]
        assert place.runs() == place.before
        nothing_was_lost(place)


def test_a_canary_that_fails_is_taken_back_and_no_run_is_lost(
    platform: str, tmp_path: Path
) -> None:
    with fleet_on(platform, tmp_path, Flaw.CANARY) as place:
        ran = place.machine.run("apply", "plan.yaml", *HERE, within_s=WITHIN_S)
        assert ran.code == 10, ran.both[-4000:]
        assert "gate attempts" in ran.both
        assert place.runs() == place.before
        nothing_was_lost(place)


def nothing_was_lost(place: Place) -> None:
    """No run, and no schedule's run twice."""
    account = place.settled()
    assert account.completed > 0
    assert account.lost == ()
    assert not (place.info.folder / TWO_SCHEDULERS).exists()

"""The driver with programs in Node.js, Go and YAML: the same step, the same bounds, the same recovery.

With the real CLI, and each where its language host is on PATH. A node is an object that is replaced
and one that is its membership, in every language by the same stack contract.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollout_kit.drivers.pulumi import api
from rollout_kit.drivers.pulumi import driver as pulumi_driver
from rollout_kit.drivers.pulumi.driver import PulumiDriver
from rollout_kit.drivers.pulumi.marks import Marks
from rollout_kit.model.operation import Announcement
from rollout_kit.ports.infra import InfraChange, JobState, ReplaceNode, SetAttached
from tests.drivers.pulumi.lab import ROOT, until
from tests.drivers.pulumi.languages import bring_up, language, ready  # noqa: F401
from tests.drivers.pulumi.test_driver import BASE, NEW, OLD, ended, landed
from tests.standin.fixtures import Cli, real_or_standin  # noqa: F401

pytestmark = [
    pytest.mark.crash,
    pytest.mark.processes,
    pytest.mark.timeout(1200),
    pytest.mark.xdist_group("pulumi-languages"),
    pytest.mark.parametrize(
        "real_or_standin", [pytest.param("real", marks=pytest.mark.real_pulumi)], indirect=True
    ),
]

FLEET = {key: BASE[key] for key in ("nodes", "scheduler")}
DETACH = SetAttached(node="api-1", attached=False)
REPLACE = ReplaceNode(node="api-1", spec=NEW)
DETACHING, REPLACING = "api/api-1/detach", "api/api-1/replace"
NODE = "urn:pulumi:dev::rolled_fleet::lab:index:Thing::node-api-1"


@pytest.fixture
def cli(real_or_standin: Cli) -> Cli:  # noqa: F811
    return real_or_standin


@pytest.fixture
def program(ready: Path, cli: Cli) -> Path:  # noqa: F811
    return Path(shutil.copytree(ready, cli.folder / "program", symlinks=True))


@pytest.fixture
def driver(cli: Cli, program: Path) -> Iterator[PulumiDriver]:
    """A stack that stands, and the driver of a plan that names it."""
    bring_up(program, FLEET)
    made = driver_of(cli, program)
    yield made
    made.leave()


def driver_of(cli: Cli, program: Path) -> PulumiDriver:
    stack = api.Stack(
        program=api.Program(path=str(program)),
        name="dev",
        project="rolled_fleet",
        folder=str(cli.folder / "ours"),
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return PulumiDriver(stack, environment, plan_folder=cli.folder)


def test_a_node_is_taken_out_replaced_and_put_back(driver: PulumiDriver, cli: Cli) -> None:
    digest = driver.program().digest
    assert landed(lambda: driver.node_spec("api-1")) == OLD
    said = landed(lambda: driver.announce(((DETACHING, DETACH), (REPLACING, REPLACE))))
    assert [(one.kinds, one.beyond) for one in said] == [(("update",), ()), (("replace",), ())]
    driver.hold_to(said, driver.program())
    assert ended(driver, f"r-1/{DETACHING}/1", DETACH).state is JobState.SUCCEEDED
    assert ended(driver, f"r-1/{REPLACING}/1", REPLACE).state is JobState.SUCCEEDED
    assert landed(lambda: driver.node_spec("api-1")) == NEW
    assert landed(lambda: driver.attached("api-1")) is False
    back, attach = ReplaceNode(node="api-1", spec=OLD), SetAttached(node="api-1", attached=True)
    assert ended(driver, f"r-1/undo/{REPLACING}/1/1", back).state is JobState.SUCCEEDED
    assert ended(driver, f"r-1/undo/{DETACHING}/1/1", attach).state is JobState.SUCCEEDED
    assert landed(lambda: driver.node_spec("api-1")) == OLD
    assert cli.locks(project="rolled_fleet") == []
    assert driver.program().digest == digest


def test_what_was_not_announced_is_refused_and_stays(driver: PulumiDriver, cli: Cli) -> None:
    before = cli.world()
    announced = Announcement(operation=REPLACING, resources=(NODE,), kinds=("update",), changed=())
    driver.hold_to((announced,), driver.program())
    refused = ended(driver, f"r-1/{REPLACING}/1", REPLACE)
    assert refused.state is JobState.REFUSED
    assert "replace Thing node-api-1" in refused.detail
    assert cli.world() == before


def test_a_cli_that_is_killed_while_it_changes_is_followed_by_one_that_ends_it(
    driver: PulumiDriver, cli: Cli
) -> None:
    landed(lambda: driver.node_spec("api-1"))
    _killed(driver, cli, "detach", DETACH, "front-api-1")
    again = ended(driver, "detach", DETACH)
    assert again.state is JobState.SUCCEEDED, again
    assert cli.world()["front-api-1-1"]["value"] is False
    assert cli.locks(project="rolled_fleet") == []
    assert landed(lambda: driver.attached("api-1")) is False


def test_a_cli_that_is_killed_while_it_replaces_leaves_nothing_that_is_made_twice(
    driver: PulumiDriver, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulumi_driver, "CHILD", "tests.drivers.pulumi.lab_child")
    landed(lambda: driver.node_spec("api-1"))
    _killed(driver, cli, "replace", REPLACE, "node-api-1")
    assert [name for name in cli.world() if name.startswith("node-api-1")] == ["node-api-1-1"]
    again = ended(driver, "replace", REPLACE)
    assert again.state is JobState.SUCCEEDED, again
    assert [name for name in cli.world() if name.startswith("node-api-1")] == ["node-api-1-1"]
    assert cli.locks(project="rolled_fleet") == []
    assert landed(lambda: driver.node_spec("api-1")) == NEW


def _killed(driver: PulumiDriver, cli: Cli, key: str, change: InfraChange, thing: str) -> None:
    """Begins it, and kills the CLI as soon as the provider has done what it will never tell."""
    before = cli.world().get(f"{thing}-1")
    held = cli.folder / f"held-{thing}"
    held.touch()
    landed(lambda: driver.begin(key, change))
    until(lambda: cli.world().get(f"{thing}-1") not in (None, before), within_s=240)
    mark = Marks(Path(driver.stack.folder)).found()
    assert mark is not None
    for pid, _ in mark.pids:
        os.kill(pid, signal.SIGKILL)
    until(lambda: driver.work(key).state not in (JobState.QUEUED, JobState.RUNNING))
    assert driver.work(key).state is not JobState.SUCCEEDED
    held.unlink()

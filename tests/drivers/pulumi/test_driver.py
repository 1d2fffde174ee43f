"""The driver behind the port: a stack of lab objects, the real SDK, the stand-in engine."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from rollout_kit.drivers.pulumi import api
from rollout_kit.drivers.pulumi.driver import PulumiDriver
from rollout_kit.model.identity import CohortRef
from rollout_kit.model.operation import Announcement, InfraProgram
from rollout_kit.ports.errors import InFlight, NotYet, Refused, Unavailable
from rollout_kit.ports.infra import (
    CohortSpec,
    InfraChange,
    JobState,
    JobStatus,
    ProcessSpec,
    RemoveCohort,
    ReplaceNode,
    SetAttached,
    SetCohort,
    SetScheduler,
)
from tests.drivers.pulumi.rolling import PROGRAM, bring_up
from tests.standin.fixtures import Cli, real_or_standin  # noqa: F401

pytestmark = [pytest.mark.processes, pytest.mark.crash, pytest.mark.timeout(600)]

T = TypeVar("T")
OLD, NEW = ProcessSpec(image="server:1"), ProcessSpec(image="server:2", marker="m")
BASE = {
    "nodes": {
        name: {"image": "server:1", "marker": None, "attached": True, "environment": {}}
        for name in ("api-1", "api-2")
    },
    "scheduler": {"image": "server:1", "marker": None, "running": True, "environment": {}},
    "maintenance": {},
}
REPLACE = ReplaceNode(node="api-1", spec=NEW)
NEXT = CohortRef(namespace="default", task_queue="orders", build_id="b2")
DETACH = SetAttached(node="api-1", attached=False)


def landed(read: Callable[[], T], within_s: float = 120.0) -> T:
    until_s = time.monotonic() + within_s
    while True:
        try:
            return read()
        except (InFlight, NotYet):
            assert time.monotonic() < until_s
        time.sleep(0.05)


def ended(driver: PulumiDriver, key: str, change: InfraChange) -> JobStatus:
    landed(lambda: driver.begin(key, change))
    until_s = time.monotonic() + 120.0
    while (status := driver.work(key)).state in (JobState.QUEUED, JobState.RUNNING):
        assert time.monotonic() < until_s, status
        time.sleep(0.05)
    return status


@pytest.fixture
def standin(real_or_standin: Cli) -> Cli:  # noqa: F811
    return real_or_standin


@pytest.fixture
def driver(standin: Cli) -> PulumiDriver:
    """A stack that stands, and the driver of a plan that names it."""
    shutil.copy(PROGRAM, standin.folder)
    bring_up(standin, {"fleet": json.dumps(BASE)})
    return made(standin)


def made(cli: Cli, plan_folder: Path | None = None) -> PulumiDriver:
    stack = api.Stack(
        program=api.Program(path=str(cli.folder / PROGRAM.name), function="main"),
        name="dev",
        project="rolled_fleet",
        folder=str(cli.folder / "ours"),
    )
    return PulumiDriver(stack, dict(os.environ), plan_folder=plan_folder or cli.folder)


def test_what_runs_is_what_program_and_world_agree_on(
    driver: PulumiDriver,
    standin: Cli,
) -> None:
    assert landed(lambda: driver.node_spec("api-1")) == OLD
    assert driver.attached("api-1") is True
    assert driver.scheduler_spec() == OLD
    assert driver.cohort_specs() == {}
    assert driver.connections("api-1") is None
    assert driver.output(("nodes", "api-2", "runs", "image")) == "server:1"
    assert driver.knows_image("server:1") is True
    assert driver.knows_image("no image") is False
    with pytest.raises(Refused, match="is known when it is pulled"):
        driver.knows_image("server:9")
    with pytest.raises(Refused, match='no node "api-9"; it has: api-1, api-2'):
        driver.node_spec("api-9")

    (standin.world_folder / "front-api-2-1").write_text(json.dumps({"value": False}))
    again = made(standin)
    with pytest.raises(Unavailable, match=r"not as its stack says: .*front-api-2"):
        landed(lambda: again.attached("api-2"))
    assert landed(lambda: again.attached("api-1")) is True


def test_changes_are_announced_each_with_what_it_adds_and_nothing_is_written(
    driver: PulumiDriver,
    standin: Cli,
) -> None:
    before = standin.world()
    changes: tuple[tuple[str, InfraChange], ...] = (
        ("api/api-1/detach", DETACH),
        ("api/api-1/replace", REPLACE),
        ("api/api-1/attach", SetAttached(node="api-1", attached=True)),
        ("sched/stop", SetScheduler(spec=None)),
    )
    said = landed(lambda: driver.announce(changes))
    assert [
        (one.operation, [u.rpartition("::")[2] for u in one.resources], one.kinds, one.beyond)
        for one in said
    ] == [
        ("api/api-1/detach", ["front-api-1"], ("update",), ()),
        ("api/api-1/replace", ["node-api-1"], ("replace",), ()),
        ("api/api-1/attach", ["front-api-1"], ("update",), ()),
        ("sched/stop", ["scheduler"], ("update",), ()),
    ]
    assert said[1].changed == ("replace Thing node-api-1 (key)",)
    assert standin.world() == before


def test_a_change_is_held_to_what_was_announced_and_its_undo_too(
    driver: PulumiDriver,
    standin: Cli,
) -> None:
    node = "urn:pulumi:dev::rolled_fleet::lab:index:Thing::node-api-1"

    def announced(kind: str) -> tuple[Announcement, ...]:
        return (
            Announcement(
                operation="api/api-1/replace", resources=(node,), kinds=(kind,), changed=()
            ),
        )

    before = standin.world()
    driver.hold_to(announced("update"), driver.program())
    refused = ended(driver, "r-1/api/api-1/replace/1", REPLACE)
    assert refused.state is JobState.REFUSED
    assert "replace Thing node-api-1" in refused.detail
    assert standin.world() == before
    assert landed(lambda: driver.node_spec("api-1")) == OLD  # nothing was sent: nothing in doubt

    driver.hold_to(announced("replace"), driver.program())
    assert ended(driver, "r-1/api/api-1/replace/2", REPLACE).state is JobState.SUCCEEDED
    assert landed(lambda: driver.node_spec("api-1")) == NEW
    assert driver.node_spec("api-2") == OLD
    back = ReplaceNode(node="api-1", spec=OLD)
    done = ended(driver, "r-1/undo/api/api-1/replace/1/1", back)
    assert done.state is JobState.SUCCEEDED, done.detail
    afresh = made(standin)
    assert landed(lambda: afresh.node_spec("api-1")) == OLD


def test_a_change_that_was_cut_off_leaves_nothing_that_looks_done_and_is_begun_again(
    driver: PulumiDriver,
    standin: Cli,
) -> None:
    if standin.real:
        pytest.skip("the real engine breaks at nobody's word: see the tests that kill it")
    standin.faults({"at": "applied", "do": "crash", "name": "front-api-1"})
    cut = ended(driver, "r-1/api/api-1/detach/1", DETACH)
    assert cut.state in (JobState.LOST, JobState.FAILED), cut
    standin.faults()
    assert ended(driver, "r-1/api/api-1/detach/1", DETACH).state is JobState.SUCCEEDED
    assert landed(lambda: driver.attached("api-1")) is False
    assert standin.locks(project="rolled_fleet") == []


def test_a_stopped_cohort_is_removed_and_is_there_still_where_that_was_cut_off(
    driver: PulumiDriver,
    standin: Cli,
) -> None:
    before = standin.world()
    bring, stop = (SetCohort(cohort=NEXT, spec=CohortSpec(image="w:2", replicas=n)) for n in (2, 0))
    announced = landed(lambda: driver.announce((("deploy", bring),)))
    driver.hold_to(announced, driver.program())
    assert ended(driver, "r-1/deploy/1", bring).state is JobState.SUCCEEDED
    assert landed(driver.cohort_specs)[NEXT].replicas == 2
    assert ended(driver, "r-1/undo/deploy/1/1", stop).state is JobState.SUCCEEDED
    remove = RemoveCohort(cohort=NEXT)
    if not standin.real:
        standin.faults({"at": "applied", "do": "crash", "name": "cohort-b2"})
        cut = ended(driver, "r-1/undo/deploy/2/1", remove)
        assert cut.state in (JobState.LOST, JobState.FAILED), cut
        standin.faults()
        assert landed(made(standin).cohort_specs) == {NEXT: CohortSpec(image="", replicas=0)}
    done = ended(driver, "r-1/undo/deploy/2/1", remove)
    assert done.state is JobState.SUCCEEDED, done.detail
    assert landed(driver.cohort_specs) == {}
    assert standin.world() == before
    again = ended(driver, "r-2/deploy/1", bring)
    assert again.state is JobState.SUCCEEDED, again.detail
    assert landed(driver.cohort_specs)[NEXT].replicas == 2


def test_what_lies_beside_the_plan_is_nobodys_library(
    driver: PulumiDriver,  # its stack
    standin: Cli,
    tmp_path: Path,
) -> None:
    plans = tmp_path / "plans"
    plans.mkdir()
    (plans / "queue.py").write_text("raise RuntimeError('not the standard library')\n")
    done = ended(made(standin, plans), "r-1/api/api-1/detach/1", DETACH)
    assert done.state is JobState.SUCCEEDED, done.detail


def test_another_program_undoes_only_what_it_would_otherwise_leave_alone(
    driver: PulumiDriver,
    standin: Cli,
) -> None:
    begun_with = driver.program()
    assert landed(lambda: driver.put_back_by(begun_with)) == ""
    program = standin.folder / PROGRAM.name
    text = program.read_text()
    program.write_text(text + "\n# another commit\n")
    unlike = made(standin)
    assert landed(lambda: unlike.put_back_by(begun_with)) == ""
    program.write_text(
        text.replace('Thing("foreign"', 'Thing("foreigner"')
        .replace('if pulumi.Config().get("foreign")', "if True")
        .replace('{"value": pulumi.Config().get("foreign")}', '{"value": 1}')
    )
    kept = InfraProgram(path=begun_with.path, commit="abc123", digest=begun_with.digest)
    another = made(standin)
    sentence = landed(lambda: another.put_back_by(kept))
    assert "it would create Thing foreigner" in sentence
    assert "check out commit abc123" in sentence

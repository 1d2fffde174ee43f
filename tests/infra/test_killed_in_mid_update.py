"""The CLI killed (-9) in each kind of change of `infra/small-cluster`: the way back restores all.

With the real CLI and its Kubernetes provider only: where a kill strikes is theirs to decide.
"""

from __future__ import annotations

import copy
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from rollout_kit.drivers.pulumi import api, radius, update
from rollout_kit.drivers.pulumi.allowing import counts_as
from rollout_kit.drivers.pulumi.api import Outcome, UpdateRequest, UpdateResult
from rollout_kit.drivers.pulumi.contract import given_or_refused
from rollout_kit.drivers.pulumi.marks import Marks
from rollout_kit.model.identity import CohortRef
from rollout_kit.model.operation import Announcement
from rollout_kit.ports.infra import (
    CohortSpec,
    InfraChange,
    ProcessSpec,
    ReplaceNode,
    RunJob,
    SetAttached,
    SetCohort,
    SetMaintenance,
    SetScheduler,
)
from tests.infra.in_a_cluster import until
from tests.infra.test_small_cluster import B1, B2, PROGRAM
from tests.infra.test_small_cluster_through_the_engine import Stack, moved, stack  # noqa: F401
from tests.standin.fixtures import Cli
from tests.toolchain.cluster import Cluster

ROOT = Path(__file__).parents[2]
KINDS = (
    *(("apps/v1", "StatefulSet"), ("apps/v1", "Deployment"), ("batch/v1", "Job")),
    *(("v1", "Service"), ("policy/v1", "PodDisruptionBudget")),
)
REAL = pytest.mark.parametrize(
    "real_or_standin", [pytest.param("real", marks=pytest.mark.real_pulumi)], indirect=True
)
pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]


class Sign(StrEnum):
    """What a kill waits for before its pause begins."""

    SENT = "the CLI runs"
    BEGUN = "the engine has turned to a resource"
    SEEN = "the world has changed"


@dataclass(frozen=True, kw_only=True)
class Moment:
    """When a kill strikes: so long after a sign. A machine's speed moves neither."""

    sign: Sign
    after_s: float = 0.0


def after(sign: Sign, *pauses_s: float) -> tuple[Moment, ...]:
    return tuple(Moment(sign=sign, after_s=pause_s) for pause_s in pauses_s)


MOMENTS = (*after(Sign.BEGUN, 0.0), *after(Sign.SEEN, 0.0, 0.05, 0.2))
TEN_MOMENTS = (
    *after(Sign.SENT, 0.0, 0.4),
    *after(Sign.BEGUN, 0.0, 0.03, 0.08, 0.15),
    *after(Sign.SEEN, 0.0, 0.05, 0.2, 0.4),
)


class Changes:
    """Changes of the stack, each by a child of its own."""

    def __init__(self, cli: Cli, cluster: Cluster, space: str, folder: Path) -> None:
        self._cli, self._folder, self._number = cli, folder, 0
        self._look = partial(running, cluster, space)
        self._may: tuple[api.May, ...] = ()
        program = api.Program(path=str(ROOT / "infra" / PROGRAM / "program.py"), function="fleet")
        (folder / "stack").mkdir()
        self._stack = api.Stack(
            program=program,
            name="dev",
            project=PROGRAM,
            folder=str(folder / "stack"),
            backend=f"file://{cli.state}",
            kubeconfig=str(cluster.kubeconfig),
        )

    def announce(self, key: str, value: Any, about: InfraChange) -> None:
        """What a rollout would announce of this may be done from now on, and undone."""
        steps = api.preview(self._stack, {f"fleet:{key}": value}).steps
        kinds = [counts_as(step.op) for step in steps]
        announced = Announcement(
            operation="o",
            resources=tuple(step.urn for step in steps),
            kinds=tuple(kinds),
            changed=(),
            creates=tuple(
                step.urn for step, kind in zip(steps, kinds, strict=True) if kind == radius.CREATE
            ),
        )
        given = given_or_refused(api.look(self._stack).outputs["fleet"], PROGRAM)
        said = radius.Said(here=announced, undoing=True)
        self._may = radius.may(about, given, said, stack=self._stack)

    def make(self, key: str, value: Any, kill: Moment | None = None) -> UpdateResult:
        self._number += 1
        folder = self._folder / str(self._number)
        folder.mkdir()
        request = UpdateRequest(
            stack=self._stack,
            operation=f"r/op-{self._number}/1",
            wanted={f"fleet:{key}": value},
            may=self._may,
            within_s=120.0,
        )
        update.write(folder / api.REQUEST_FILE, request)
        child = subprocess.Popen(
            [sys.executable, "-m", "rollout_kit.drivers.pulumi.update", str(folder)],
            env={**os.environ, **self._cli.environment(), "PYTHONPATH": str(ROOT)},
            start_new_session=True,
            stdout=subprocess.DEVNULL,
        )
        if kill is not None:
            self._kill(child, kill, folder / api.PROGRESS_FILE)
        child.wait(timeout=180)
        result = update.read_result(folder)
        assert result is not None
        return result

    def _kill(self, child: subprocess.Popen[bytes], when: Moment, said: Path) -> None:
        """The CLI of the update, which is on our record as soon as it runs."""
        before = self._look() if when.sign is Sign.SEEN else {}
        marks = Marks(Path(self._stack.folder))
        while (mark := marks.found()) is None or not mark.pids:
            if child.poll() is not None:
                return
            time.sleep(0.005)
        told = len(said.read_text().splitlines())
        signs: dict[Sign, Callable[[], bool]] = {
            Sign.SENT: lambda: True,
            Sign.BEGUN: lambda: len(said.read_text().splitlines()) > told,
            Sign.SEEN: lambda: self._look() != before,
        }
        while not signs[when.sign]() and child.poll() is None:
            time.sleep(0.002)
        time.sleep(when.after_s)
        for pid, _ in mark.pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:  # it had ended
                continue

    def recorded(self) -> dict[str, tuple[str, str]]:
        """Of each resource, by URN: its id and its inputs."""
        latest = self._cli.checkpoint(project=PROGRAM)
        assert not latest.get("pending_operations")
        return {
            item["urn"]: (item.get("id", ""), json.dumps(item.get("inputs"), sort_keys=True))
            for item in latest["resources"]
        }


def running(cluster: Cluster, space: str) -> dict[str, Any]:
    """What the live objects ask for, and whether the node's pod is in rotation."""
    found = {
        f"{kind} {item['metadata']['name']}": item["spec"]
        for version, kind in KINDS
        for item in listed(cluster, space, version, kind)
    }
    for pod in listed(cluster, space, "v1", "Pod"):
        if pod["metadata"]["name"].endswith("-0"):
            found[pod["metadata"]["name"]] = pod["metadata"]["labels"]
    return found


def listed(cluster: Cluster, space: str, version: str, kind: str) -> list[Any]:
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    plural = f"{kind.lower()}s"
    found: list[Any] = cluster.call("GET", f"{root}/namespaces/{space}/{plural}")["items"]
    return found


def same_again(cluster: Cluster, space: str, ran: dict[str, Any]) -> None:
    """What was deleted may take a moment to go."""
    until(lambda: set(running(cluster, space)) == set(ran))
    assert running(cluster, space) == ran


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of change: what it makes of the value of a key. `first`: what it starts from."""

    key: str
    about: InfraChange
    change: Callable[[Any], None]
    first: Callable[[Any], None] | None = None
    moments: tuple[Moment, ...] = MOMENTS


def _cohort(replicas: int) -> Callable[[Any], None]:
    return lambda cohorts: cohorts[B1].update(replicas=replicas)


SPEC = ProcessSpec(image="server:new")
REPLACE = ReplaceNode(node="api-1", spec=SPEC)
DETACH = SetAttached(node="api-1", attached=False)
SCHEDULER = SetScheduler(spec=SPEC)
MAINTENANCE = SetMaintenance(name="queue", spec=SPEC)
OLD, NEW = (
    SetCohort(cohort=CohortRef.from_path(path), spec=CohortSpec(image="orders", replicas=1))
    for path in (B1, B2)
)
BOOTSTRAP = RunJob(job="bootstrap", image="server:new")


def _deployed(cohorts: Any) -> None:
    new = {"namespace": "orders", "task_queue": "critical", "build_id": "2026-04-28"}
    cohorts[B2] = {**new, "image": "orders:2", "replicas": 2}


CHANGES = {
    "replace": Kind(
        key="nodes",
        about=REPLACE,
        change=lambda nodes: nodes["api-1"].update(image="server:new"),
        moments=TEN_MOMENTS,
    ),
    "detach": Kind(
        key="nodes", about=DETACH, change=lambda nodes: nodes["api-1"].update(attached=False)
    ),
    "attach": Kind(
        key="nodes",
        about=DETACH,
        first=lambda nodes: nodes["api-1"].update(attached=False),
        change=lambda nodes: nodes["api-1"].update(attached=True),
    ),
    "scheduler-stop": Kind(
        key="scheduler", about=SCHEDULER, change=lambda it: it.update(running=False)
    ),
    "scheduler-start": Kind(
        key="scheduler",
        about=SCHEDULER,
        first=lambda it: it.update(running=False),
        change=lambda it: it.update(running=True, image="server:new"),
    ),
    "maintenance": Kind(
        key="maintenance",
        about=MAINTENANCE,
        change=lambda them: them["queue"].update(image="server:new"),
    ),
    "cohort-deploy": Kind(key="cohorts", about=NEW, change=_deployed),
    "cohort-grow": Kind(key="cohorts", about=OLD, change=_cohort(5)),
    "cohort-stop": Kind(key="cohorts", about=OLD, change=_cohort(0)),
}


@REAL
@pytest.mark.parametrize("kind", CHANGES)
def test_killed_at_any_moment_of_a_change_the_way_back_restores_what_is_recorded_and_what_runs(
    kind: str,
    stack: Stack,  # noqa: F811
    real_or_standin: Cli,
    cluster: Cluster,
    space: str,
    tmp_path: Path,
) -> None:
    stack.up()
    case = CHANGES[kind]
    before = stack.configured(case.key)
    changes = Changes(real_or_standin, cluster, space, tmp_path)
    if case.first is not None:
        case.first(before)
        changes.announce(case.key, before, case.about)
        assert changes.make(case.key, before).outcome is Outcome.DONE
    wanted = copy.deepcopy(before)
    case.change(wanted)
    changes.announce(case.key, wanted, case.about)
    assert changes.make(case.key, wanted).outcome is Outcome.DONE
    assert changes.make(case.key, before).outcome is Outcome.DONE
    recorded, ran = changes.recorded(), running(cluster, space)
    struck = []
    for moment in case.moments:
        struck.append(changes.make(case.key, wanted, kill=moment).outcome)
        back = changes.make(case.key, before)
        assert back.outcome is Outcome.DONE, back
        assert changes.recorded() == recorded, moment
        same_again(cluster, space, ran)
    assert struck.count(Outcome.FAILED) >= len(case.moments) / 2, "most strike before the end"
    if case.first is None:
        assert moved(stack.preview()) == {}


@REAL
def test_a_bootstrap_whose_update_was_killed_at_any_moment_is_run_once(
    stack: Stack,  # noqa: F811
    real_or_standin: Cli,
    cluster: Cluster,
    space: str,
    tmp_path: Path,
) -> None:
    stack.up()
    changes = Changes(real_or_standin, cluster, space, tmp_path)
    struck = []
    for number, moment in enumerate((*after(Sign.SENT, 0.0), *MOMENTS), start=2):
        jobs = stack.configured("jobs")
        jobs["bootstrap"].update(image="server:new", run=f"orders-{number}")
        changes.announce("jobs", jobs, BOOTSTRAP)
        struck.append(changes.make("jobs", jobs, kill=moment).outcome)
        ended = changes.make("jobs", jobs)
        assert ended.outcome is Outcome.DONE, ended
        (job,) = listed(cluster, space, "batch/v1", "Job")
        assert job["metadata"]["name"] == f"bootstrap-orders-{number}"
        assert job["status"]["succeeded"] == 1
        changes.recorded()
    assert struck.count(Outcome.FAILED) >= len(struck) / 2, "most strike before the end"
    started = [
        event["regarding"]["name"]
        for event in listed(cluster, space, "events.k8s.io/v1", "Event")
        if event["reason"] == "SuccessfulCreate" and event["regarding"]["kind"] == "Job"
    ]
    assert sorted(started) == [f"bootstrap-orders-{number}" for number in range(1, number + 1)]

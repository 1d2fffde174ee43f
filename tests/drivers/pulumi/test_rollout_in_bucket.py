"""A whole rollout of a stack whose state is in a bucket: bound, killed, unlocked, resumed, undone.

With the real CLI alone: the stand-in keeps its state in folders.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rollout_kit.drivers.pulumi.marks import Marks
from tests.acceptance.machine import STATE, Machine, Ran, beside, sandbox_machine
from tests.drivers.pulumi.lab import until
from tests.drivers.pulumi.rolling import bring_up, in_environment, rolled
from tests.journal.s3 import s3_server
from tests.journal.s3_server import BUCKET
from tests.standin.fixtures import Cli, real_or_standin  # noqa: F401

pytestmark = [
    pytest.mark.crash,
    pytest.mark.processes,
    pytest.mark.timeout(900),
    pytest.mark.parametrize(
        "real_or_standin", [pytest.param("real", marks=pytest.mark.real_pulumi)], indirect=True
    ),
]
WITHIN_S = 300.0


class InBucket(Cli):
    """Its state is not in its folder."""

    def environment(self) -> dict[str, str]:
        keys = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
        return {**super().environment(), "PULUMI_BACKEND_URL": os.environ["IN_BUCKET"], **keys}


@pytest.fixture
def cli(real_or_standin: Cli, monkeypatch: pytest.MonkeyPatch) -> Iterator[InBucket]:  # noqa: F811
    with s3_server() as environment:
        where = f"endpoint={environment['AWS_ENDPOINT_URL']}&s3ForcePathStyle=true"
        monkeypatch.setenv("IN_BUCKET", f"s3://{BUCKET}?{where}&region=us-east-1")
        for name, value in environment.items():
            if name != "AWS_ENDPOINT_URL":
                monkeypatch.setenv(name, value)
        yield InBucket(real_or_standin.folder, real=True)


@pytest.fixture
def machine(
    cli: InBucket,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> Iterator[Machine]:
    """A stack that describes a fleet; with `configuration` of a test's parameter."""
    folder = tmp_path_factory.mktemp("rolled")
    configuration = getattr(request, "param", {})
    with (
        sandbox_machine(folder, workers=1, rate_hz=0) as (first, info),
        beside(first, tmp_path) as made,
        rolled(made, info, cli, **configuration) as (found, _),
    ):
        yield found


def exported(machine: Machine) -> dict[str, Any]:
    """What the state in the bucket says."""
    argv = ["pulumi", "stack", "export", "--stack", "organization/rolled_fleet/dev"]
    ran = subprocess.run(
        argv, env=machine.environment, check=True, capture_output=True, text=True, timeout=120
    )
    return json.loads(ran.stdout)["deployment"]


def recorded(machine: Machine) -> dict[str, Any]:
    return {
        one["urn"].rpartition("::")[2]: (one["id"], one["inputs"])
        for one in exported(machine)["resources"]
        if one["type"] == "lab:index:Thing" and "::job-" not in one["urn"]
    }


def unlocked(machine: Machine, *argv: str) -> Ran:
    return machine.run("unlock", "--state", STATE, *argv, within_s=WITHIN_S)


def updating(machine: Machine, name: str) -> bool:
    """Whether the engine is at it, as the progress says: once in the preview, then in the update."""
    told = [path.read_text() for path in machine.folder.rglob("progress.jsonl")]
    return sum(text.count(f"updating Thing {name}") for text in told) > 1


def test_a_preview_that_was_saved_before_the_stack_moved_is_refused(
    machine: Machine, cli: InBucket
) -> None:
    saved = machine.run("preview", "plan.yaml", "--save", "seen.json", within_s=WITHIN_S)
    assert saved.code == 0, saved.both
    with in_environment(machine.environment):
        bring_up(cli, {"foreign": "of another team"})
    stale = machine.run(
        "apply", "plan.yaml", "--state", STATE, "--preview", "seen.json", within_s=WITHIN_S
    )
    assert stale.code == 14, stale.both
    assert "stack state: was " in stale.both
    assert machine.events() == []


@pytest.mark.parametrize("machine", [{"slow_s": "5"}], indirect=True)
def test_killed_it_is_unlocked_by_force_resumed_and_put_back(machine: Machine) -> None:
    checked = machine.run("doctor", "plan.yaml", within_s=WITHIN_S)
    assert checked.code == 0, checked.both
    before = recorded(machine)
    running = machine.start("apply", "plan.yaml", "--state", STATE)
    machine.await_event("OperationIntended", "api/api-1/detach", within_s=WITHIN_S)
    until(lambda: updating(machine, "front-api-1"))
    (open_,) = machine.folder.rglob("open.jsonl")
    mark = Marks(open_.parent).found()
    assert mark is not None
    killed, _ = mark.pids[-1]
    running.kill()
    os.kill(killed, signal.SIGKILL)

    shown = unlocked(machine)
    assert shown.code == 15, shown.both
    assert "): ours and dead" in shown.out
    forced = unlocked(machine, "--force", "--because", "it is dead")
    assert f"(process {killed}, " in forced.out
    assert "✓ removed the lock of " in forced.out
    assert "stack dev is not locked" in unlocked(machine).out
    done = machine.run("resume", "--state", STATE, within_s=WITHIN_S)
    assert done.code == 0, done.both
    assert recorded(machine) != before

    rollout = machine.events()[0]["rollout"]
    back = machine.run("rollback", rollout, "--state", STATE, within_s=WITHIN_S)
    assert back.code == 10, back.both
    assert recorded(machine) == before
    assert not exported(machine).get("pending_operations")

"""The shipped script, playbook and inventory: the real ansible-playbook, a stand-in for docker."""

from __future__ import annotations

import json
import os
import shutil
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from rollout_kit.drivers.command.driver import CommandDriver
from rollout_kit.model.identity import CohortRef
from rollout_kit.ports.errors import InFlight
from rollout_kit.ports.infra import (
    Answers,
    CohortSpec,
    JobState,
    ProcessSpec,
    ReplaceNode,
    RunJob,
    SetCohort,
    SetScheduler,
)
from tests.drivers.by_script import ByScript
from tests.drivers.conftest import eventually

pytestmark = [
    pytest.mark.processes,
    pytest.mark.crash,
    pytest.mark.usefixtures("answers_awaited"),
]

PLANS = Path(__file__).parents[2] / "pipelines" / "plans"
NEW = CohortRef(namespace="orders", task_queue="orders", build_id="b2")
SHARED = {"DW_V2_MULTI_NODE": "true", "DB_HOST": "db"}
TWO = ProcessSpec(image="server:2", marker="blue", server_id="api-1", environment=SHARED)

# Containers of one machine as files, and what each was called with. An image `broken` ends with 1.
DOCKER = """#!{python}
import json, pathlib, sys
here = pathlib.Path({folder!r})
argv = sys.argv[1:]
with (here / "calls").open("a") as calls:
    calls.write(json.dumps(argv) + "\\n")
verb, last = argv[0], argv[-1]
place = here / f"{{last}}.container"
if verb == "ps":
    assert argv[1:-1] == ["--all", "--filter", "label=fleet", "--format"], argv
    assert last == '{{{{.State}}}} {{{{.Label "fleet"}}}}', argv
    for path in sorted(here.glob("*.container")):
        found = json.loads(path.read_text())
        if found["label"]:
            print(found["state"], found["label"])
elif verb == "run":
    options = [one[2:] for one in argv[1:] if one.startswith("--")]
    given = dict(one.split("=", 1) for one in options if one.startswith(("name=", "label=")))
    image = next(one for one in argv[1:] if not one.startswith("--"))
    place = here / (given["name"] + ".container")
    if place.exists():
        sys.exit(f'Conflict. The container name "/{{given["name"]}}" is already in use')
    label = given.get("label", "").removeprefix("fleet=")
    place.write_text(json.dumps({{"state": "running", "label": label, "image": image}}))
elif verb == "stop":
    place.write_text(json.dumps(json.loads(place.read_text()) | {{"state": "exited"}}))
elif verb == "rm":
    place.unlink()
elif verb == "wait":
    print(int(json.loads(place.read_text())["image"] == "broken"))
elif verb == "logs":
    print("Nothing to migrate")
    print("a word beside it", file=sys.stderr)
"""


@dataclass(kw_only=True)
class Machines(ByScript):
    folder: Path

    def calls(self, machine: str) -> list[list[str]]:
        """What its docker was told to do, looking aside."""
        path = self.folder / machine / "calls"
        told = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        return [argv for argv in told if argv[0] != "ps"]


@pytest.fixture
def machines(tmp_path: Path) -> Machines:
    for name in ("command-ansible.py", "command-ansible.playbook.yml", "command-ansible.ini"):
        shutil.copy(PLANS / name, tmp_path)
    lines = []
    for line in (tmp_path / "command-ansible.ini").read_text().splitlines():
        machine, _, address = line.partition(" ansible_host=")
        if address:
            folder = tmp_path / machine
            folder.mkdir()
            (folder / "docker").write_text(DOCKER.format(python=sys.executable, folder=str(folder)))
            (folder / "docker").chmod(0o755)
            lines.append(f"{machine} ansible_connection=local engine={folder}/docker")
        else:
            lines.append(line)
    lines += ["[all:vars]", f"ansible_python_interpreter={sys.executable}"]
    (tmp_path / "here.ini").write_text("\n".join(lines) + "\n")
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "FLEET_INVENTORY": str(tmp_path / "here.ini"),
        "FLEET_ENVIRONMENT": json.dumps(SHARED),
        "ANSIBLE_LOCAL_TEMP": str(tmp_path / "ansible"),
        "ANSIBLE_REMOTE_TEMP": str(tmp_path / "ansible"),
    }
    argv = [sys.executable, "command-ansible.py"]
    return Machines(
        folder=tmp_path, driver=CommandDriver(argv, tmp_path, tmp_path / "state", environment)
    )


def look(machines: Machines, what: str) -> object:
    """A reading that may have to wait for Ansible."""

    def read() -> tuple[object] | None:
        try:
            match what:
                case "scheduler":
                    return (machines.driver.scheduler_spec(),)
                case "cohorts":
                    return (machines.driver.cohort_specs(),)
                case _:
                    return (machines.driver.node_spec(what),)
        except InFlight:
            return None

    found = eventually(read, 60.0)
    assert found is not None
    return found[0]


def test_a_node_is_removed_then_started_anew_and_a_second_time_left_alone(
    machines: Machines,
) -> None:
    offered = {Answers.SPEC, Answers.PROCESSES, Answers.JOBS, Answers.ANNOUNCE}
    assert machines.driver.answers() == offered
    assert look(machines, "api-1") == ProcessSpec(image="")
    one = ProcessSpec(image="server:1", server_id="api-1", environment=SHARED)
    machines.done("r/one/1", ReplaceNode(node="api-1", spec=one))
    machines.done("r/api/api-1/replace/1", ReplaceNode(node="api-1", spec=TWO))
    machines.done("r/api/api-1/replace/1", ReplaceNode(node="api-1", spec=TWO))
    assert look(machines, "api-1") == TWO
    assert look(machines, "api-2") == ProcessSpec(image="")
    assert [call[0] for call in machines.calls("api-1")] == ["run", "stop", "rm", "run"]
    assert machines.calls("api-2") == []
    last = machines.calls("api-1")[-1]
    assert "--env=DW_V2_CURRENT_COMPATIBILITY=blue" in last
    assert "--env-file=/etc/fleet.env" in last
    assert last[-1] == "server:2"


def test_the_scheduler_stops_and_starts(machines: Machines) -> None:
    assert look(machines, "scheduler") is None
    spec = ProcessSpec(image="server:2", marker="b", environment=SHARED)
    machines.done("r/scheduler/start/1", SetScheduler(spec=spec))
    assert look(machines, "scheduler") == spec
    machines.done("r/scheduler/stop/1", SetScheduler(spec=None))
    assert look(machines, "scheduler") is None
    assert [call[0] for call in machines.calls("control-1")] == ["run", "stop", "rm"]


def test_workers_are_spread_grow_and_stop_and_are_remembered(machines: Machines) -> None:
    for number, replicas in enumerate((3, 0, 2)):
        wanted = CohortSpec(image="orders:2", replicas=replicas)
        machines.done(f"r/scale-{number}/1", SetCohort(cohort=NEW, spec=wanted))
        assert look(machines, "cohorts") == {NEW: wanted}
    first, second = machines.calls("worker-1"), machines.calls("worker-2")
    assert [call[0] for call in first] == ["run", "run", "stop", "stop", "rm", "run"]
    assert [call[0] for call in second] == ["run", "stop", "rm", "run"]
    assert "--env=FLEET_BUILD_ID=b2" in second[0]


def test_a_job_runs_once_under_its_key_and_anew_after_it_failed(machines: Machines) -> None:
    change = RunJob(job="migrate-status", image="server:2", revision="2")
    assert machines.done("orders/2/ledger/1", change) == "Nothing to migrate\n"
    broken = RunJob(job="bootstrap", image="broken", revision="2")
    status = machines.does("orders/2", broken)
    assert (status.state, status.detail) == (JobState.FAILED, "a word beside it")
    machines.done("orders/2", RunJob(job="bootstrap", image="server:2", revision="2"))
    runs = [call for call in machines.calls("api-1") if call[0] == "run"]
    assert runs[0][-3:] == ["php", "artisan", "migrate:status"]
    assert [call[-2] for call in runs[1:]] == ["broken", "server:2"]


def test_its_preview_names_the_containers_each_change_after_those_before(
    machines: Machines,
) -> None:
    found: list[dict[str, tuple[tuple[str, ...], ...]]] = []

    def told() -> bool:
        with suppress(InFlight):
            found.append(machines.previewed())
        return bool(found)

    assert eventually(told, 60.0)
    new, old = "worker/orders/orders/b2", "worker/orders/orders/b1"
    server = ("image", "marker", "server_id")
    assert found[0] == {
        "schema/run": (("job/bootstrap",), ("image",), ()),
        "api/api-1/replace": (("node/api-1",), server, ()),
        "scheduler/stop": (("scheduler",), (), ()),
        "scheduler/start": (("scheduler",), server, ()),
        "canary/deploy": ((new,), ("image", "replicas"), (new,)),
        "canary/grow": ((new,), ("replicas",), ()),
        "drain/stop": ((old,), ("image", "replicas"), (old,)),
    }
    assert machines.calls("api-1") == []


def test_what_ansible_says_is_the_reason_when_a_machine_cannot(machines: Machines) -> None:
    (machines.folder / "api-1" / "docker").write_text("#!/bin/sh\necho no space left >&2; exit 1\n")
    status = machines.does("r/api/api-1/replace/1", ReplaceNode(node="api-1", spec=TWO))
    assert status.state is JobState.FAILED
    assert "no space left" in status.detail

"""`infra/single-host` on this machine: real processes under a real service manager, replaced for real."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rollout_kit.model.identity import CohortRef
from tests.infra.applying import Applied
from tests.infra.rendering import render

pytestmark = [pytest.mark.processes, pytest.mark.crash]

PROGRAM = "single-host"
COHORT = CohortRef(namespace="orders", task_queue="critical", build_id="b1").path
PROCESS = """
import json, os, sys, time
name, image = sys.argv[1:3]
with open(f"{os.environ['SEEN']}/{name}.jsonl", "a") as seen:
    marker = os.environ.get("DW_V2_CURRENT_COMPATIBILITY")
    seen.write(json.dumps({"pid": os.getpid(), "image": image, "marker": marker}) + "\\n")
while True:
    time.sleep(60)
"""
JOB = """
import os, sys
with open(os.environ["SEEN"] + "/jobs", "a") as seen:
    seen.write(sys.argv[1] + "\\n")
print("2 migrations done")
if sys.argv[1] == "broken":
    sys.exit("no such table: runs")
"""


class Machine:
    """A folder with a service manager of its own, and a stack that is applied to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stack = Applied(PROGRAM)
        for name in ("units", "seen", "front"):
            (folder / name).mkdir()
        (folder / "process.py").write_text(PROCESS)
        (folder / "job.py").write_text(JOB)
        self.control = [
            sys.executable,
            "-m",
            "supervisor.supervisorctl",
            "-c",
            f"{folder}/main.conf",
        ]

    def config(self, **fleet: object) -> dict[str, object]:
        folder = str(self.folder)
        run = [sys.executable, f"{folder}/process.py", "{name}", "{image}"]
        settings: dict[str, object] = {
            "image": "server:1",
            "manager": "supervisor",
            "units_folder": f"{folder}/units",
            "control": self.control,
            "state_folder": f"{folder}/jobs",
            "front_folder": f"{folder}/front",
            "front_check": ["true"],
            "front_reload": ["sh", "-c", f"cat {folder}/front/*.conf > {folder}/loaded"],
            "node_command": run,
            "process_command": run,
            "worker_command": run,
            "server_environment": {"SEEN": f"{folder}/seen"},
            "worker_environment": {"SEEN": f"{folder}/seen"},
        }
        return {
            **{f"{PROGRAM}:{name}": value for name, value in settings.items()},
            **{f"fleet:{name}": value for name, value in fleet.items()},
        }

    def update(self, **fleet: object) -> dict[str, str]:
        return self.stack.update(render(PROGRAM, self.config(**fleet)))

    def run(self, job: str, image: str, run: str, **settings: object) -> dict[str, str]:
        command = [sys.executable, f"{self.folder}/job.py", "{image}"]
        config = self.config(
            nodes={}, maintenance={}, scheduler=None, jobs={job: {"image": image, "run": run}}
        )
        own = {f"{PROGRAM}:{name}": value for name, value in settings.items()}
        return self.stack.update(
            render(PROGRAM, {**config, f"{PROGRAM}:process_command": command, **own})
        )

    def cohort(self, replicas: int, **settings: object) -> dict[str, str]:
        cohort = {
            "namespace": "orders",
            "task_queue": "critical",
            "build_id": "b1",
            "image": "orders:1",
            "replicas": replicas,
        }
        config = self.config(cohorts={COHORT: cohort}, nodes={}, maintenance={}, scheduler=None)
        return self.stack.update(render(PROGRAM, {**config, **settings}))

    def workers(self) -> dict[str, int]:
        """Those that live, with their pids."""
        return {
            path.stem: seen[-1]["pid"]
            for path in (self.folder / "seen").glob("worker-*.jsonl")
            if (seen := self.seen(path.stem)) and _lives(seen[-1]["pid"])
        }

    def printed(self) -> str:
        """What the one run of this stack wrote."""
        (name,) = [urn.rpartition("::")[2] for urn in self.stack.known()]
        return str(self.stack.output(name)["printed"])

    def seen(self, name: str) -> list[dict[str, Any]]:
        path = self.folder / "seen" / f"{name}.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def loaded(self) -> str:
        return (self.folder / "loaded").read_text()


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path)
    (tmp_path / "main.conf").write_text(
        f"""
[supervisord]
nodaemon=true
logfile={tmp_path}/log
pidfile={tmp_path}/pid
childlogdir={tmp_path}
[unix_http_server]
file={tmp_path}/s
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://{tmp_path}/s
[include]
files={tmp_path}/units/*.conf
"""
    )
    manager = subprocess.Popen(
        [sys.executable, "-m", "supervisor.supervisord", "-c", f"{tmp_path}/main.conf"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _until((tmp_path / "s").exists)
        yield made
    finally:
        manager.terminate()
        manager.wait(60)


def test_a_fleet_starts_and_one_node_is_replaced_without_another_moving(machine: Machine) -> None:
    machine.update()
    _until(lambda: machine.seen("api-1") and machine.seen("api-2") and machine.seen("scheduler"))
    first, other = machine.seen("api-1")[-1], machine.seen("api-2")[-1]

    nodes = {"api-1": {"image": "server:2", "marker": "m2"}, "api-2": {"image": "server:1"}}
    assert machine.update(nodes=nodes) == {"api-1": "update"}
    _until(lambda: len(machine.seen("api-1")) == 2)
    now = machine.seen("api-1")[-1]
    assert (now["image"], now["marker"]) == ("server:2", "m2")
    assert not _lives(first["pid"])
    assert _lives(now["pid"])
    assert machine.seen("api-2") == [other]
    assert _lives(other["pid"])

    assert machine.update(nodes=nodes) == {}


def test_rotation_is_a_line_of_the_front_and_no_restart(machine: Machine) -> None:
    machine.update()
    _until(lambda: machine.seen("api-1"))
    before = machine.seen("api-1")
    detached = {"api-1": {"image": "server:1", "attached": False}, "api-2": {"image": "server:1"}}
    assert machine.update(nodes=detached) == {"api-1-rotation": "update"}
    assert machine.loaded() == "server 127.0.0.1:8081 down;\nserver 127.0.0.1:8082;\n"
    assert machine.update() == {"api-1-rotation": "update"}
    assert machine.loaded() == "server 127.0.0.1:8081;\nserver 127.0.0.1:8082;\n"
    assert machine.seen("api-1") == before


def test_workers_come_and_go_by_their_count(machine: Machine) -> None:
    machine.cohort(1)
    _until(lambda: len(machine.workers()) == 1)
    ((first, pid),) = machine.workers().items()
    machine.cohort(2)
    _until(lambda: len(machine.workers()) == 2)
    assert machine.workers()[first] == pid  # one more does not restart the other
    machine.cohort(0)
    assert machine.workers() == {}


def test_workers_that_do_not_come_up_are_taken_away_again(machine: Machine) -> None:
    """Nothing records them: no way back would ever stop them, and they are restarted for ever."""
    ends = {f"{PROGRAM}:worker_command": ["false"]}
    with pytest.raises(RuntimeError, match=r"worker-critical-b1-\w+-1 does not stay up"):
        machine.cohort(2, **ends)
    assert list((machine.folder / "units").glob("*.conf")) == []


def test_workers_that_nobody_remembers_go_with_their_cohort(machine: Machine) -> None:
    """Left by an update that was killed in the middle of making them."""
    machine.cohort(2)
    _until(lambda: len(machine.workers()) == 2)
    machine.stack = Applied(PROGRAM)
    machine.cohort(0)
    assert machine.workers() == {}
    assert list((machine.folder / "units").glob("*.conf")) == []


def test_a_process_that_does_not_stay_up_fails_the_update_with_the_managers_words(
    machine: Machine,
) -> None:
    config = {**machine.config(nodes={}, maintenance={}), f"{PROGRAM}:process_command": ["false"]}
    with pytest.raises(
        RuntimeError, match=r"scheduler does not stay up: .*(BACKOFF|FATAL|STARTING)"
    ):
        machine.stack.update(render(PROGRAM, config))


def test_what_the_machine_lost_is_seen_by_a_refresh_and_put_back(machine: Machine) -> None:
    machine.update()
    _until(lambda: machine.seen("scheduler"))
    stopped = subprocess.run([*machine.control, "stop", "scheduler"], check=True, timeout=60)
    assert stopped.returncode == 0
    assert machine.update() == {}  # what the engine remembers is not the machine
    machine.stack.refresh()
    assert machine.update() == {"scheduler": "update"}
    _until(lambda: len(machine.seen("scheduler")) == 2)


def test_a_run_is_made_once_and_what_it_wrote_is_kept(machine: Machine) -> None:
    assert list(machine.run("bootstrap", "server:2", "r1").values()) == ["create"]
    assert machine.run("bootstrap", "server:2", "r1") == {}
    again = Applied(PROGRAM)  # a stack that has lost its memory
    machine.stack, first = again, machine.stack
    machine.run("bootstrap", "server:2", "r1")
    assert (machine.folder / "seen" / "jobs").read_text() == "server:2\n"
    for machine.stack in (first, again):
        assert machine.printed() == "2 migrations done\n"


def test_a_run_that_fails_says_why_and_is_made_again_when_it_is_asked_for_again(
    machine: Machine,
) -> None:
    """A rollout asks for a failed bootstrap by the same name: it is the revision's."""
    for _ in range(2):
        with pytest.raises(RuntimeError, match=r"of bootstrap ended with 1: no such table: runs"):
            machine.run("bootstrap", "broken", "r1")
    machine.run("bootstrap", "server:3", "r1")
    machine.stack = Applied(PROGRAM)
    machine.run("bootstrap", "server:3", "r1")
    assert (machine.folder / "seen" / "jobs").read_text() == "broken\nbroken\nserver:3\n"


def test_a_run_whose_end_nobody_knows_is_not_made_again(machine: Machine) -> None:
    machine.run("bootstrap", "server:2", "r1")
    (record,) = (machine.folder / "jobs").glob("bootstrap-*.json")
    record.write_text('{"argv": []}')
    machine.stack = Applied(PROGRAM)
    with pytest.raises(RuntimeError, match="was begun before and nobody knows its end"):
        machine.run("bootstrap", "server:2", "r1")
    assert (machine.folder / "seen" / "jobs").read_text() == "server:2\n"


def test_a_run_is_made_as_the_units_user_and_sees_nothing_of_who_asks_for_it(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that root had made, the fleet's user could not write to."""
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "of the one who rolls out")
    user = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name

    machine.run(
        "bootstrap", "server:2", "r1", user=user, process_command=["sh", "-c", "id -un; env"]
    )

    who, *environment = machine.printed().splitlines()
    assert who == user
    said = dict(line.split("=", 1) for line in environment)
    assert (said["USER"], said["HOME"]) == (user, pwd.getpwnam(user).pw_dir)
    assert said["SEEN"] == f"{machine.folder}/seen"
    assert set(said) <= {"PATH", "LANG", "HOME", "USER", "LOGNAME", "SHELL", "PWD", "_"} | {
        "SEEN",
        "DW_V2_MULTI_NODE",
        "SHLVL",
    }


def test_a_run_that_died_without_a_word_says_of_what(machine: Machine) -> None:
    died = r"of bootstrap was ended by SIGKILL: it said nothing"
    with pytest.raises(RuntimeError, match=died):
        machine.run("bootstrap", "server:2", "r1", process_command=["sh", "-c", "kill -9 $$"])


def test_a_run_that_could_not_be_started_says_why_and_may_be_asked_for_again(
    machine: Machine,
) -> None:
    nobody = {"user": "nobody-of-this-machine"}
    with pytest.raises(RuntimeError, match=r"'nobody-of-this-machine', and this machine has no"):
        machine.run("bootstrap", "server:2", "r1", **nobody)
    with pytest.raises(RuntimeError, match=r"bootstrap cannot run /no/such: No such file"):
        machine.run("bootstrap", "server:2", "r1", process_command=["/no/such"])
    files = {"manager": "systemd", "server_environment_files": ["/no/such.env"]}
    with pytest.raises(
        RuntimeError, match=r"environment file /no/such.env cannot be read: No such"
    ):
        machine.run("bootstrap", "server:2", "r1", **files)
    machine.run("bootstrap", "server:2", "r1")
    assert (machine.folder / "seen" / "jobs").read_text() == "server:2\n"


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _until(is_so: Callable[[], object], within_s: float = 60) -> None:
    end = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.02)

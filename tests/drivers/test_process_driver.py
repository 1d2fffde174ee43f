"""The process driver over real processes: what it starts, stops, counts, and survives."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rollout_kit.drivers.process.driver import ProcessDriver
from rollout_kit.drivers.work import launcher, processes, roles
from rollout_kit.model.identity import CohortRef
from rollout_kit.ports.errors import Refused, Unavailable
from rollout_kit.ports.infra import (
    CohortSpec,
    JobState,
    ReplaceNode,
    RunCommand,
    RunJob,
    SetAttached,
    SetCohort,
    SetScheduler,
)
from tests.drivers.conftest import eventually

if TYPE_CHECKING:
    from rollout_kit.drivers.work.records import Launch

pytestmark = pytest.mark.processes

OLD = CohortRef(namespace="default", task_queue="orders", build_id="b1")
NEW = CohortRef(namespace="default", task_queue="orders", build_id="b2")
PATIENCE_S = 60.0
COSTS_STARTS_AT_MOST = 20.0
"""What one change may cost, in starts of a bare interpreter."""


def finish(driver: ProcessDriver, key: str, within_s: float = 10.0) -> JobState:
    under_way = {JobState.QUEUED, JobState.RUNNING}
    eventually(lambda: driver.work(key).state not in under_way, within_s)
    return driver.work(key).state


def start_node(driver: ProcessDriver, key: str = "start", image: str = "server:1") -> int:
    spec = replace(driver.node_spec("api-1"), image=image)
    driver.begin(key, ReplaceNode(node="api-1", spec=spec))
    assert finish(driver, key) is JobState.SUCCEEDED, driver.work(key)
    (process,) = driver.node_processes("api-1")
    return process.pid


def await_ignoring(pid: int) -> None:
    """Until the stubborn program has come so far that it ignores the polite signal."""

    def ignored() -> int:
        (line,) = re.findall(r"SigIgn:\s*(\w+)", Path(f"/proc/{pid}/status").read_text())
        return int(line, 16) >> (signal.SIGTERM - 1) & 1

    assert eventually(ignored, PATIENCE_S)


def environment_of(pid: int) -> dict[str, str]:
    pairs = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
    return dict(pair.split("=", 1) for pair in pairs if pair)


def supervisor_pid(driver: ProcessDriver, key: str) -> int:
    path = driver.state.work(key) / "status.json"
    assert eventually(path.exists)
    pid: int = json.loads(path.read_text())["pid"]
    return pid


def test_a_declared_node_that_never_started_has_its_spec_and_no_process(
    driver: ProcessDriver,
) -> None:
    spec = driver.node_spec("api-1")
    assert (spec.image, spec.version, spec.marker, spec.server_id) == (
        "server:1",
        "1.0.0",
        "blue",
        "api-1",
    )
    assert spec.environment == {"TOKEN": "${env:FLEET_TOKEN}", "SHARED": "1"}
    assert driver.node_processes("api-1") == ()


def test_replacing_a_node_stops_the_old_process_and_starts_the_new_image(
    driver: ProcessDriver,
) -> None:
    old = start_node(driver)
    new = start_node(driver, "replace", "server:2")
    assert new != old
    assert processes.started(old) is None
    assert driver.node_spec("api-1").image == "server:2"
    assert driver.node_spec("api-1").version == "2.0.0"
    environment = environment_of(new)
    assert environment["APP_VERSION"] == "2.0.0"
    assert environment["DW_SERVER_ID"] == "api-1"
    assert environment["DW_V2_CURRENT_COMPATIBILITY"] == "blue"


def test_the_same_change_again_leaves_the_process_alone(driver: ProcessDriver) -> None:
    assert start_node(driver, "one") == start_node(driver, "two") == start_node(driver, "two")


def test_secrets_reach_the_process_and_no_file(driver: ProcessDriver, tmp_path: Path) -> None:
    pid = start_node(driver)
    assert environment_of(pid)["TOKEN"] == "a-secret-value"
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) > 5
    assert [path for path in written if b"a-secret-value" in path.read_bytes()] == []


def test_an_unset_secret_is_refused_by_name_before_anything_is_recorded(fleet_file: Path) -> None:
    bare = {name: value for name, value in os.environ.items() if name != "FLEET_TOKEN"}
    driver = ProcessDriver(fleet_file, bare)
    with pytest.raises(Refused, match="FLEET_TOKEN is not set"):
        driver.begin("key", ReplaceNode(node="api-1", spec=driver.node_spec("api-1")))
    assert driver.work("key").state is JobState.UNKNOWN
    assert not driver.state.resource("node/api-1").exists()


def test_a_process_that_ignores_the_polite_signal_is_killed_after_the_grace(
    driver: ProcessDriver,
) -> None:
    old = start_node(driver, "stubborn", "stubborn")
    await_ignoring(old)
    begun = time.monotonic()
    start_node(driver, "replace", "server:2")
    assert processes.started(old) is None
    assert 0.3 < time.monotonic() - begun < 3


def test_the_scheduler_is_started_and_stopped_and_never_twice(driver: ProcessDriver) -> None:
    spec = driver.scheduler_spec()
    assert spec is not None
    driver.begin("start", SetScheduler(spec=spec))
    assert finish(driver, "start") is JobState.SUCCEEDED, driver.work("start")
    (first,) = driver.scheduler_processes()
    driver.begin("again", SetScheduler(spec=spec))
    assert finish(driver, "again") is JobState.SUCCEEDED
    assert driver.scheduler_processes() == (first,)
    driver.begin("stop", SetScheduler(spec=None))
    assert driver.scheduler_spec() is None
    assert finish(driver, "stop") is JobState.SUCCEEDED
    assert driver.scheduler_processes() == ()


def test_a_cohort_grows_shrinks_and_names_its_workers(driver: ProcessDriver) -> None:
    driver.begin("two", SetCohort(cohort=NEW, spec=CohortSpec(image="worker:2", replicas=2)))
    assert finish(driver, "two") is JobState.SUCCEEDED
    before = driver.cohort_processes(NEW)
    assert [str(process.worker_id).split(":")[:3] for process in before] == [
        ["orders", "b2", "0"],
        ["orders", "b2", "1"],
    ]
    environment = environment_of(before[1].pid)
    assert environment["ROLLOUT_KIT_WORKER_ID"] == before[1].worker_id
    assert environment["DW_WORKER_BUILD_ID"] == "b2"
    driver.begin("three", SetCohort(cohort=NEW, spec=CohortSpec(image="worker:2", replicas=3)))
    assert finish(driver, "three") is JobState.SUCCEEDED
    assert driver.cohort_processes(NEW)[:2] == before
    assert len(driver.cohort_processes(NEW)) == 3
    driver.begin("none", SetCohort(cohort=NEW, spec=CohortSpec(image="worker:2", replicas=0)))
    assert finish(driver, "none") is JobState.SUCCEEDED
    assert driver.cohort_processes(NEW) == ()
    assert driver.cohort_specs()[NEW].replicas == 0
    assert driver.cohort_specs()[OLD] == CohortSpec(image="worker:1", replicas=2)


def test_a_dead_worker_is_a_number_until_the_change_is_begun_again(driver: ProcessDriver) -> None:
    change = SetCohort(cohort=NEW, spec=CohortSpec(image="worker:2", replicas=2))
    driver.begin("key", change)
    assert finish(driver, "key") is JobState.SUCCEEDED
    victim, other = driver.cohort_processes(NEW)
    os.kill(victim.pid, signal.SIGKILL)
    assert eventually(lambda: driver.cohort_processes(NEW) == (other,))
    assert driver.cohort_specs()[NEW].replicas == 2
    driver.begin("key", change)
    assert finish(driver, "key") is JobState.SUCCEEDED
    assert len(driver.cohort_processes(NEW)) == 2
    assert other in driver.cohort_processes(NEW)


def test_a_job_runs_once_per_key_and_its_success_is_joined(driver: ProcessDriver) -> None:
    change = RunJob(job="bootstrap", image="plain", revision="2.0.0")
    driver.begin("prod/2.0.0", change)
    assert finish(driver, "prod/2.0.0") is JobState.SUCCEEDED
    status = driver.work("prod/2.0.0")
    assert (status.exit_status, status.output) == (0, "to 2.0.0\n")
    driver.begin("prod/2.0.0", change)
    assert driver.work("prod/2.0.0") == status


def test_a_failed_job_says_what_it_said_and_may_run_again(driver: ProcessDriver) -> None:
    change = RunJob(job="failing", image="plain")
    for _ in range(2):
        driver.begin("key", change)
        assert finish(driver, "key") is JobState.FAILED
        status = driver.work("key")
        assert (status.exit_status, status.detail) == (1, "no such table")


def test_a_command_sees_the_environment_of_whoever_applies(driver: ProcessDriver) -> None:
    script = "import os; print(os.environ['FLEET_TOKEN'][:2], os.environ['MINE'])"
    argv = (sys.executable, "-S", "-c", script)
    driver.begin("key", RunCommand(argv=argv, environment={"MINE": "yes"}))
    assert finish(driver, "key") is JobState.SUCCEEDED
    assert driver.work("key").output == "a- yes\n"


def test_what_a_command_prints_of_a_secret_is_shown_as_its_reference(
    driver: ProcessDriver,
) -> None:
    script = "import os, sys; print(os.environ['FLEET_TOKEN']); sys.exit(os.environ['FLEET_TOKEN'])"
    driver.begin("key", RunCommand(argv=(sys.executable, "-S", "-c", script)))
    assert finish(driver, "key") is JobState.FAILED
    status = driver.work("key")
    assert (status.output, status.detail) == ("${env:FLEET_TOKEN}\n", "${env:FLEET_TOKEN}")


def test_a_program_that_does_not_exist_is_a_failure_with_its_name(driver: ProcessDriver) -> None:
    driver.begin("key", RunCommand(argv=("no-such-program-here",)))
    assert finish(driver, "key") is JobState.FAILED
    assert "no-such-program-here" in driver.work("key").detail


def test_a_stopped_job_is_interrupted_once_and_its_end_is_awaited(driver: ProcessDriver) -> None:
    driver.begin("key", RunJob(job="slow", image="plain"))
    assert eventually(lambda: roles.holder(driver.state.role("job/slow")))
    driver.stop("key")
    assert driver.work("key").state is JobState.FAILED
    assert roles.holder(driver.state.role("job/slow")) is None


def test_stopping_what_does_not_run_is_silent(driver: ProcessDriver) -> None:
    driver.stop("never-begun")


def test_jobs_of_one_name_queue(driver: ProcessDriver) -> None:
    driver.begin("first", RunJob(job="slow", image="plain"))
    assert eventually(lambda: driver.work("first").state is JobState.RUNNING)
    driver.begin("second", RunJob(job="slow", image="plain"))
    supervisor_pid(driver, "second")
    assert driver.work("second").state is JobState.QUEUED
    driver.stop("second")
    assert driver.work("second").state is JobState.FAILED
    assert driver.work("first").state is JobState.RUNNING
    driver.stop("first")


def test_membership_is_written_at_once(driver: ProcessDriver) -> None:
    assert driver.attached("api-1")
    driver.begin("key", SetAttached(node="api-1", attached=False))
    assert driver.work("key").state is JobState.SUCCEEDED
    assert not driver.attached("api-1")
    assert driver.attached("api-2")


def test_connections_of_a_front_that_is_down_are_unknown_not_zero(driver: ProcessDriver) -> None:
    with pytest.raises(Unavailable, match="front address does not run"):
        driver.connections("api-1")


def test_unknown_names_are_refused_with_those_that_there_are(driver: ProcessDriver) -> None:
    with pytest.raises(Refused) as caught:
        driver.node_spec("api-9")
    assert caught.value.hint == "Known there: api-1, api-2."
    spec = replace(driver.node_spec("api-1"), image="server:9")
    with pytest.raises(Refused, match='image "server:9"'):
        driver.begin("key", ReplaceNode(node="api-1", spec=spec))
    assert not driver.knows_image("server:9")


def test_announced_changes_follow_each_other(driver: ProcessDriver) -> None:
    spec = driver.node_spec("api-1")
    changes = (
        ("a", SetAttached(node="api-1", attached=False)),
        ("b", ReplaceNode(node="api-1", spec=replace(spec, image="server:2", version="2.0.0"))),
        (
            "c",
            ReplaceNode(
                node="api-1",
                spec=replace(spec, image="server:2", version="2.0.0", environment={"SHARED": "2"}),
            ),
        ),
        ("d", SetCohort(cohort=OLD, spec=CohortSpec(image="worker:1", replicas=0))),
    )
    announced = driver.announce(changes)
    assert [(one.operation, one.resources[0], one.changed) for one in announced] == [
        ("a", "front/api-1", ("attached",)),
        ("b", "node/api-1", ("image", "version")),
        ("c", "node/api-1", ("environment.SHARED", "environment.TOKEN")),
        ("d", f"cohort/{OLD.path}", ("replicas",)),
    ]


# --- deaths ------------------------------------------------------------------------------------


def test_a_change_whose_child_was_killed_is_lost_and_the_same_key_heals_it(
    driver: ProcessDriver,
) -> None:
    old = start_node(driver, "stubborn", "stubborn")
    await_ignoring(old)
    change = ReplaceNode(node="api-1", spec=replace(driver.node_spec("api-1"), image="server:2"))
    driver.begin("replace", change)
    os.kill(supervisor_pid(driver, "replace"), signal.SIGKILL)
    assert eventually(lambda: driver.work("replace").state is JobState.LOST)
    assert driver.node_spec("api-1").image == "stubborn"  # what runs, not what was wanted
    driver.begin("replace", change)
    assert driver.node_spec("api-1").image == "server:2"
    assert finish(driver, "replace") is JobState.SUCCEEDED
    assert processes.started(old) is None


def test_a_tool_that_dies_after_recording_and_before_starting_is_healed_by_the_same_key(
    driver: ProcessDriver, fleet_file: Path, environment: dict[str, str]
) -> None:
    code = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from dataclasses import replace\n"
        "from rollout_kit.drivers.work.children import Children\n"
        "from rollout_kit.drivers.process.driver import ProcessDriver\n"
        "from rollout_kit.ports.infra import ReplaceNode\n"
        "Children.supervise = lambda *a, **k: os._exit(9)\n"
        "d = ProcessDriver(Path(sys.argv[1]), dict(os.environ))\n"
        "d.begin('key', ReplaceNode(node='api-1', spec=d.node_spec('api-1')))\n"
    )
    died = subprocess.run(
        [sys.executable, "-c", code, str(fleet_file)], env=environment, check=False
    )
    assert died.returncode == 9
    assert driver.work("key").state is JobState.LOST
    assert driver.node_spec("api-1").image == ""  # nothing runs
    spec = replace(driver.node_spec("api-1"), image="server:1")
    driver.begin("key", ReplaceNode(node="api-1", spec=spec))
    assert finish(driver, "key") is JobState.SUCCEEDED
    assert len(driver.node_processes("api-1")) == 1


def test_a_lost_stop_of_a_cohort_looks_neither_done_nor_undone(driver: ProcessDriver) -> None:
    driver.begin("start", SetCohort(cohort=NEW, spec=CohortSpec(image="stubborn", replicas=2)))
    assert finish(driver, "start") is JobState.SUCCEEDED, driver.work("start")
    for process in driver.cohort_processes(NEW):
        await_ignoring(process.pid)
    stop = SetCohort(cohort=NEW, spec=CohortSpec(image="stubborn", replicas=0))
    driver.begin("stop", stop)
    os.kill(supervisor_pid(driver, "stop"), signal.SIGKILL)
    assert eventually(lambda: driver.work("stop").state is JobState.LOST)
    assert driver.cohort_specs()[NEW].replicas == 2
    os.kill(driver.cohort_processes(NEW)[0].pid, signal.SIGKILL)
    assert eventually(lambda: driver.cohort_specs()[NEW].replicas == 1)
    driver.begin("stop", stop)
    assert driver.cohort_specs()[NEW].replicas == 0
    assert finish(driver, "stop") is JobState.SUCCEEDED
    assert driver.cohort_processes(NEW) == ()


def test_a_job_outlives_its_supervisor_and_is_not_run_beside_itself(driver: ProcessDriver) -> None:
    change = RunJob(job="slow", image="plain")
    driver.begin("key", change)
    role = driver.state.role("job/slow")
    assert eventually(lambda: (held := roles.holder(role)) and held.alive)
    os.kill(supervisor_pid(driver, "key"), signal.SIGKILL)
    assert eventually(lambda: driver.work("key").state is JobState.LOST)
    orphan = roles.holder(role)
    assert orphan is not None
    driver.begin("key", change)
    assert eventually(lambda: driver.work("key").state is JobState.RUNNING)
    now = roles.holder(role)
    assert now is not None
    assert now.pid == orphan.pid
    os.kill(orphan.pid, signal.SIGKILL)
    assert eventually(
        lambda: (held := roles.holder(role)) and held.alive and held.pid != orphan.pid
    )
    driver.stop("key")


def test_many_begins_at_once_leave_one_process_of_what_was_wanted_last(
    driver: ProcessDriver,
) -> None:
    spec = driver.node_spec("api-1")

    def begin(number: int) -> None:
        image = "server:1" if number % 2 else "server:2"
        driver.begin(f"key-{number}", ReplaceNode(node="api-1", spec=replace(spec, image=image)))

    threads = [threading.Thread(target=begin, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(6):
        assert finish(driver, f"key-{number}", 30) in {JobState.SUCCEEDED, JobState.FAILED}
    desired = driver.state.desired("node/api-1")
    assert desired is not None
    assert driver.work(desired["key"]).state is JobState.SUCCEEDED
    assert len(driver.node_processes("api-1")) == 1
    holder = roles.holder(driver.state.role("node/api-1"))
    launch = desired["places"][0]["launch"]
    assert launch is not None
    assert holder is not None
    assert holder.digest == launch["digest"]


def test_a_role_is_taken_while_a_child_of_the_dead_process_holds_on_and_that_child_is_stopped(
    driver: ProcessDriver, fleet_file: Path, environment: dict[str, str]
) -> None:
    leaving = "import os, time\nif os.fork() == 0: time.sleep(600)\n"
    text = fleet_file.read_text().replace("raise SystemExit(3)", "exec(open('leaving.py').read())")
    fleet_file.write_text(text)
    fleet_file.with_name("leaving.py").write_text(leaving)
    driver = ProcessDriver(fleet_file, environment)
    spec = driver.node_spec("api-1")
    driver.begin("start", ReplaceNode(node="api-1", spec=replace(spec, image="broken")))
    assert finish(driver, "start") is JobState.SUCCEEDED, driver.work("start")
    role = driver.state.role("node/api-1")
    assert eventually(lambda: (held := roles.holder(role)) and not held.alive)
    assert len(driver.node_processes("api-1")) == 1
    new = start_node(driver, "replace", "server:2")
    assert [process.pid for process in driver.node_processes("api-1")] == [new]


def test_a_late_launcher_that_is_no_longer_wanted_does_not_start_its_program(
    driver: ProcessDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLEET_TOKEN", "a-secret-value")
    pid = start_node(driver, "first", "server:1")
    stale = driver.state.desired("node/api-1")
    assert stale is not None
    late = stale["places"][0]["launch"]
    assert late is not None
    wanted = str(driver.state.resource("node/api-1"))
    assert _launched(late, wanted) == launcher.TAKEN
    driver.begin("stop", SetScheduler(spec=None))  # another resource: nothing changes for the node
    assert [process.pid for process in driver.node_processes("api-1")] == [pid]
    new = start_node(driver, "second", "server:2")
    os.kill(new, signal.SIGKILL)
    assert eventually(lambda: not driver.node_processes("api-1"))
    assert _launched(late, wanted) == launcher.SUPERSEDED
    assert driver.node_processes("api-1") == ()


def _launched(launch: Launch, wanted: str) -> str:
    """What a launcher says that does not get to start its program."""
    pid, pipe = launcher.fork(launch, wanted, None)
    said = launcher.outcome(pipe)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return said


def test_without_proc_the_start_time_comes_from_ps() -> None:
    mine = processes._started_by_ps(os.getpid())
    assert mine
    assert mine == processes._started_by_ps(os.getpid())
    assert processes._started_by_ps(2**22 + 1) is None


def test_a_pid_that_was_given_to_somebody_else_is_left_alone(driver: ProcessDriver) -> None:
    bystander = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"])
    try:
        processes.send(bystander.pid, "another start", signal.SIGKILL)
        processes.send_group(bystander.pid, "another start", signal.SIGKILL)
        bystander.terminate()
        assert bystander.wait(PATIENCE_S) == -signal.SIGTERM, "it was killed before"
    finally:
        bystander.kill()
        bystander.wait()


def test_no_death_at_any_moment_leaves_two_processes_or_a_taken_role(
    driver: ProcessDriver,
) -> None:
    """Kill the child at ever later moments of a replacement; the same key always ends right."""
    images = ("server:1", "server:2")
    for number in range(16):
        spec = replace(driver.node_spec("api-1"), image=images[number % 2], marker="m")
        key = f"replace-{number}"
        driver.begin(key, ReplaceNode(node="api-1", spec=spec))
        time.sleep(0.004 * number)
        driver.state.end_supervisor(driver.state.work(key))
        finish(driver, key)
        driver.begin(key, ReplaceNode(node="api-1", spec=spec))
        assert finish(driver, key) is JobState.SUCCEEDED, driver.work(key)
        (process,) = driver.node_processes("api-1")
        holder = roles.holder(driver.state.role("node/api-1"))
        assert holder is not None
        assert holder.alive
        assert holder.pid == process.pid
        assert replace(driver.node_spec("api-1"), version=spec.version) == spec


def test_beginning_a_change_costs_little(driver: ProcessDriver) -> None:
    start_node(driver)
    spec = driver.node_spec("api-1")
    changes, starts = [], []
    for number in range(5):
        begun = time.monotonic()
        subprocess.run([sys.executable, "-S", "-c", ""], check=True)
        starts.append(time.monotonic() - begun)
        begun = time.monotonic()
        changed = replace(spec, marker=f"m{number}")
        driver.begin(f"key-{number}", ReplaceNode(node="api-1", spec=changed))
        assert finish(driver, f"key-{number}") is JobState.SUCCEEDED
        changes.append(time.monotonic() - begun)
    # A busy machine slows both: idle they take 0.06 s and 0.01 s.
    assert min(changes) < COSTS_STARTS_AT_MOST * min(starts), (changes, starts)

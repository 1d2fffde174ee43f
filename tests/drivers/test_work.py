"""Long work by key, for any driver: who joins, who makes room, who waits, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rollout_kit.drivers.work import processes, pruning, roles
from rollout_kit.drivers.work.folder import UNDER_WAY, WorkFolder
from rollout_kit.drivers.work.program import Program
from rollout_kit.drivers.work.turns import ends_for
from rollout_kit.drivers.work.work import Work
from rollout_kit.ports.errors import Refused, Unavailable
from rollout_kit.ports.infra import JobState
from tests.drivers.conftest import eventually

pytestmark = pytest.mark.processes

FOREVER = "import time\ntime.sleep(600)"
DEAF = "import signal, time\nsignal.signal(2, signal.SIG_IGN)\nprint('up', flush=True)\ntime.sleep(600)"
POLITE = (
    "import signal, sys, time\n"
    "count = []\n"
    "signal.signal(2, lambda *a: count.append(1))\n"
    "print('up', flush=True)\n"
    "while not count: time.sleep(0.01)\n"
    "time.sleep(0.3)\n"
    "print('asked', len(count), flush=True)\n"
    "sys.exit(9)\n"
)


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Work]:
    environment = {**os.environ, "TOKEN": "a-secret-value"}
    made = Work(WorkFolder(tmp_path / "state"), environment)
    yield made
    for folder in made.folder.works():
        end(folder)


def end(folder: Path) -> None:
    status, job = folder / "status.json", folder / "job.json"
    if job.exists() and status.exists():
        told = json.loads(status.read_text())
        processes.send(told["pid"], told["start"], processes.SIGKILL)
    if job.exists() and (held := roles.holder(json.loads(job.read_text())["places"][0]["role"])):
        processes.send_group(held.pid, held.start, processes.SIGKILL)


def python(tmp_path: Path, code: str, **more: object) -> Program:
    return Program(argv=(sys.executable, "-S", "-c", code), directory=tmp_path, **more)  # type: ignore[arg-type]


def change(work: Work, key: str, program: Program, queue: str = "stack") -> None:
    work.run(key, queue, program, joins_success=False)


def finish(work: Work, key: str) -> JobState:
    eventually(lambda: work.status(key).state not in UNDER_WAY, 20.0)
    return work.status(key).state


def says(work: Work, key: str, text: str) -> Callable[[], bool]:
    return lambda: text in work.status(key).output


def pid_of(work: Work, key: str) -> int:
    job = work.folder.job(key)
    assert job is not None
    role = job["places"][0]["role"]
    assert eventually(lambda: (held := roles.holder(role)) and held.alive, 10.0)
    holder = roles.holder(role)
    assert holder is not None
    return holder.pid


def supervisor_of(work: Work, key: str) -> int:
    status = work.folder.work(key) / "status.json"
    assert eventually(status.exists, 10.0)
    pid: int = json.loads(status.read_text())["pid"]
    return pid


def counting(tmp_path: Path) -> Program:
    """Adds a line to a file each time it runs."""
    return python(tmp_path, "open('count', 'a').write('x')")


def runs_of(tmp_path: Path) -> int:
    return len((tmp_path / "count").read_text())


def test_a_job_that_succeeded_stands_and_a_change_that_ended_is_free_again(
    work: Work, tmp_path: Path
) -> None:
    for _ in range(2):
        work.run("job", "q", counting(tmp_path), joins_success=True)
        assert finish(work, "job") is JobState.SUCCEEDED
    assert runs_of(tmp_path) == 1
    for _ in range(2):
        change(work, "r/op/1", counting(tmp_path))
        assert finish(work, "r/op/1") is JobState.SUCCEEDED
    assert runs_of(tmp_path) == 3


def test_it_reads_its_input_and_its_environment_and_no_file_holds_a_secret(
    work: Work, tmp_path: Path
) -> None:
    code = "import os, sys; print(sys.stdin.read(), os.environ['GIVEN'])"
    program = python(
        tmp_path, code, input='{"a": "${env:TOKEN}"}', environment={"GIVEN": "<${env:TOKEN}>"}
    )
    change(work, "r/op/1", program)
    assert finish(work, "r/op/1") is JobState.SUCCEEDED
    assert work.status("r/op/1").output == '{"a": "${env:TOKEN}"} <${env:TOKEN}>\n'
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 4
    assert [path for path in files if b"a-secret-value" in path.read_bytes()] == []


def test_a_relative_folder_is_the_same_for_a_program_that_runs_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "plans").mkdir()
    monkeypatch.chdir(tmp_path)
    work = Work(WorkFolder(Path("plans/state")), dict(os.environ))
    told = "import os; print(os.getcwd(), os.environ['ROLLOUT_KIT_WORK_FOLDER'])"
    change(work, "r/op/1", python(Path("plans"), told))
    assert finish(work, "r/op/1") is JobState.SUCCEEDED, work.status("r/op/1")
    plans = tmp_path / "plans"
    assert work.status("r/op/1").output == f"{plans} {plans / 'state' / 'work' / 'r%2Fop%2F1'}\n"


def test_an_unset_variable_is_refused_before_anything_is_recorded(
    work: Work, tmp_path: Path
) -> None:
    program = python(tmp_path, "", environment={"A": "${env:MISSING}"})
    with pytest.raises(Refused, match="MISSING is not set"):
        change(work, "r/op/1", program)
    assert work.status("r/op/1").state is JobState.UNKNOWN


def test_progress_is_the_last_whole_sentence_masked_and_gone_at_the_end(
    work: Work, tmp_path: Path
) -> None:
    code = (
        "import os, time\n"
        "file = open(os.environ['ROLLOUT_KIT_WORK_FOLDER'] + '/progress.jsonl', 'a')\n"
        'file.write(\'{"sentence": "first"}\\n\')\n'
        "file.write('{\"sentence\": \"with ' + os.environ['TOKEN'] + '\"}\\nno json\\n{\"sent')\n"
        "file.flush()\n"
        "while not os.path.exists('go'): time.sleep(0.01)\n"
    )
    program = python(tmp_path, code, environment={"TOKEN": "${env:TOKEN}"})
    change(work, "r/op/1", program)
    assert eventually(lambda: work.status("r/op/1").progress, 10.0) == "with ${env:TOKEN}"
    (tmp_path / "go").touch()
    assert finish(work, "r/op/1") is JobState.SUCCEEDED
    assert work.status("r/op/1").progress == ""


def test_two_operations_of_a_rollout_take_turns(work: Work, tmp_path: Path) -> None:
    go = "import os, time\nwhile not os.path.exists('go'): time.sleep(0.01)"
    change(work, "r/a/1", python(tmp_path, go))
    first = pid_of(work, "r/a/1")
    change(work, "r/b/1", counting(tmp_path))
    assert eventually(lambda: work.status("r/b/1").state is JobState.QUEUED)
    assert processes.started(first) is not None
    (tmp_path / "go").touch()
    assert finish(work, "r/a/1") is JobState.SUCCEEDED
    assert finish(work, "r/b/1") is JobState.SUCCEEDED


def test_a_job_is_waited_for_and_never_asked_to_end(work: Work, tmp_path: Path) -> None:
    go = "import os, time\nwhile not os.path.exists('go'): time.sleep(0.01)"
    work.run("orders/2.1.0", "stack", python(tmp_path, go), joins_success=True)
    pid_of(work, "orders/2.1.0")
    change(work, "r/a/1", counting(tmp_path))
    assert eventually(lambda: work.status("r/a/1").state is JobState.QUEUED)
    (tmp_path / "go").touch()
    assert finish(work, "orders/2.1.0") is JobState.SUCCEEDED
    assert finish(work, "r/a/1") is JobState.SUCCEEDED


def test_many_changes_of_a_queue_do_not_push_out_a_job_or_another_operation(
    work: Work, tmp_path: Path
) -> None:
    work.run("orders/2.1.0", "stack", counting(tmp_path), joins_success=True)
    assert finish(work, "orders/2.1.0") is JobState.SUCCEEDED
    change(work, "r/other/1", counting(tmp_path))
    assert finish(work, "r/other/1") is JobState.SUCCEEDED
    for number in range(pruning.KEPT + 2):  # as if of many rollouts, long ago
        ended(work, f"r{number}/op/1", "change/stack/op", number)
    change(work, "now/op/1", counting(tmp_path))
    assert finish(work, "now/op/1") is JobState.SUCCEEDED
    assert eventually(lambda: work.status("r0/op/1").state is JobState.UNKNOWN, 10.0)
    assert work.status("orders/2.1.0").state is JobState.SUCCEEDED
    assert work.status("r/other/1").state is JobState.SUCCEEDED


def ended(work: Work, key: str, of: str, at_s: int) -> None:
    lock = work.folder.begin(key, of)
    assert lock is not None
    work.folder.write_status(key, JobState.SUCCEEDED)
    os.close(lock)
    os.utime(work.folder.work(key), (1000 + at_s, 1000 + at_s))


def test_other_queues_do_not_wait(work: Work, tmp_path: Path) -> None:
    change(work, "r/a/1", python(tmp_path, FOREVER))
    pid_of(work, "r/a/1")
    change(work, "r/b/1", counting(tmp_path), queue="another")
    assert finish(work, "r/b/1") is JobState.SUCCEEDED
    assert work.status("r/a/1").state is JobState.RUNNING


@pytest.mark.parametrize("next_key", ["r/op/2", "r/undo/op/0/1", "later/x/1"])
def test_an_earlier_attempt_is_asked_once_to_end_and_settled_before_the_next_begins(
    work: Work, tmp_path: Path, next_key: str
) -> None:
    change(work, "r/op/1", python(tmp_path, POLITE))
    assert eventually(says(work, "r/op/1", "up"), 10.0)
    change(work, next_key, counting(tmp_path))
    assert finish(work, next_key) is JobState.SUCCEEDED
    ended = work.status("r/op/1")
    assert (ended.state, ended.exit_status) == (JobState.FAILED, 9)
    assert ended.output == "up\nasked 1\n"


def test_a_program_whose_supervisor_was_killed_is_ended_before_its_key_runs_again(
    work: Work, tmp_path: Path
) -> None:
    change(work, "r/op/1", python(tmp_path, POLITE))
    assert eventually(says(work, "r/op/1", "up"), 10.0)
    orphan = pid_of(work, "r/op/1")
    os.kill(supervisor_of(work, "r/op/1"), signal.SIGKILL)
    assert eventually(lambda: work.status("r/op/1").state is JobState.LOST)
    assert processes.started(orphan) is not None
    change(work, "r/op/1", counting(tmp_path))
    assert finish(work, "r/op/1") is JobState.SUCCEEDED
    assert processes.started(orphan) is None
    assert runs_of(tmp_path) == 1


def test_stop_asks_once_and_says_so_until_it_has_ended(work: Work, tmp_path: Path) -> None:
    change(work, "r/op/1", python(tmp_path, POLITE))
    assert eventually(says(work, "r/op/1", "up"), 10.0)
    work.stop("r/op/1")
    work.stop("r/op/1")
    assert work.status("r/op/1").state is JobState.FAILED
    assert work.status("r/op/1").output == "up\nasked 1\n"
    work.stop("never begun")


def test_stop_of_what_does_not_listen_is_unavailable_and_it_runs_on(
    work: Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rollout_kit.drivers.work.work.SETTLED_WITHIN_S", 0.2)
    change(work, "r/op/1", python(tmp_path, DEAF))
    assert eventually(says(work, "r/op/1", "up"), 10.0)
    with pytest.raises(Unavailable, match="has not ended yet"):
        work.stop("r/op/1")
    assert work.status("r/op/1").state is JobState.RUNNING


def test_stop_reaches_a_program_that_lost_its_supervisor(work: Work, tmp_path: Path) -> None:
    change(work, "r/op/1", python(tmp_path, POLITE))
    assert eventually(says(work, "r/op/1", "up"), 10.0)
    orphan = pid_of(work, "r/op/1")
    os.kill(supervisor_of(work, "r/op/1"), signal.SIGKILL)
    assert eventually(lambda: work.status("r/op/1").state is JobState.LOST)
    work.stop("r/op/1")
    assert processes.started(orphan) is None
    assert work.status("r/op/1").state is JobState.FAILED


def test_a_shell_and_what_it_waits_for_are_asked_together(work: Work, tmp_path: Path) -> None:
    script = Program(
        argv=("sh", "-c", "sh -c 'echo up; exec sleep 600'; echo on"),
        directory=tmp_path,
        group=True,
    )
    change(work, "r/op/1", script)
    assert eventually(says(work, "r/op/1", "up"), 10.0)
    work.stop("r/op/1")
    assert work.status("r/op/1").state is JobState.FAILED
    assert work.status("r/op/1").output == "up\n"


def test_what_a_change_leaves_running_holds_nobody_up(work: Work, tmp_path: Path) -> None:
    daemon = Program(argv=("sh", "-c", "sleep 600 & echo $!"), directory=tmp_path)
    change(work, "r/op/1", daemon)
    assert finish(work, "r/op/1") is JobState.SUCCEEDED
    left = int(work.status("r/op/1").output)
    change(work, "r/op/1", counting(tmp_path))
    assert finish(work, "r/op/1") is JobState.SUCCEEDED
    os.kill(left, signal.SIGKILL)


def _another_tool(tmp_path: Path, ends: dict[str, bool]) -> subprocess.Popen[bytes]:
    """A process that has begun these keys, `one/a/1` in the queue of a stack, and waits."""
    code = (
        "import json, os, sys\n"
        "from pathlib import Path\n"
        "from rollout_kit.drivers.work.folder import WorkFolder\n"
        "from rollout_kit.drivers.work.program import Program\n"
        "from rollout_kit.drivers.work.work import Work\n"
        "work = Work(WorkFolder(Path('state')), dict(os.environ))\n"
        "for key, ends in json.loads(sys.argv[2]).items():\n"
        "    argv = (sys.executable, '-S', '-c', sys.argv[1])\n"
        "    program = Program(argv=argv, directory=Path.cwd(), ends_with_tool=ends)\n"
        "    work.run(key, key.replace('one/a/1', 'stack'), program, joins_success=False)\n"
        "print('begun', flush=True)\n"
        "sys.stdin.read()\n"
    )
    tool = subprocess.Popen(
        [sys.executable, "-c", code, POLITE, json.dumps(ends)],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert tool.stdout is not None
    assert tool.stdout.readline() == b"begun\n"
    return tool


def test_what_another_rollout_that_somebody_runs_is_at_is_waited_for_and_not_ended(
    work: Work, tmp_path: Path
) -> None:
    """Two targets on one stack: each ended the other's update, five times over, until both failed."""
    tool = _another_tool(tmp_path, {"one/a/1": True})
    assert eventually(says(work, "one/a/1", "up"), 10.0)
    change(work, "two/b/1", counting(tmp_path))
    (earlier,) = json.loads((work.folder.work("two/b/1") / "job.json").read_text())["earlier"]
    assert (Path(earlier["work"]).name, earlier["stop"]) == ("one%2Fa%2F1", False)
    assert work.status("one/a/1").state is JobState.RUNNING
    tool.kill()
    tool.communicate()
    assert finish(work, "two/b/1") is JobState.SUCCEEDED
    assert work.status("one/a/1").output == "up\nasked 1\n", "its own tool's end, and once"


def test_what_ends_with_the_tool_does_and_what_does_not_runs_on(work: Work, tmp_path: Path) -> None:
    tool = _another_tool(tmp_path, {"r/a/1": True, "r/b/1": False})
    for key in ("r/a/1", "r/b/1"):
        assert eventually(says(work, key, "up"), 10.0)
    tool.kill()
    tool.communicate()
    assert finish(work, "r/a/1") is JobState.FAILED
    assert work.status("r/a/1").output == "up\nasked 1\n"
    assert work.status("r/b/1").state is JobState.RUNNING


@pytest.mark.parametrize(
    ("earlier", "key", "ends"),
    [
        ("r/api/api-1/replace/1", "r/api/api-1/replace/2", True),
        ("r/api/api-1/replace/1", "r/api/api-1/replace/1", True),
        ("r/api/api-1/replace/1", "r/api/api-2/replace/1", False),
        ("r/api/api-1/replace/1", "r/undo/api/api-1/replace/0/1", True),
        ("r/undo/a/0/1", "r/undo/b/0/1", False),
        ("r/undo/a/0/1", "r/undo/a/0/2", True),
        ("old/api/1", "r/other/1", True),
    ],
)
def test_who_makes_room_for_whom(earlier: str, key: str, *, ends: bool) -> None:
    assert ends_for(earlier, key) is ends

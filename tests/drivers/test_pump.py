"""What jobs print: no known secret value reaches the disk, however it arrives; all else does."""

from __future__ import annotations

import os
import signal
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout_kit.drivers.process.driver import ProcessDriver
from rollout_kit.drivers.work import pump, roles
from rollout_kit.ports.infra import JobState, RunCommand
from tests.drivers.conftest import eventually
from tests.drivers.test_ended import supervisor_of

CANARY = "canary-5d1f-value"
VALUES = [(b"abcabd", b"<1>"), (b"abcabdxyz", b"<2>"), (b"dabcab", b"<3>")]

TWO_WRITES = """
import os, sys, time
value = os.environ["PLAN_TOKEN"]
for stream in (1, 2):
    os.write(stream, ("token " + value[:7]).encode())
    time.sleep(0.2)
    os.write(stream, (value[7:] + " end, and canary-5 alone" + chr(10)).encode())
"""


def all_at_once(data: bytes) -> bytes:
    return pump.masked(data, VALUES, final=True)[0]


@pytest.mark.parametrize(
    ("printed", "written"),
    [
        (b"", b""),
        (b"plain", b"plain"),
        (b"abcabd", b"<1>"),
        (b"abcabdxyz", b"<2>"),
        (b"abcabdxy", b"<1>xy"),
        (b"dabcab", b"<3>"),
        (b"abcabdabcabd", b"<1><1>"),
        (b"abcab", b"abcab"),
    ],
)
def test_the_leftmost_value_goes_first_and_the_longer_of_two(
    printed: bytes, written: bytes
) -> None:
    assert all_at_once(printed) == written


PIECES = st.sampled_from([b"abc", b"abd", b"xyz", b"d", b"ab", b"-", b"abcabd", b"\xff"])


@given(st.lists(PIECES, max_size=12), st.lists(st.integers(0, 60), max_size=6))
def test_it_is_all_one_however_the_bytes_arrive(pieces: list[bytes], cuts: list[int]) -> None:
    data = b"".join(pieces)
    places = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    done, pending = b"", b""
    for begin, end in pairwise(places):
        written, pending = pump.masked(pending + data[begin:end], VALUES, final=False)
        done += written
        assert len(pending) < max(len(value) for value, _ in VALUES)
    assert done + pump.masked(pending, VALUES, final=True)[0] == all_at_once(data)
    assert not any(value in all_at_once(data) for value, _ in VALUES)


@pytest.fixture
def planted(fleet_file: Path, driver: ProcessDriver) -> ProcessDriver:
    """The driver of a plan that names a token which its fleet file does not."""
    environment = {**os.environ, "FLEET_TOKEN": "a-secret-value", "PLAN_TOKEN": CANARY}
    return ProcessDriver(fleet_file, environment, ["PLAN_TOKEN"])


def finish(driver: ProcessDriver, key: str) -> JobState:
    under_way = {JobState.QUEUED, JobState.RUNNING}
    eventually(lambda: driver.work(key).state not in under_way, 10.0)
    return driver.work(key).state


@pytest.mark.processes
def test_a_secret_that_a_command_prints_in_two_writes_is_in_no_file_at_any_time(
    planted: ProcessDriver, tmp_path: Path
) -> None:
    planted.begin("key", RunCommand(argv=(sys.executable, "-S", "-c", TWO_WRITES)))
    stdout = planted.state.work("key") / "stdout"
    assert eventually(lambda: stdout.exists() and b"token" in stdout.read_bytes())
    assert stdout.read_bytes() == b"token ", "what may begin a value waits for its rest"
    assert finish(planted, "key") is JobState.SUCCEEDED
    masked = "token ${env:PLAN_TOKEN} end, and canary-5 alone\n"
    assert stdout.read_text() == masked
    status = planted.work("key")
    assert (status.output, status.detail) == (masked, masked.strip())
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path for path in files if CANARY.encode() in path.read_bytes()] == []


@pytest.mark.processes
def test_a_command_that_loses_its_supervisor_prints_on(
    planted: ProcessDriver, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    script = (
        "import os, pathlib, time\n"
        f"while not pathlib.Path({str(go)!r}).exists(): time.sleep(0.01)\n"
        "for _ in range(3): print(os.environ['PLAN_TOKEN'], flush=True)\n"
    )
    planted.begin("key", RunCommand(argv=(sys.executable, "-c", script)))
    role = planted.state.role("command/key")
    assert eventually(lambda: (held := roles.holder(role)) and held.alive)
    os.kill(supervisor_of(planted, "key"), signal.SIGKILL)
    assert eventually(lambda: planted.work("key").state is JobState.LOST)
    go.touch()
    stdout = planted.state.work("key") / "stdout"
    assert eventually(lambda: stdout.read_text() == "${env:PLAN_TOKEN}\n" * 3)


@pytest.mark.processes
def test_what_a_command_leaves_running_does_not_keep_it_from_ending(
    planted: ProcessDriver,
) -> None:
    script = "sleep 30 & echo $! done"
    planted.begin("key", RunCommand(argv=("sh", "-c", script)))
    assert finish(planted, "key") is JobState.SUCCEEDED
    pid, word = planted.work("key").output.split()
    assert word == "done"
    os.kill(int(pid), signal.SIGKILL)

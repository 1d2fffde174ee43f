"""State in a bucket: killed on one machine, gone on with from another, all by its URL."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from rollout_kit.journal.state_url import open_state
from rollout_kit.wiring.clock import SystemClock
from tests.acceptance.machine import Machine, sandbox_machine
from tests.acceptance.small_plan import approval, pause, plan, touch
from tests.journal.s3 import s3_server
from tests.journal.s3_server import BUCKET

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("small-plans")]

URL = f"s3://{BUCKET}/teams/orders"


@pytest.fixture(scope="module")
def s3() -> Iterator[Mapping[str, str]]:
    with s3_server() as environment:
        yield environment


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with sandbox_machine(tmp_path_factory.mktemp("remote"), workers=1, rate_hz=0) as (machine, _):
        yield machine


@pytest.fixture
def machines(
    fleet: Machine, s3: Mapping[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Machine, Machine]]:
    """Two working folders that share nothing but the fleet and the bucket."""
    for name, value in s3.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "sandbox").symlink_to(fleet.folder.parent / "sandbox")
    found = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        found.append(Machine(tmp_path / name, {**fleet.environment, **s3}))
    yield found[0], found[1]
    for machine in found:
        machine.leave()


def events(state: str) -> list[dict[str, object]]:
    """What the newest journal there says, read by ourselves."""
    store = open_state(state, Path("/"), {"AWS_ALLOW_HTTP": "true"}, SystemClock())
    entries = store.rollouts("sandbox")
    if not entries:
        return []
    lines = list(store.tape("sandbox", entries[0].rollout).backwards())
    return [json.loads(line)["event"] for line in reversed(lines)]


def await_event(state: str, kind: str, times: int = 1, within_s: float = 40.0) -> None:
    deadline = time.monotonic() + within_s
    while sum(event["is"] == kind for event in events(state)) < times:
        assert time.monotonic() < deadline, [event["is"] for event in events(state)]
        time.sleep(0.1)


@pytest.mark.crash
def test_killed_here_and_gone_on_with_there(machines: tuple[Machine, Machine]) -> None:
    one, other = machines
    state = ("--state", f"{URL}/killed")
    (one.folder / "plan.yaml").write_text(
        plan(touch("first", one.folder / "first.txt"), pause("wait", "2s"), approval("ask"))
        + "  - "
        + touch("last", one.folder / "last.txt")
        + "\n"
    )
    running = one.start("apply", "plan.yaml", *state)
    await_event(state[1], "OperationAwaited")
    running.kill()

    status = other.run("status", *state)
    assert status.out.splitlines()[0].endswith("on sandbox: interrupted"), status.both
    rollout = str(events(state[1])[0]["rollout"])
    assert f"journal {state[1]}/sandbox/{rollout}/" in status.out
    resumed = other.run("resume", *state)
    assert resumed.code == 12, resumed.both
    assert resumed.last_line.endswith(f"approve ask/ask --state {state[1]}"), resumed.out
    approved = one.run("approve", *state, "--because", "looks good")
    assert approved.code == 0, approved.both
    done = other.run("resume", *state)
    assert done.code == 0, done.both
    assert f"journal: {state[1]}/sandbox/{rollout}/" in done.out

    assert "looks good" in other.run("journal", "show", rollout, *state).out
    assert other.run("journal", "verify", rollout, *state).code == 0
    lines = one.run("journal", "export", rollout, *state).out.splitlines()
    assert [json.loads(line)["sequence"] for line in lines] == list(range(len(lines)))
    assert {json.loads(line)["fence"] for line in lines} == {1, 2, 3}
    back = other.run("rollback", rollout, *state)
    assert back.code == 10, back.both
    assert not (one.folder / "last.txt").exists()
    assert one.run("unlock", *state).out == "sandbox is not locked\n"
    for machine in machines:
        assert not (machine.folder / ".rollout-kit").exists()
    shutil.rmtree(one.folder)


@pytest.mark.crash
def test_a_plan_names_its_bucket_and_another_plan_waits_for_the_target(
    machines: tuple[Machine, Machine],
) -> None:
    one, other = machines
    state = f"{URL}/waited"
    for machine, name in ((one, "first"), (other, "second")):
        (machine.folder / "plan.yaml").write_text(
            f"state: {state}\n" + plan(touch("t", f"{name}.txt"), pause("wait", "8s"), name=name)
        )
    first = one.start("apply", "plan.yaml")
    await_event(state, "OperationAwaited")

    second = other.start("apply", "plan.yaml", "--lock-wait", "1m")
    assert second.process.stderr is not None
    told = second.process.stderr.readline()
    assert f"ada (process {first.process.pid} on " in told
    assert told.endswith("; waiting for up to 1m until it is done\n")
    ended = second.end()
    assert ended.code == 0, ended.both
    assert first.end().code == 0
    assert len({event["is"] for event in events(state)}) > 3


def test_a_store_that_is_not_there_is_refused_before_the_first_write(
    machines: tuple[Machine, Machine],
) -> None:
    one, _ = machines
    (one.folder / "plan.yaml").write_text(plan(touch("never", one.folder / "never.txt")))
    for state, code, said in (
        ("s3://no-such-bucket/x", 1, "404 NoSuchBucket"),
        ("ftp://somewhere/x", 2, "is no place for state that is known here"),
    ):
        ran = one.run("apply", "plan.yaml", "--state", state)
        assert (ran.code, said in ran.err) == (code, True), ran.both
        assert "hint: " in ran.err
    unreachable = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    ran = one.run("apply", "plan.yaml", "--state", URL, environment=unreachable)
    assert (ran.code, "gives no answer" in ran.err) == (3, True), ran.both
    assert not (one.folder / "never.txt").exists()


@pytest.mark.crash
def test_a_store_that_falls_silent_is_waited_for_and_a_signal_ends_the_waiting(
    machines: tuple[Machine, Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = machines
    (one.folder / "plan.yaml").write_text(
        plan(
            touch("first", one.folder / "first.txt"),
            pause("wait", "6s"),
            touch("last", one.folder / "last.txt"),
        )
    )
    servers: list[subprocess.Popen[str]] = []
    with s3_server(servers) as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        state = ("--state", f"{URL}/silent")
        running = one.start("apply", "plan.yaml", *state, environment=environment)
        await_event(state[1], "OperationAwaited")
        servers[0].send_signal(signal.SIGSTOP)
        time.sleep(12.0)  # the pause is over by then, and its end has nowhere to go
        assert running.process.poll() is None
        running.signal("SIGINT")
        began = time.monotonic()
        ended = running.end()
        assert (ended.code, time.monotonic() - began < 10.0) == (16, True), ended.both
        assert "trying again for up to 90s" in ended.err
        assert "gives no answer" in ended.out
        servers[0].send_signal(signal.SIGCONT)
        assert ended.last_line.startswith("next: rollout-kit resume small-")
        assert not (one.folder / "last.txt").exists()

        again = other.start("resume", *state, environment=environment)
        await_event(state[1], "Attached", times=2)
        servers[0].send_signal(signal.SIGSTOP)
        time.sleep(15.0)
        servers[0].send_signal(signal.SIGCONT)
        done = again.end()
        assert done.code == 0, done.both
        assert other.run("journal", "verify", *state, environment=environment).code == 0

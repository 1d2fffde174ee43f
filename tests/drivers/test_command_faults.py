"""Everything a script can do wrong, in each of its actions: what becomes of it, in its own sentence."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from rollout_kit.drivers.command import script
from rollout_kit.drivers.command.contract import asked
from rollout_kit.drivers.command.driver import CommandDriver
from rollout_kit.drivers.command.script import Script
from rollout_kit.drivers.work import processes
from rollout_kit.ports.errors import Incompatible, OutsideError, Trouble, Unavailable
from rollout_kit.ports.infra import JobState, ProcessSpec, ReplaceNode
from tests.drivers.conftest import eventually
from tests.drivers.test_command_driver import World, finish

pytestmark = pytest.mark.processes

KEY = "r/api/api-1/replace/1"
CHANGE = ReplaceNode(node="api-1", spec=ProcessSpec(image="server:2"))
ASKED = ("describe", "observe", "preview")

ENDLESS = "while :; do echo 0123456789012345678901234567890123456789; done"
FAULTS: dict[str, tuple[str, type[OutsideError], Trouble, str]] = {
    "garbage": ("echo all is well", Incompatible, Trouble.INCOMPATIBLE, "printed what is no JSON"),
    "bytes": ("printf '\\377\\376'", Incompatible, Trouble.INCOMPATIBLE, "printed what is no JSON"),
    "silence": ("true", Incompatible, Trouble.INCOMPATIBLE, "printed nothing"),
    "another contract": (
        """echo '{"contract": 7}'""",
        Incompatible,
        Trouble.INCOMPATIBLE,
        "speaks contract 7, this rollout-kit speaks 1",
    ),
    "another shape": (
        """echo '{"contract": 1, "nonsense": true}'""",
        Incompatible,
        Trouble.INCOMPATIBLE,
        "does not answer as the contract says",
    ),
    "too much": (ENDLESS, Unavailable, Trouble.SERVER, "printed more than 4096 bytes"),
    "a hang": ("sleep 600 & echo $! > slow; wait", Unavailable, Trouble.TIMEOUT, "gave no answer"),
    "a hang with its output closed": (
        "exec >&- 2>&-; echo $$ > slow; sleep 600",
        Unavailable,
        Trouble.TIMEOUT,
        "gave no answer",
    ),
    "a signal": ("kill -9 $$", Unavailable, Trouble.SERVER, "was ended by signal 9"),
    "an error": ("echo no >&2; exit 3", Unavailable, Trouble.SERVER, "ended with exit status 3"),
}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.mark.parametrize("action", ASKED)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_question_answered_wrongly(
    world: World, monkeypatch: pytest.MonkeyPatch, action: str, fault: str
) -> None:
    monkeypatch.setattr(script, "ANSWER_AT_MOST", 4096)
    code, kind, trouble, sentence = FAULTS[fault]
    world.does(action, code)
    asking = Script(["./fleet.sh"], world.folder, dict(os.environ), str)
    within_s = 0.5 if fault.startswith("a hang") else 20.0
    with pytest.raises(OutsideError) as raised:
        asking.ask(action, asked(action), within_s)
    assert type(raised.value) is kind
    assert raised.value.trouble is trouble
    assert raised.value.message.startswith(f"`./fleet.sh {action}` {sentence}")
    assert raised.value.hint
    slow = world.folder / "slow"
    if slow.exists():
        assert eventually(lambda: processes.started(int(slow.read_text())) is None)


def test_many_words_beside_an_answer_do_no_harm(world: World) -> None:
    world.does("observe", "yes complaint | head -c 3000000 >&2; cat observe.json")
    driver = CommandDriver(["./fleet.sh"], world.folder, world.folder / "state", dict(os.environ))
    assert driver.node_spec("api-1").image == "server:1"
    world.does("observe", "yes complaint | head -c 3000000 >&2; echo last word >&2; exit 1")
    driver._observed.forget()
    with pytest.raises(Unavailable) as raised:
        driver.node_spec("api-1")
    assert raised.value.why.endswith("last word")
    assert len(raised.value.why) < 5000


def test_a_question_that_nobody_reads_is_no_reason_to_wait(world: World) -> None:
    world.script.write_text("#!/bin/sh\ncat $1.json\n")
    asking = Script(["./fleet.sh"], world.folder, dict(os.environ), str)
    long = asked("observe", padding="x" * 1_000_000)
    assert asking.ask("observe", long, 20.0)["scheduler"]["image"] == "server:1"


APPLY: dict[str, tuple[str, JobState, Callable[[str], bool]]] = {
    "garbage": ("echo all is well", JobState.SUCCEEDED, lambda said: said == ""),
    "another contract": (
        """echo '{"contract": 7, "sentence": "done"}'""",
        JobState.SUCCEEDED,
        lambda said: said == "done",
    ),
    "too much": (
        "yes words | head -c 3000000; echo why >&2; exit 1",
        JobState.FAILED,
        lambda said: said == "why",
    ),
    "a signal": ("echo so far >&2; kill -9 $$", JobState.FAILED, lambda said: said == "so far"),
    "an error": ("exit 3", JobState.FAILED, lambda said: said == ""),
}


@pytest.mark.parametrize("fault", APPLY)
def test_a_change_carried_out_wrongly_is_judged_by_its_exit_and_its_last_words(
    world: World, fault: str
) -> None:
    code, state, told = APPLY[fault]
    world.does("apply", code)
    driver = CommandDriver(["./fleet.sh"], world.folder, world.folder / "state", dict(os.environ))
    driver.begin(KEY, CHANGE)
    assert finish(driver, KEY) is state
    status = driver.work(KEY)
    assert told(status.detail), status
    assert len(status.output.encode()) <= 64 * 1024


def test_a_change_that_hangs_runs_until_it_is_stopped(world: World) -> None:
    world.does("apply", "echo $$ > slow; exec sleep 600")
    driver = CommandDriver(["./fleet.sh"], world.folder, world.folder / "state", dict(os.environ))
    driver.begin(KEY, CHANGE)
    slow = world.folder / "slow"
    assert eventually(lambda: slow.exists() and slow.read_text(), 20.0)
    assert driver.work(KEY).state is JobState.RUNNING
    driver.stop(KEY)
    assert finish(driver, KEY) is JobState.FAILED
    assert driver.work(KEY).exit_status == -signal.SIGINT
    assert processes.started(int(slow.read_text())) is None

"""What `apply`, `resume` and `rollback` end with: code, last lines, and never a traceback."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from rollout_kit.cli.arguments import Output
from rollout_kit.cli.console import Console
from rollout_kit.cli.endings import CODES, LOOKS, exit_code
from rollout_kit.cli.exit_codes import AFTER_WRITES, ExitCode
from rollout_kit.cli.running import Run, carry_out, warn_of_a_lost_state
from rollout_kit.model.events import Event, HoldKind
from rollout_kit.model.state import fold
from rollout_kit.ports.errors import Trouble, Unavailable
from rollout_kit.reporters.text import Printer
from rollout_kit.wiring.clock import SystemClock
from rollout_kit.wiring.result import Ending, Result, Surroundings
from tests.reporters.cases import ROLLED_BACK, SUCCESS, records

from .terminal import Ran

RUN = Run(command="apply", output=Output.HUMAN)
ROOT = Path(__file__).parents[2]


def carried(
    act: Callable[[Surroundings], Result],
    run: Run = RUN,
    environment: dict[str, str] | None = None,
) -> Ran:
    out, err = io.StringIO(), io.StringIO()
    console = Console(
        out=Printer(out),
        err=Printer(err),
        err_stream=err,
        environment=environment or {},
        folder=Path("/nowhere"),
        colour=False,
        live=False,
        interactive=False,
    )
    # The clock that listens belongs to a process of its own: here no signal is taken.
    code = carry_out(run, console, act, SystemClock())
    return Ran(code=int(code), out=out.getvalue(), err=err.getvalue())


def telling(events: tuple[Event, ...], result: Result) -> Callable[[Surroundings], Result]:
    def act(around: Surroundings) -> Result:
        for record in records(events):
            for reporter in around.reporters:
                reporter.record(record)
        return replace(result, state=fold(records(events)))

    return act


def result(ending: Ending, sentence: str = "so", **more: object) -> Result:
    return Result(
        ending=ending,
        sentence=sentence,
        rollout="orders-1",
        journal=Path("/nowhere/.rollout-kit/orders/orders-1.jsonl"),
        **more,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("ending", list(Ending))
def test_every_ending_has_a_code_and_a_look(ending: Ending) -> None:
    assert CODES[ending] in ExitCode
    assert LOOKS[ending]


@pytest.mark.parametrize(
    ("ending", "code"),
    [
        (Ending.SUCCEEDED, 0),
        (Ending.NOTHING_TO_DO, 0),
        (Ending.FAILED, 1),
        (Ending.ABORTED, 1),
        (Ending.BLOCKED, 1),
        (Ending.ROLLED_BACK, 10),
        (Ending.RESIDUE, 11),
        (Ending.HELD, 12),
        (Ending.POLICY, 13),
        (Ending.STALE, 14),
        (Ending.LOCKED, 15),
        (Ending.INTERRUPTED, 16),
    ],
)
def test_the_code_of_an_ending(ending: Ending, code: int) -> None:
    assert carried(lambda _: result(ending)).code == code


def test_an_update_beyond_its_radius_holds_with_its_own_code() -> None:
    assert exit_code(result(Ending.HELD, hold=HoldKind.REFUSED)) is ExitCode.POLICY


def test_the_last_lines_name_outcome_verification_and_journal() -> None:
    ran = carried(telling(tuple(SUCCESS), result(Ending.SUCCEEDED, "every operation is done")))

    lines = ran.out.splitlines()
    assert lines[0] == "✓ Succeeded: every operation is done"
    assert lines[1] == "Verification:"
    assert "  ✓ served                0, to be at most 0" in lines
    assert lines[-1] == "journal: /nowhere/.rollout-kit/orders/orders-1.jsonl"
    assert ran.err.splitlines()[-1] == "10:00:24 ✓ succeeded: every operation is done"


def test_residue_is_named() -> None:
    left = result(Ending.RESIDUE, residue=("orders@new: 2 open runs",), kept=("schema",))

    ran = carried(telling(tuple(ROLLED_BACK), left))

    assert "left running: orders@new: 2 open runs" in ran.out.splitlines()
    assert "kept: schema" in ran.out.splitlines()


def test_an_interrupts_last_line_is_the_resume_command() -> None:
    act = telling(tuple(SUCCESS[:3]), result(Ending.INTERRUPTED))

    ran = carried(act, replace(RUN, state="my state"))

    assert ran.out.splitlines()[-1] == "next: rollout-kit resume orders-1 --state 'my state'"


def test_what_was_refused_before_the_first_write_has_no_resume_command() -> None:
    assert "next:" not in carried(lambda _: result(Ending.BLOCKED)).out


def test_json_ends_with_the_result() -> None:
    act = telling(tuple(SUCCESS), result(Ending.SUCCEEDED))

    ran = carried(act, replace(RUN, output=Output.JSON))

    lines = [json.loads(line) for line in ran.out.splitlines()]
    assert len(lines) == len(SUCCESS) + 1
    assert lines[-1]["type"] == "result"
    assert lines[-1]["result"]["exit_code"] == 0
    assert lines[-1]["result"]["verification"][0]["verdict"] == "pass"
    assert ran.err == ""


def test_markdown_is_the_summary() -> None:
    act = telling(tuple(SUCCESS), result(Ending.SUCCEEDED))

    ran = carried(act, replace(RUN, output=Output.MARKDOWN))

    assert ran.out.startswith("### ✓ `orders-1` on `orders`: succeeded\n")


def test_in_github_actions_the_job_gets_its_summary(tmp_path: Path) -> None:
    environment = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
    }
    ran = carried(telling(tuple(ROLLED_BACK), result(Ending.RESIDUE)), RUN, environment)

    assert "rolled back with residue" in (tmp_path / "summary.md").read_text()
    assert "::error " in ran.err


def test_trouble_before_the_first_write_has_its_own_code() -> None:
    def act(_: Surroundings) -> Result:
        raise Unavailable("no connection", trouble=Trouble.NETWORK)

    assert carried(act).code == 3


@pytest.mark.parametrize(
    "error",
    [
        Unavailable("no connection", trouble=Trouble.NETWORK),
        KeyboardInterrupt(),
        ZeroDivisionError("a bug"),
    ],
)
def test_after_the_first_write_every_end_is_one_that_can_be_resumed(error: BaseException) -> None:
    def act(around: Surroundings) -> Result:
        telling(tuple(SUCCESS[:3]), result(Ending.HELD))(around)
        raise error

    ran = carried(act)

    assert ExitCode(ran.code) in AFTER_WRITES
    assert ran.out.splitlines()[-1] == "next: rollout-kit resume orders-1"
    assert "Traceback" not in ran.err


def test_in_ci_the_default_state_folder_is_warned_of() -> None:
    def warned(run: Run, environment: dict[str, str]) -> str:
        err = io.StringIO()
        console = Console(
            out=Printer(io.StringIO()),
            err=Printer(err),
            err_stream=err,
            environment=environment,
            folder=Path("/ci"),
            colour=False,
            live=False,
            interactive=False,
        )
        warn_of_a_lost_state(run, console)
        return err.getvalue()

    assert "nobody can resume this rollout" in warned(RUN, {"CI": "true"})
    assert warned(replace(RUN, state="/mnt/state"), {"CI": "true"}) == ""
    assert warned(RUN, {}) == ""


WAITING = """
import sys
from pathlib import Path
from rollout_kit.cli.arguments import Output
from rollout_kit.cli.console import for_process
from rollout_kit.cli.running import Run, carry_out
from rollout_kit.wiring.result import Ending, Result

def act(around):
    print("ready", flush=True)
    while not around.clock.interrupted():
        around.clock.sleep(60)
    return Result(ending=Ending.INTERRUPTED, sentence="interrupted", rollout="orders-1")

sys.exit(carry_out(Run(command="apply", output=Output.HUMAN), for_process(), act))
"""


TALKING = """
import sys
from pathlib import Path
from rollout_kit.cli.arguments import Output
from rollout_kit.cli.console import for_process
from rollout_kit.cli.running import Run, carry_out
from rollout_kit.wiring.result import Ending, Result

def act(around):
    for number in range(400):
        around.warn(f"{number} " + "x" * 900)
    Path(sys.argv[1]).write_text("every effect is done")
    while not around.clock.interrupted():
        around.clock.sleep(60)
    return Result(ending=Ending.INTERRUPTED, sentence="interrupted", rollout="orders-1")

sys.exit(carry_out(Run(command="apply", output=Output.HUMAN), for_process(), act))
"""


@pytest.mark.processes
def test_who_stops_reading_stops_neither_the_rollout_nor_its_end(tmp_path: Path) -> None:
    done = tmp_path / "done"
    read, write = os.pipe()  # a pipe for both streams, and nobody at its other end
    child = subprocess.Popen(
        [sys.executable, "-c", TALKING, str(done)],
        stdout=write,
        stderr=write,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        deadline_s = time.monotonic() + 20
        while not done.exists() and time.monotonic() < deadline_s:
            time.sleep(0.02)
        assert done.exists(), "400 lines into a pipe of 64 KiB held the rollout up"
        began_s = time.monotonic()
        child.send_signal(signal.SIGTERM)
        assert child.wait(10) == 16
        assert time.monotonic() - began_s < 6.0
    finally:
        child.kill()
        child.wait()
        os.close(read)
        os.close(write)


@pytest.mark.processes
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_ends_with_the_resume_command_at_once(name: str) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", WAITING],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    began = time.monotonic()
    child.send_signal(getattr(signal, name))
    out, err = child.communicate(timeout=10)

    assert time.monotonic() - began < 6.0
    assert child.returncode == 16
    assert out.splitlines()[-1] == "next: rollout-kit resume orders-1"
    assert err == ""

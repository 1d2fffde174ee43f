"""`demo`: the product on a fleet of its own, from preview to the account of every workflow."""

from __future__ import annotations

import shlex
import tempfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from rollout_kit.cli import plan_file
from rollout_kit.cli.arguments import Demo, Output, PlanChoice
from rollout_kit.cli.console import Console
from rollout_kit.cli.errors import CommandError
from rollout_kit.cli.exit_codes import ExitCode
from rollout_kit.cli.never_waiting import never_waiting
from rollout_kit.cli.running import Run, carry_out, listening_clock
from rollout_kit.cli.sandbox_view import print_fleet
from rollout_kit.document.substitute import Purpose
from rollout_kit.journal.folder_store import FolderStore
from rollout_kit.reporters.preview_view import print_preview
from rollout_kit.reporters.text import Style
from rollout_kit.sandbox import fleet
from rollout_kit.sandbox.account import CannotAccount
from rollout_kit.sandbox.files import SandboxError
from rollout_kit.sandbox.layout import Flaw, Generation, SandboxInfo
from rollout_kit.wiring import session
from rollout_kit.wiring.clock import SystemClock
from rollout_kit.wiring.result import Surroundings

PLAN = "rolling-upgrade.yaml"
JOURNAL = "journal"
SETTLE_S = 15.0
"""Longer than the sandbox's longest run: what is open after that is held up by something."""

PACE = {
    "bake": "5s",
    "node_bake": "1s",
    "hold": "2s",
    "sample_every": "1s",
    "gate_within": "15s",
    "node_within": "30s",
    "canary_within": "40s",
    "drain_within": "60s",
    "rollback_within": "50s",
    "smoke_count": "4",
    "overdue_at_most": "8s",
    "overdue_at_most_ms": "8000",
}
"""A demo's patience. Everything else of the plan is as people copy it."""


def run(arguments: Demo, console: Console) -> ExitCode:
    """The exit code is that of `apply`; 1 where a workflow was lost. No process stays behind."""
    clock = listening_clock()
    with never_waiting(console, clock) as patient:
        return _run(arguments, patient, clock)


def _run(arguments: Demo, console: Console, clock: SystemClock) -> ExitCode:
    folder = Path(tempfile.mkdtemp(prefix="rollout-kit-demo-"))
    flaw = Flaw(arguments.breaks) if arguments.breaks else None
    try:
        _title(console, f"A fleet of server {arguments.generation} with work on it")
        info = fleet.up(folder / "sandbox", generation=Generation(arguments.generation), flaw=flaw)
        print_fleet(fleet.status(info.folder), console.out)
        code = _upgrade(info, folder, _seeing(console, info), clock)
        return _ended(info, code, console, clock)
    finally:
        fleet.down(folder / "sandbox")
        console.out.line(f"Every process of the sandbox is gone; its files are in {folder}")


def _upgrade(info: SandboxInfo, folder: Path, console: Console, clock: SystemClock) -> ExitCode:
    variables = {**info.variables, **PACE}
    choice = PlanChoice(file=str(_plan()), variables=tuple(variables.items()))
    document = plan_file.usable(choice, console, Purpose.APPLY)
    around = Surroundings(
        environment=console.environment,
        store=FolderStore(folder / JOURNAL),
        clock=clock,
        command="demo",
        warn=console.warn,
    )
    _title(console, f"rollout-kit preview {PLAN}")
    _demand_time(clock)
    print_preview(session.preview(document, _plan().parent, around), PLAN, console.out)
    _title(console, f"rollout-kit apply {PLAN}")
    _demand_time(clock)
    how = Run(command="apply", output=Output.HUMAN, state=str(folder / JOURNAL), plan_file=PLAN)
    return carry_out(
        how,
        console,
        lambda around: session.apply(document, _plan().parent, around),
        clock,
    )


def _ended(info: SandboxInfo, code: ExitCode, console: Console, clock: SystemClock) -> ExitCode:
    """The fleet, every workflow that was started, where to read on."""
    if clock.interrupted():
        console.out.line(
            "Interrupted: this fleet goes with its demo, and nothing is to be resumed."
        )
        return ExitCode.INTERRUPTED
    _title(console, "The fleet afterwards")
    with suppress(SandboxError):
        print_fleet(fleet.status(info.folder), console.out)
    _title(console, "Every workflow that was started")
    try:
        account = fleet.settle(info, SETTLE_S, sleep=clock.sleep, interrupted=clock.interrupted)
    except CannotAccount as error:
        raise CommandError(
            ExitCode.FAILURE, f"the load cannot be accounted for: {error}"
        ) from error
    console.out.line(account.sentence, Style.BAD if account.lost else Style.GOOD)
    for lost in account.lost[:10]:
        console.out.line(f"  lost: {lost.workflow_id}: {lost.because}", Style.BAD)
    code = ExitCode.FAILURE if account.lost else code
    _title(console, f"Exit code {int(code)}: {code.meaning}")
    state = info.folder.parent / JOURNAL
    console.out.line(f"journal: rollout-kit journal show --state {shlex.quote(str(state))}")
    return code


def _seeing(console: Console, info: SandboxInfo) -> Console:
    """The console with the sandbox's addresses and tokens in its environment."""
    return replace(console, environment={**console.environment, **info.environment})


def _plan() -> Path:
    """The very file that people copy: in an installed package, or in a checkout."""
    package = Path(__file__).parents[2]
    for folder in (package / "plans", package.parent / "pipelines" / "plans"):
        if (folder / PLAN).is_file():
            return folder / PLAN
    raise CommandError(ExitCode.FAILURE, f"{PLAN} was not installed with rollout-kit")


def _title(console: Console, text: str) -> None:
    console.out.line()
    console.out.line(f"── {text}", Style.STRONG)


def _demand_time(clock: SystemClock) -> None:
    if clock.interrupted():
        raise KeyboardInterrupt

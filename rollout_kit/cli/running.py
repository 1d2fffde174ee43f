"""What `apply`, `resume`, `rollback` and `abort` share: reporters, signals, the end."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from rollout_kit.cli import endings, journals
from rollout_kit.cli.arguments import Output
from rollout_kit.cli.console import Console
from rollout_kit.cli.errors import explain
from rollout_kit.cli.exit_codes import AFTER_WRITES, ExitCode
from rollout_kit.cli.never_waiting import never_waiting
from rollout_kit.cli.options import DEFAULT_STATE, with_state
from rollout_kit.journal.owner import actor
from rollout_kit.model.events import HoldKind, OperationIntended, Progress, Record, RolloutStarted
from rollout_kit.ports.reporter import Reporter
from rollout_kit.reporters.github import GithubReporter
from rollout_kit.reporters.human import HumanReporter
from rollout_kit.reporters.json_lines import JsonLinesReporter
from rollout_kit.reporters.rollout_markdown import MarkdownReporter
from rollout_kit.wiring.clock import DECLINED, SystemClock
from rollout_kit.wiring.result import CannotTakeUp, Ending, Result, Surroundings

if TYPE_CHECKING:
    from rollout_kit.cli.asking import Asking
    from rollout_kit.reporters.live import LiveReporter


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """How a rollout is run: from which command, journaled where, shown how."""

    command: str
    output: Output
    state: str | None = None  # as given or as the plan says; None: the default
    plan_file: str = ""
    wait: bool = False
    lock_wait_s: float = 0.0
    policies: tuple[Path, ...] = ()

    @property
    def state_folder(self) -> str:
        return self.state or DEFAULT_STATE


class Follower(Reporter, Protocol):
    """A reporter that may come to a rollout in its midst."""

    def catch_up(self, records: Sequence[Record]) -> None: ...


class Witness:
    """Implements `ports.reporter.Reporter`: knows whether this rollout has written, and its id."""

    def __init__(self) -> None:
        self.rollout = ""
        self.wrote = False

    def catch_up(self, records: Sequence[Record]) -> None:
        for record in records:
            self.record(record)

    def record(self, record: Record) -> None:
        if isinstance(record.event, RolloutStarted):
            self.rollout = record.event.rollout
        if isinstance(record.event, OperationIntended):
            self.wrote = True

    def progress(self, progress: Progress) -> None:
        """Nothing to see in a sign of life."""


@dataclass(slots=True)
class _Shown:
    """The reporters of one run."""

    reporters: tuple[Follower, ...]
    warn: Callable[[str], None]
    live: LiveReporter | None = None
    json: JsonLinesReporter | None = None
    markdown: MarkdownReporter | None = None
    github: GithubReporter | None = None
    witness: Witness = field(default_factory=Witness)

    def catch_up(self, records: Sequence[Record]) -> None:
        for one in (self.witness, *self.reporters):
            one.catch_up(records)


def listening_clock() -> SystemClock:
    """The process's time; from now on a signal is a wish to stop."""
    clock = SystemClock()
    clock.listen()
    return clock


def carry_out(
    run: Run,
    console: Console,
    act: Callable[[Surroundings], Result],
    clock: SystemClock | None = None,
) -> ExitCode:
    """Run `act` with everything it needs, say how it ended, give the code."""
    clock = clock or listening_clock()
    with never_waiting(console, clock, json=run.output is Output.JSON) as patient:
        return _carried_out(run, patient, act, clock)


def _carried_out(
    run: Run, console: Console, act: Callable[[Surroundings], Result], clock: SystemClock
) -> ExitCode:
    with _shown(run, console, clock) as shown:
        around = Surroundings(
            environment=console.environment,
            store=journals.store(run.state, console, clock),
            clock=clock,
            reporters=(shown.witness, *shown.reporters),
            command=run.command,
            wait_for_people=run.wait or console.interactive,
            lock_wait_s=run.lock_wait_s,
            policies=run.policies,
            catch_up=shown.catch_up,
            warn=shown.warn,
        )
        asking = _asking(shown, around, run, console)
        if asking is not None:
            around = replace(around, reporters=(asking, *around.reporters))
            shown.reporters = (asking, *shown.reporters)
        try:
            result = act(around)
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the code depends on what was written
            return _stopped(error, shown.witness, run, console)
        finally:
            if asking is not None:
                asking.close()
    result = _declined(result, clock)
    _say(result, shown, run, console)
    return endings.exit_code(result)


def _asking(shown: _Shown, around: Surroundings, run: Run, console: Console) -> Asking | None:
    """Who asks the person at this terminal, where there is one."""
    if shown.live is None or not console.interactive:
        return None
    from rollout_kit.cli.asking import Asking

    return Asking(
        shown.live,
        around.clock,
        actor=actor(around.environment),
        keyboard=sys.stdin.fileno(),
        leave=lambda target, rollout, said: around.store.people(target, rollout).leave(said),
        state_folder=run.state_folder,
    )


def _declined(result: Result, clock: SystemClock) -> Result:
    """A no at the terminal is no interrupt: the rollout holds, for the same question."""
    held = result.state.hold if result.state else None
    declined = result.ending is Ending.INTERRUPTED and clock.signal == DECLINED
    if not declined or held is None or held.kind is not HoldKind.APPROVAL:
        return result
    return replace(
        result,
        ending=Ending.HELD,
        sentence=held.reason,
        hint=held.hint,
        hold=held.kind,
        operation=held.operation,
    )


def _stopped(error: BaseException, witness: Witness, run: Run, console: Console) -> ExitCode:
    """Once a rollout has written, it ends with a code of the table's second half, and can go on."""
    rollout = witness.rollout if witness.wrote else ""
    if isinstance(error, CannotTakeUp) and error.__cause__ is not None:
        rollout, error = error.rollout, error.__cause__
    code = explain(error, console)
    if not rollout:
        return code
    command = with_state(f"rollout-kit resume {rollout}", run.state_folder)
    console.out.line(f"next: {command}")
    return code if code in AFTER_WRITES else ExitCode.INTERRUPTED


@contextmanager
def _shown(run: Run, console: Console, clock: SystemClock) -> Iterator[_Shown]:
    with ExitStack() as stack:
        lines = HumanReporter(console.err, clock.monotonic_s)
        shown = _Shown(reporters=(lines,), warn=console.warn)
        match run.output:
            case Output.JSON:
                shown.json = JsonLinesReporter(console.out)
                shown.reporters = (shown.json,)
            case Output.MARKDOWN:
                shown.markdown = MarkdownReporter()
                shown.reporters = (lines, shown.markdown)
            case Output.HUMAN if console.live:
                live = stack.enter_context(_live(console, clock))
                shown.live, shown.reporters = live, (live,)
                shown.warn = replace(console, err=live.above).warn
            case Output.HUMAN:
                pass
        if console.environment.get("GITHUB_ACTIONS") == "true":
            shown.github = GithubReporter(
                console.err, plan_file=run.plan_file, summary=_summary(console)
            )
            shown.reporters = (*shown.reporters, shown.github)
        yield shown


@contextmanager
def _live(console: Console, clock: SystemClock) -> Iterator[LiveReporter]:
    from rollout_kit.reporters.live import LiveReporter

    with LiveReporter(console.err_stream, clock.monotonic_s, colour=console.colour) as reporter:
        yield reporter


def _say(result: Result, shown: _Shown, run: Run, console: Console) -> None:
    if shown.github is not None:
        shown.github.close()
    if shown.json is not None:
        shown.json.result(endings.result_body(result, run.state_folder))
    elif shown.markdown is not None:
        console.out.raw(shown.markdown.text(result.sentence))
    else:
        if result.preview is not None:
            from rollout_kit.reporters.preview_view import print_preview

            print_preview(result.preview, run.plan_file, console.err)
        endings.print_result(result, run.state_folder, console.out)


def _summary(console: Console) -> Path | None:
    path = console.environment.get("GITHUB_STEP_SUMMARY")
    return Path(path) if path else None


def warn_of_a_lost_state(run: Run, console: Console) -> None:
    """In CI the default folder ends with the machine, and with it resume and rollback."""
    if console.environment.get("CI") and run.state is None:
        folder = os.fspath(console.folder / DEFAULT_STATE)
        console.warn(
            f"the journal is kept in {folder}: once this CI machine is gone, nobody can resume this "
            "rollout or roll it back. Name a folder that stays, or a bucket, with --state"
        )

"""Every way a command can be stopped, as one exit code and one sentence. No traceback is ever shown."""

from __future__ import annotations

import sys
import tempfile
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from rollout_kit import __version__
from rollout_kit.cli.console import Console
from rollout_kit.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from rollout_kit.document.diagnostics import Diagnostic


class CommandError(Exception):
    """A command cannot do what was asked, and says so itself."""

    def __init__(self, code: ExitCode, message: str, *, why: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.why = why
        self.hint = hint


def explain(error: BaseException, console: Console) -> ExitCode:
    """Say on stderr what stopped the command; the code to end with."""
    if isinstance(error, CommandError):
        console.fail(error.message, why=error.why, hint=error.hint)
        return error.code
    if isinstance(error, KeyboardInterrupt):
        console.fail("interrupted", why="Nothing was written to the fleet.")
        return ExitCode.INTERRUPTED
    wrong = _wrong_files(error)
    if wrong:
        from rollout_kit.reporters.diagnostics_view import print_diagnostics

        print_diagnostics(wrong, console.err)
        names = ", ".join(dict.fromkeys(one.file for one in wrong))
        console.fail(f"{names} cannot be used; nothing was contacted", hint="mend what is named")
        return ExitCode.USAGE
    expected = _expected(error)
    if expected is not None:
        console.fail(expected.message, why=expected.why, hint=expected.hint)
        return expected.code
    return _bug(error, console)


def _wrong_files(error: BaseException) -> tuple[Diagnostic, ...]:
    """All that is wrong with the files that a plan refers to, each with its place."""
    from rollout_kit.drivers.process.fleet_file import FleetFileError
    from rollout_kit.wiring.review import BadPolicy

    return error.diagnostics if isinstance(error, FleetFileError | BadPolicy) else ()


def _expected(error: BaseException) -> CommandError | None:
    """What the layers below raise on purpose. They are imported here: only who fails pays for them."""
    from rollout_kit.document.terms import UnsetEnvironmentError
    from rollout_kit.journal.lock import LockTaken
    from rollout_kit.journal.objects import Unanswered
    from rollout_kit.journal.state_url import BadState
    from rollout_kit.journal.store import RolloutNotFound
    from rollout_kit.ports.errors import OutsideError
    from rollout_kit.ports.journal import JournalLost
    from rollout_kit.sandbox.files import SandboxError

    match error:
        case OutsideError():
            code = of_trouble(error.trouble.value)
            return CommandError(code, error.message, why=error.why, hint=error.hint)
        case LockTaken():
            return CommandError(ExitCode.LOCKED, error.message, hint=error.hint)
        case BadState():
            return CommandError(ExitCode.USAGE, error.message, hint=error.hint)
        case Unanswered():
            return CommandError(ExitCode.NETWORK, error.message, hint=error.hint)
        case RolloutNotFound():
            return CommandError(ExitCode.NOT_FOUND, error.message, hint=error.hint)
        case JournalLost() | SandboxError():
            return CommandError(ExitCode.FAILURE, error.message, hint=error.hint)
        case UnsetEnvironmentError():
            return CommandError(
                ExitCode.USAGE, f"The {error}, and this plan needs it", hint=f"set {error.name}"
            )
        case OSError() if error.filename:
            message = f"{error.filename} cannot be used: {error.strerror}"
            return CommandError(ExitCode.USAGE, message, hint="check the path, and who may use it")
        case _:
            return None


def of_trouble(trouble: str) -> ExitCode:
    """The code of trouble on the wire, while nothing has been written."""
    return {
        "network": ExitCode.NETWORK,
        "auth": ExitCode.AUTH,
        "not-found": ExitCode.NOT_FOUND,
        "server": ExitCode.SERVER,
        "timeout": ExitCode.TIMEOUT,
        "incompatible": ExitCode.INCOMPATIBLE,
    }.get(trouble, ExitCode.FAILURE)


def _bug(error: BaseException, console: Console) -> ExitCode:
    """Keep the traceback in a file: it is for us, and a terminal's scrollback loses it."""
    trace = "".join(traceback.format_exception(error))
    where = ""
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="rollout-kit-bug-", suffix=".txt", delete=False, encoding="utf-8"
        ) as file:
            arguments = [Path(sys.argv[0]).name, *sys.argv[1:]]
            file.write(f"rollout-kit {__version__}, Python {sys.version}\n{arguments}\n\n{trace}")
            where = file.name
    except OSError:
        where = "nowhere: no temporary folder can be written"
    console.fail(
        f"This is a bug in rollout-kit: {type(error).__name__}",
        why=f"What it was doing is written to {where}",
        hint="report it with that file; `rollout-kit status` shows where a running rollout stands",
    )
    return ExitCode.FAILURE

"""What is read from a stack by plain calls: its recorded state, settings and history."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from rollout_kit.drivers.pulumi import cli as cli_process
from rollout_kit.drivers.pulumi import (
    environment,
    failures,
    program_files,
    settings,
    sidecars,
    state_export,
)
from rollout_kit.drivers.pulumi.api import Picture, Recorded, Stack, Trouble
from rollout_kit.drivers.pulumi.cli import Cli, Ran
from rollout_kit.drivers.pulumi.environment import Mask
from rollout_kit.drivers.pulumi.locks import Lock, backend_of, in_text
from rollout_kit.ports.errors import Refused

_VERSION = "cli-version.json"
_RUN = "run-"
_RUN_IS_OVER_S = 24 * 3600
_NEVER_UPDATED = "no previous deployment"
_NAME_IS_TAKEN = "already exists"
_OF_AN_UPDATE = ("message", "result", "kind", "startTime", "endTime")


def cli_of(stack: Stack, *, timeout_s: float) -> Cli:
    """The CLI in this stack's environment. Raises Refused: there is none."""
    env = environment.of(stack, os.environ)
    path = cli_process.found(stack.command, env)
    if path is None:
        raise failures.error(failures.no_cli(stack.command))
    return Cli(command=path, environment=env, timeout_s=timeout_s)


def version(stack: Stack, cli: Cli) -> str:
    """Of the CLI; asked once for each installed file. Raises Incompatible: it will not do."""
    known = Path(stack.folder) / _VERSION
    identity = cli_process.identity(cli.command)
    try:
        found = json.loads(known.read_text(encoding="utf-8"))
        if found["identity"] == identity:
            return str(found["version"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    words = ["--non-interactive", "version"]
    printed = _expect_success(_run(cli, words, str(Path.cwd())), Mask({})).stdout
    if (unfit := failures.unfit_version(printed)) is not None:
        raise failures.error(unfit)
    text = printed.strip().removeprefix("v")
    known.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    known.write_text(json.dumps({"identity": identity, "version": text}), encoding="utf-8")
    return text


def look(stack: Stack, *, timeout_s: float) -> Picture:
    """See `api.look`."""
    cli = cli_of(stack, timeout_s=timeout_s)
    version(stack, cli)
    with place(stack, "") as (folder, _):
        return export(stack, cli, folder)


def export(stack: Stack, cli: Cli, folder: str) -> Picture:
    """The recorded state, by one call."""
    return state_export.picture(
        _asked(stack, cli, ("stack", "export", "--stack", stack.name), folder).stdout
    )


def history(stack: Stack, cli: Cli, folder: str) -> Mapping[str, str] | None:
    """The last recorded update, by one call; None where there is none.

    A service has it there from its start, with the result `in-progress`. `agent`: what it was sent as.
    """
    words = ("stack", "history", "--json", "--page-size", "1", "--page", "1", "--stack", stack.name)
    entries = json.loads(_asked(stack, cli, words, folder).stdout or "[]")
    if not entries:
        return None
    last = entries[0]
    told = {name: str(last.get(name, "")) for name in _OF_AN_UPDATE}
    return {**told, "agent": str((last.get("environment") or {}).get("exec.agent", ""))}


def cancel(stack: Stack, cli: Cli, folder: str) -> None:
    """Remove every lock of the stack: it stops nobody, and the caller knows that nobody is there."""
    _asked(stack, cli, ("cancel", "--yes", "--stack", stack.name), folder)


def locks(stack: Stack, cli: Cli) -> tuple[Lock, ...]:
    """The stack's locks, by one call, where only the CLI reaches them.

    No call just reads them. Renaming a stack to its own name says whose they are, else takes the
    lock, finds that the name is taken, and lets it go again.
    """
    name = stack.name.rpartition("/")[2]
    with place(stack, "") as (folder, _):
        words = ["--non-interactive", "stack", "rename", name, "--stack", stack.name]
        ran = _run(cli, words, folder)
    if _NAME_IS_TAKEN in ran.stderr:
        return ()
    named = in_text(ran.stderr)
    if not named:
        raise failures.error(trouble_of(ran, mask_of(cli)))
    return named


def recorded(stack: Stack, *, timeout_s: float) -> Recorded:
    """See `api.recorded`."""
    cli = cli_of(stack, timeout_s=timeout_s)
    version(stack, cli)
    return last_settings(stack, cli)


def last_settings(stack: Stack, cli: Cli) -> Recorded:
    """The settings of the last recorded update, by one call."""
    with place(stack, "") as (folder, settings_file):
        words = ["config", "refresh", "--force", "--stack", stack.name]
        words += ["--config-file", str(settings_file)]
        ran = _run(cli, words, folder)
        if ran.code != 0 and _NEVER_UPDATED in ran.stderr:
            return _of_the_program(stack)
        _expect_success(ran, mask_of(cli))
        return settings.recorded(settings_file.read_text(encoding="utf-8"))


def _of_the_program(stack: Stack) -> Recorded:
    """A stack that was never updated has its settings beside its program, or none at all."""
    root = Path(stack.program.path)
    folder = root if root.is_dir() else root.parent
    file = folder / settings.file_name(stack.name)
    if not file.is_file():
        raise Refused(
            f"the stack {stack.name} has never been updated",
            why="A rollout changes what stands; here nothing is recorded to start from.",
            hint="Bring the fleet up once with `pulumi up`.",
        )
    return settings.recorded(file.read_text(encoding="utf-8"))


@contextmanager
def place(stack: Stack, text: str) -> Iterator[tuple[str, Path]]:
    """A folder for one run, and in it the settings file with this text; gone afterwards.

    The first is where the CLI runs: the program's own folder where its language's host runs it.
    """
    Path(stack.folder).mkdir(mode=0o700, parents=True, exist_ok=True)
    _forget_old_runs(Path(stack.folder))
    folder = Path(tempfile.mkdtemp(prefix=_RUN, dir=stack.folder))
    try:
        yield prepare(stack, folder, text), folder / settings.file_name(stack.name)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _forget_old_runs(folder: Path) -> None:
    """Folders of runs that were killed; those of others that are under way are younger."""
    for left in folder.glob(f"{_RUN}*"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - left.stat().st_mtime > _RUN_IS_OVER_S:
                shutil.rmtree(left, ignore_errors=True)


def prepare(stack: Stack, folder: Path, text: str) -> str:
    """Write project and settings into the folder; gives where the CLI is to run."""
    if text:
        (folder / settings.file_name(stack.name)).write_text(text, encoding="utf-8")
    if not program_files.runs_here(stack.program):
        return stack.program.path
    text = program_files.project_text(stack.program, stack.project)
    (folder / "Pulumi.yaml").write_text(text, encoding="utf-8")
    return str(folder)


def mask_of(cli: Cli) -> Mask:
    return Mask(cli.environment)


def _asked(stack: Stack, cli: Cli, words: tuple[str, ...], folder: str) -> Ran:
    """A call about the stack. Raises what its failure is.

    Once more where a killed write had left what only kept the engine from reading.
    """
    ran = _run(cli, ["--non-interactive", *words], folder)
    if ran.code != 0 and sidecars.remove_torn(
        backend_of(stack.backend, cli.environment), stack.project, stack.name
    ):
        ran = _run(cli, ["--non-interactive", *words], folder)
    return _expect_success(ran, mask_of(cli))


def _run(cli: Cli, words: list[str], folder: str) -> Ran:
    try:
        return cli.run(words, folder, reads=True)
    except OSError as error:
        raise failures.error(failures.cannot_start(cli.command, str(error))) from None


def _expect_success(ran: Ran, mask: Mask) -> Ran:
    if ran.code != 0 or ran.timed_out:
        raise failures.error(trouble_of(ran, mask))
    return ran


def trouble_of(ran: Ran, mask: Mask) -> Trouble:
    """What the failure of a call without events is."""
    return failures.judge(
        failures.End(
            code=ran.code,
            stdout=mask.text(ran.stdout),
            stderr=mask.text(ran.stderr),
            timed_out=ran.timed_out,
        )
    )

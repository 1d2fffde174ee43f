"""The Automation API with our own hands on its processes: one run of a program, and how it ended.

The SDK throws the exit code away, adds three calls after each update and may raise for those alone.
Here every process goes through `cli.Cli`, an update is one call, and what happened is told by the
events and the process's end, never by the exception.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pulumi
from pulumi import automation
from pulumi.automation.errors import create_command_error
from semver import VersionInfo

from rollout_kit.drivers.pulumi import failures
from rollout_kit.drivers.pulumi.api import Trouble
from rollout_kit.drivers.pulumi.cli import Cli, Ran
from rollout_kit.drivers.pulumi.environment import Mask
from rollout_kit.drivers.pulumi.events import Stream
from rollout_kit.drivers.pulumi.program_files import Function

_NOT_INTERACTIVE = "--non-interactive"


class Command(automation.PulumiCommand):
    """What the SDK runs its processes with. `last`: how the latest one ended.

    `name`: gives what each process is to tell the backend as its own name; None: nothing.
    """

    def __init__(
        self, cli: Cli, version: str, *, reads: bool, name: Callable[[], str] | None = None
    ) -> None:
        # The parent's own would start a process to ask for the version: that is known.
        self.command = cli.command
        self.version = VersionInfo.parse(version)
        self.last: Ran | None = None
        self._cli = cli
        self._reads = reads
        self._name = name

    def run(
        self,
        args: list[str],
        cwd: str,
        additional_env: Mapping[str, str],  # noqa: ARG002 - ours has it all
        on_output: Callable[[str], Any] | None = None,
        on_error: Callable[[str], Any] | None = None,  # noqa: ARG002
    ) -> automation.CommandResult:
        words = args if _NOT_INTERACTIVE in args else [_NOT_INTERACTIVE, *args]
        if self._name is not None:
            words = [*words, f"--exec-agent={self._name()}"]
        self.last = self._cli.run(words, cwd, reads=self._reads, on_output=on_output)
        code = -1 if self.last.code is None else self.last.code
        result = automation.CommandResult(
            stdout=self.last.stdout, stderr=self.last.stderr, code=code
        )
        if code != 0:
            raise create_command_error(result)
        return result


class _Stack(automation.Stack):
    """Without the reads that the SDK adds to an update: events and export say the same for less."""

    def __init__(self, name: str, workspace: automation.Workspace) -> None:
        # The parent's own would select the stack, for which there is no need: each call names it.
        self.name = name
        self.workspace = workspace

    def outputs(self) -> automation.OutputMap:
        return {}

    def info(self, show_secrets: bool = True) -> automation.UpdateSummary:  # noqa: ARG002
        now = datetime.now(UTC)
        return automation.UpdateSummary("update", now, "", {}, {}, "not asked", now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Workplace:
    """Where one run takes place. `program` None: the folder's own language host runs it.

    `config_file`: empty where the folder's own settings file is meant.
    """

    stack: str
    folder: str
    program: Function | None
    config_file: str = ""
    within_s: float | None = None
    adopt: Mapping[str, str] = field(default_factory=dict)  # URN -> id of what is there already


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """How one preview, update or refresh ended. `trouble` None: well, and to its last event."""

    stream: Stream
    ran: Ran | None
    trouble: Trouble | None


def preview(
    place: Workplace, command: Command, mask: Mask, stream: Stream, *, refresh: bool
) -> Run:
    """What an update would do."""
    return _run(
        command,
        stream,
        place,
        lambda stack: stack.preview(
            refresh=refresh or None,
            on_event=stream.take,
            config_file=place.config_file or None,
        ),
        mask,
    )


def update(
    place: Workplace,
    command: Command,
    mask: Mask,
    stream: Stream,
    *,
    message: str,
    targets: tuple[str, ...],
) -> Run:
    """Change these resources and no other; `message` goes into the history.

    Without a refresh of its own: with one, the CLI refuses targets that are still to be created.
    """
    return _run(
        command,
        stream,
        place,
        lambda stack: stack.up(
            message=message,
            target=list(targets),
            on_event=stream.take,
            config_file=place.config_file or None,
        ),
        mask,
    )


def refresh(
    place: Workplace,
    command: Command,
    mask: Mask,
    stream: Stream,
    *,
    targets: tuple[str, ...] = (),
) -> Run:
    """Record what the world is, of these resources or of all.

    Pending creates are forgotten: look for their objects first.
    """
    return _run(
        command,
        stream,
        place,
        lambda stack: stack.refresh(
            clear_pending_creates=True,
            target=list(targets) or None,
            on_event=stream.take,
            config_file=place.config_file or None,
        ),
        mask,
    )


def _run(
    command: Command,
    stream: Stream,
    place: Workplace,
    act: Callable[[automation.Stack], object],
    mask: Mask,
) -> Run:
    program = None if place.program is None else _prepared(place.program, place, mask)
    workspace = automation.LocalWorkspace(
        work_dir=place.folder, program=program, pulumi_command=command
    )
    raised = ""
    try:
        act(_Stack(place.stack, workspace))
    except Exception as error:  # noqa: BLE001 - what happened is told by the process, not by this
        raised = f"{type(error).__name__}: {error}"
    return Run(
        stream=stream, ran=command.last, trouble=_trouble(command.last, stream, raised, mask)
    )


def _trouble(ran: Ran | None, stream: Stream, raised: str, mask: Mask) -> Trouble | None:
    if ran is None:
        return failures.cannot_start("pulumi", mask.text(raised))
    if ran.code == 0 and stream.over and not ran.timed_out:
        return None
    end = failures.End(
        code=ran.code,
        stdout=mask.text(ran.stdout),
        stderr=mask.text(ran.stderr),
        errors=tuple(stream.errors),
        waiting=tuple(stream.passing.items()),
        timed_out=ran.timed_out,
    )
    return failures.judge(end)


def _prepared(program: Function, place: Workplace, mask: Mask) -> Function:
    """The program with what an operation adds: limits on waiting, what to adopt, secrets learned."""

    def run() -> Awaitable[None] | None:
        mask.learn(_secret_configuration())
        pulumi.runtime.register_stack_transformation(_transformation(place))
        return program()

    return run


def _secret_configuration() -> list[str]:
    from pulumi.runtime import config

    known = config.CONFIG.get()
    return [str(value) for key, value in known.items() if config.is_config_secret(key)]


def _type_and_name(urn: str) -> str:
    """Without the types of its parents, which end in "$"; so may a part of its name."""
    types, _, name = urn.split("::", 2)[-1].partition("::")
    return f"{types.rpartition('$')[2]}::{name}"


def _transformation(
    place: Workplace,
) -> Callable[[pulumi.ResourceTransformationArgs], pulumi.ResourceTransformationResult | None]:
    adopt = {_type_and_name(urn): id_ for urn, id_ in place.adopt.items()}

    def change(
        args: pulumi.ResourceTransformationArgs,
    ) -> pulumi.ResourceTransformationResult | None:
        opts = pulumi.ResourceOptions.merge(args.opts, None)
        if (found := adopt.get(f"{args.type_}::{args.name}")) is not None:
            opts.import_ = found
        if place.within_s is not None and opts.custom_timeouts is None:
            limit = f"{max(1, int(place.within_s))}s"
            opts.custom_timeouts = pulumi.CustomTimeouts(create=limit, update=limit, delete=limit)
        return pulumi.ResourceTransformationResult(args.props, opts)

    return change

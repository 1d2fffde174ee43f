"""What each command was asked, as frozen values."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from rollout_kit.cli.simulated_arguments import Drill, Simulate, simulated


class Output(StrEnum):
    HUMAN = "human"
    JSON = "json"
    MARKDOWN = "markdown"


class JournalAct(StrEnum):
    VERIFY = "verify"
    SHOW = "show"
    EXPORT = "export"


class Export(StrEnum):
    JSONL = "jsonl"
    OTEL = "otel"


class SandboxAct(StrEnum):
    UP = "up"
    DOWN = "down"
    STATUS = "status"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanChoice:
    """A plan file and the values given to its variables."""

    file: str
    variables: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutChoice:
    """Which rollout: an id or the beginning of one; None is the newest unfinished."""

    rollout: str | None
    target: str | None
    state: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Validate:
    plan: PlanChoice
    output: Output


@dataclass(frozen=True, slots=True, kw_only=True)
class Doctor:
    plan: PlanChoice
    output: Output


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    plan: PlanChoice
    policies: tuple[str, ...]
    exit_code: bool
    save: str | None
    output: Output


@dataclass(frozen=True, slots=True, kw_only=True)
class Apply:
    plan: PlanChoice
    policies: tuple[str, ...]
    preview: str | None
    state: str | None
    wait: bool
    lock_wait_s: float
    output: Output


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume:
    choice: RolloutChoice
    accept: bool
    wait: bool
    lock_wait_s: float
    output: Output


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollback:
    choice: RolloutChoice
    freeze: bool
    lock_wait_s: float
    output: Output


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    choice: RolloutChoice
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Abort:
    choice: RolloutChoice
    because: str
    output: Output


@dataclass(frozen=True, slots=True, kw_only=True)
class Approve:
    choice: RolloutChoice
    operation: str | None
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    choice: RolloutChoice
    all: bool
    output: Output


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    act: JournalAct
    choice: RolloutChoice
    form: Export
    to: str | None
    output: Output


@dataclass(frozen=True, slots=True, kw_only=True)
class Unlock:
    target: str | None
    state: str | None
    force: bool
    yes: bool
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    act: SandboxAct
    folder: str
    generation: str
    output: Output


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    of: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    generation: str
    breaks: str | None


Arguments: TypeAlias = (
    Validate
    | Doctor
    | Preview
    | Apply
    | Resume
    | Rollback
    | Hold
    | Abort
    | Approve
    | Status
    | Journal
    | Unlock
    | Sandbox
    | Schema
    | Demo
    | Simulate
    | Drill
)


def read(given: Namespace) -> Arguments:
    """What was parsed, as its command's own value."""
    match given.command:
        case "validate":
            return Validate(plan=_plan(given), output=Output(given.output))
        case "doctor":
            return Doctor(plan=_plan(given), output=Output(given.output))
        case "preview":
            return Preview(
                plan=_plan(given),
                policies=tuple(given.policy),
                exit_code=given.exit_code,
                save=given.save,
                output=Output(given.output),
            )
        case "apply":
            return Apply(
                plan=_plan(given),
                policies=tuple(given.policy),
                preview=given.preview,
                state=given.state,
                wait=given.wait,
                lock_wait_s=given.lock_wait,
                output=Output(given.output),
            )
        case "resume" | "rollback" | "hold" | "abort" | "approve" | "status" | "journal":
            return _of_rollout(given)
        case "unlock":
            return Unlock(
                target=given.target,
                state=given.state,
                force=given.force,
                yes=given.yes,
                because=given.because,
            )
        case "sandbox":
            return Sandbox(
                act=SandboxAct(given.act),
                folder=given.folder,
                generation=given.generation,
                output=Output(given.output),
            )
        case "schema":
            return Schema(of=given.of)
        case "simulate" | "drill":
            return simulated(given, _plan(given), Output(given.output))
        case "demo":
            return Demo(generation=given.generation, breaks=given.breaks)
        case _:
            raise AssertionError(given.command)


def _of_rollout(given: Namespace) -> Arguments:
    choice = RolloutChoice(rollout=given.rollout, target=given.target, state=given.state)
    match given.command:
        case "resume":
            return Resume(
                choice=choice,
                accept=given.accept,
                wait=given.wait,
                lock_wait_s=given.lock_wait,
                output=Output(given.output),
            )
        case "rollback":
            return Rollback(
                choice=choice,
                freeze=given.freeze,
                lock_wait_s=given.lock_wait,
                output=Output(given.output),
            )
        case "hold":
            return Hold(choice=choice, because=given.because)
        case "abort":
            return Abort(choice=choice, because=given.because, output=Output(given.output))
        case "approve":
            return Approve(choice=choice, operation=given.operation, because=given.because)
        case "status":
            return Status(choice=choice, all=given.all, output=Output(given.output))
        case _:
            return Journal(
                act=JournalAct(given.act),
                choice=choice,
                form=Export(given.format),
                to=given.to,
                output=Output(given.output),
            )


def _plan(given: Namespace) -> PlanChoice:
    return PlanChoice(file=given.plan, variables=tuple(given.var))

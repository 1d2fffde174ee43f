"""What an end of the CLI means: one class of `ports.errors` and one sentence for each. Pure.

The exit code hardly tells failures apart, so the code decides where it is reliable and the texts
where they must. `failure_rules` is the table; here are its reading and the errors made of it.
"""

from __future__ import annotations

from dataclasses import dataclass

from rollout_kit.drivers.pulumi import failure_places, failure_resources, failure_rules
from rollout_kit.drivers.pulumi.api import Kind, Trouble
from rollout_kit.drivers.pulumi.events import Said
from rollout_kit.ports import errors
from rollout_kit.ports.errors import Conflict, Incompatible, OutsideError, Refused, Unavailable

AT_LEAST = (3, 205)
"""Since then events come over gRPC; of another major, nothing is known."""
_TAIL_LINES = 6
_CLASSES: dict[Kind, type[OutsideError]] = {
    Kind.UNAVAILABLE: Unavailable,
    Kind.REFUSED: Refused,
    Kind.CONFLICT: Conflict,
    Kind.INCOMPATIBLE: Incompatible,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """How a process of the CLI ended, with all that is known of it.

    `errors`: of the engine, by resource; without an event stream they are read from the text.
    `waiting`: what each resource was last waiting for. `folder`: of the program. `code` None: it
    runs on.
    """

    code: int | None
    stdout: str = ""
    stderr: str = ""
    errors: tuple[Said, ...] = ()
    waiting: tuple[tuple[str, str], ...] = ()
    timed_out: bool = False
    folder: str = ""


def judge(end: End) -> Trouble:
    """What this failure is. Only for ends that are no success."""
    found = failure_rules.from_the_end(end.code, end.stderr, timed_out=end.timed_out)
    found = found or failure_rules.before_the_engine(end.stderr)
    if found is not None:
        return found
    said = end.errors or failure_places.errors_in(end.stdout)
    waiting = dict(end.waiting)
    judged = [failure_resources.of_resource(item, waiting, end.folder) for item in said]
    known = [item for item in judged if item is not None]
    if known:
        return min(known, key=lambda it: (failure_resources.RANK.index(it.name), not it.urn))
    return failure_rules.by_code(end.code) or _unknown(end)


def _unknown(end: End) -> Trouble:
    text = (end.stderr.strip() or end.stdout.strip()).splitlines()[-_TAIL_LINES:]
    if not end.stdout.strip() and end.code in {1, 2}:
        return Trouble(
            kind=Kind.REFUSED,
            name="refused",
            message=f"the Pulumi CLI refuses: {' | '.join(text) or 'without a word'}",
            why="Nothing was sent.",
            hint="Correct what it names; `rollout-kit doctor` looks at the rest.",
        )
    return Trouble(
        kind=Kind.UNAVAILABLE,
        name="unknown",
        message=f"the Pulumi CLI ended with code {end.code}: {' | '.join(text) or 'no word'}",
        why="What it did before that is not known.",
        hint="The stack is refreshed before anything is judged; look at it with `pulumi stack`.",
    )


def error(trouble: Trouble) -> OutsideError:
    """The same as the rollout knows it."""
    return _CLASSES[trouble.kind](
        trouble.message,
        why=trouble.why,
        hint=trouble.hint,
        trouble=errors.Trouble(trouble.trouble),
    )


def of_error(raised: OutsideError) -> Trouble:
    """The other way round, for what a reading call raised."""
    kinds = {cls: kind for kind, cls in _CLASSES.items()}
    return Trouble(
        kind=kinds.get(type(raised), Kind.UNAVAILABLE),
        name="reading",
        message=raised.message,
        why=raised.why,
        hint=raised.hint,
        trouble=raised.trouble.value,
    )


def no_cli(command: str) -> Trouble:
    return Trouble(
        kind=Kind.REFUSED,
        name="no-cli",
        message=f"there is no Pulumi CLI: {command} is not on PATH",
        why="The driver changes infrastructure through it, and brings none along.",
        hint=f"Install it (pulumi.com/docs/install), at least {_dotted(AT_LEAST)}, and put it on PATH.",
        trouble="not-found",
    )


def cannot_start(command: str, problem: str) -> Trouble:
    return Trouble(
        kind=Kind.REFUSED,
        name="broken-cli",
        message=f"the Pulumi CLI {command} cannot be started: {problem}",
        why="It is there and is no program that this machine runs.",
        hint="Install it anew for this machine's system and processor.",
    )


def unfit_version(printed: str) -> Trouble | None:
    """What is wrong with the version that `pulumi version` printed; None: it will do."""
    text = printed.strip().removeprefix("v")
    numbers = text.split("-")[0].split("+")[0].split(".")
    try:
        version = (int(numbers[0]), int(numbers[1]))
    except (ValueError, IndexError):
        return _unfit(
            f"the Pulumi CLI does not say its version: {text[:80]!r}", "unreadable-version"
        )
    if version[0] != AT_LEAST[0]:
        return _unfit(
            f"the Pulumi CLI is version {text}, of another major than {AT_LEAST[0]}", "wrong-major"
        )
    if version < AT_LEAST:
        return _unfit(
            f"the Pulumi CLI is version {text}, older than {_dotted(AT_LEAST)}", "too-old"
        )
    return None


def _unfit(message: str, name: str) -> Trouble:
    return Trouble(
        kind=Kind.INCOMPATIBLE,
        name=name,
        message=message,
        why="What an interrupted update leaves behind, and how it is told, differs between versions.",
        hint=f"Install version {_dotted(AT_LEAST)} or later of major {AT_LEAST[0]}.",
        trouble="incompatible",
    )


def no_space(folder: str, free_mb: float, needed_mb: float) -> Trouble:
    """Judged before each update: a second one on a full disk destroys the recorded state."""
    return Trouble(
        kind=Kind.REFUSED,
        name="no-space",
        message=f"{folder} has {free_mb:.0f} MB free, an update of this stack needs {needed_mb:.0f} MB",
        why="An update that cannot record its steps leaves the state behind the world, or destroys it.",
        hint="Free space there, then run the command again.",
    )


def _dotted(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))

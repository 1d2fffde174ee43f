"""What the driver and the code that talks to the CLI say to each other.

Frozen values that go into a change's work folder and come back out of it, and the three readings
of a stack. `look` and `preview` write nothing: not to the stack, not to its settings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """Where the program is: a folder with `Pulumi.yaml`, or one Python function of a file.

    `path`: absolute. `function`: empty for a folder.
    """

    path: str
    function: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """One stack, and how it is spoken to.

    `name` as the CLI takes it (`dev`, `acme/orders/prod`); `project` as in `Pulumi.yaml`. `folder`:
    ours alone, for settings and records of this stack. `backend`: empty for the environment's.
    `kubeconfig`, `context`: empty for the environment's, too. Secrets (passphrase, tokens) come from
    the environment of whoever calls, always.
    """

    program: Program
    name: str
    project: str
    folder: str
    backend: str = ""
    kubeconfig: str = ""
    context: str = ""
    command: str = "pulumi"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One resource of the stack's state. `inputs`: a digest, without ciphertexts.

    `not_ready`: what the provider said when it was created or changed but never got ready.
    `left_over`: the old half of a replacement, still to be deleted.
    """

    urn: str
    type: str
    id: str = ""
    inputs: str = ""
    not_ready: tuple[str, ...] = ()
    left_over: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """An operation that an update began and never recorded the end of. `act`: `creating`, ...

    `facts`: what its object is known by in the world, where the state tells (`known_by`).
    """

    urn: str
    act: str
    type: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A stack's recorded state: what the engine believes, not what the world is.

    `hash` covers urn, id and inputs of every resource. `written_at` is the state's own clock: the
    same value means that nobody has written it since. `outputs`: of the stack, secrets masked.
    """

    resources: tuple[Resource, ...]
    pending: tuple[Pending, ...]
    hash: str
    written_at: str = ""
    outputs: Mapping[str, object] = field(default_factory=dict)

    @property
    def clean(self) -> bool:
        """Whether the last update ended with nothing left to mend, as far as the state can tell."""
        return not self.pending and not any(
            item.not_ready or item.left_over for item in self.resources
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """The settings of the last recorded update: the file's text, with its ciphertexts and salt.

    `configuration`: the plain values of it, JSON texts decoded; secret ones are left out.
    """

    text: str
    configuration: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What an update would do, or did, to one resource. `op`: in the engine's words.

    `changed`: paths of inputs that differ. `reasons`: paths that make it a replacement.
    """

    urn: str
    op: str
    changed: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Previewed:
    """What an update with this configuration would do.

    `steps` leaves out what stays the same. `drifted`: resources whose refreshed state is not the
    recorded one. `outputs`: of the stack, as the program would give them; None where the preview
    ended without them. `unknown` values in it read as `UNKNOWN`.
    """

    steps: tuple[Step, ...]
    drifted: tuple[Step, ...]
    outputs: Mapping[str, object] | None
    program_digest: str
    state_hash: str
    duration_s: float
    calls: tuple[str, ...] = ()


WITHIN_S = 600.0
"""How long a change, and a preview outside any, may take where nobody has said."""

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""How the engine writes a value that only the update itself will know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class May:
    """What an update may do to one resource: these ops (`*`: any). Deletes of a replacement's old
    half belong to `replace`."""

    urn: str
    ops: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateRequest:
    """One change of a stack, complete: what the child needs to carry it out.

    `operation` is the rollout's key for it, written into the update's message. `wanted`: whole
    values of configuration keys (`fleet:nodes`), JSON; what is not named stays as recorded. `may`
    must cover every step of the preview, else nothing is sent. `program_digest`: of the program
    that was announced; empty takes any. `within_s` bounds every wait of the provider, and each run of
    the program. `hosts` and `intended_at` (ISO 8601): machines that the journal names since this
    operation's intent, and when that was: a lock of theirs since then is this rollout's own.
    """

    stack: Stack
    operation: str
    wanted: Mapping[str, object]
    may: tuple[May, ...]
    program_digest: str = ""
    within_s: float = WITHIN_S
    hosts: tuple[str, ...] = ()
    intended_at: str = ""


class Outcome(StrEnum):
    DONE = "done"
    REFUSED = "refused"  # a step outside `may`: nothing was sent
    FAILED = "failed"
    STOPPED = "stopped"  # asked to stop; what runs was awaited


class Kind(StrEnum):
    """Which error of `ports.errors` a failure is."""

    UNAVAILABLE = "unavailable"
    REFUSED = "refused"
    CONFLICT = "conflict"
    INCOMPATIBLE = "incompatible"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """A failure, as `ports.errors` will say it. `name`: one word for it, for code to branch on."""

    kind: Kind
    name: str
    message: str
    why: str = ""
    hint: str = ""
    trouble: str = "other"
    urn: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One process of the CLI: the command's words, how long it took, how it ended."""

    command: str
    duration_s: float
    code: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateResult:
    """How a change ended.

    `steps`: what was done; when refused, what the preview showed. `outside`: what of it was not
    allowed. `recovered`: sentences about what an earlier, unclean end had left and what became of
    it. `calls`: every process of the CLI, in order.
    """

    outcome: Outcome
    sentence: str
    trouble: Trouble | None = None
    steps: tuple[Step, ...] = ()
    outside: tuple[Step, ...] = ()
    outputs: Mapping[str, object] | None = None
    state_hash: str = ""
    recovered: tuple[str, ...] = ()
    calls: tuple[Call, ...] = ()


REQUEST_FILE = "request.json"
RESULT_FILE = "result.json"
PROGRESS_FILE = "progress.jsonl"
"""In a work folder: what to do, how it ended, a sentence a line meanwhile."""


def look(stack: Stack, *, timeout_s: float = 30.0) -> Picture:
    """The stack's recorded state. One call of the CLI, about 0.2 s; no passphrase needed.

    Raises an `OutsideError` whose message says which of the many things it was.
    """
    from rollout_kit.drivers.pulumi import reading

    return reading.look(stack, timeout_s=timeout_s)


def recorded(stack: Stack, *, timeout_s: float = 30.0) -> Recorded:
    """The settings of the last recorded update. One call of the CLI, about 0.2 s.

    Raises an `OutsideError`; Refused where the stack has never been updated.
    """
    from rollout_kit.drivers.pulumi import reading

    return reading.recorded(stack, timeout_s=timeout_s)


def preview(
    stack: Stack,
    wanted: Mapping[str, object],
    *,
    refresh: bool = True,
    baseline: Recorded | None = None,
    picture: Picture | None = None,
    timeout_s: float = WITHIN_S,
) -> Previewed:
    """What an update would do with `wanted` laid over `baseline` (else: the last recorded update's).

    One call of the CLI, and one each for a `baseline` and a `picture` that are not given. `refresh`
    looks at the world too; without it a changed or vanished object is not seen.
    Raises an `OutsideError`.
    """
    from rollout_kit.drivers.pulumi import previewing

    return previewing.preview(
        stack, wanted, refresh=refresh, baseline=baseline, picture=picture, timeout_s=timeout_s
    )


def digest(program: Program) -> str:
    """Of the program's own files; settings of stacks, hidden files and installed packages left out."""
    from rollout_kit.drivers.pulumi import program_files

    return program_files.digest(program)

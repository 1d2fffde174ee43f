"""What the CLI says before it turns to any resource, as a table of patterns; and what its end says. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from rollout_kit.drivers.pulumi.api import Kind, Trouble
from rollout_kit.drivers.pulumi.events import name_of

_AGAIN = "Nothing was sent."
_KILLED_BELOW = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """`message`, with the pattern's named groups, is what is said where the pattern is found."""

    name: str
    kind: Kind
    pattern: str
    message: str
    why: str = _AGAIN
    hint: str = ""
    trouble: str = "other"

    def judge(self, text: str, urn: str = "") -> Trouble | None:
        found = re.search(self.pattern, text, re.DOTALL)
        if found is None:
            return None
        groups = {key: " ".join((value or "").split()) for key, value in found.groupdict().items()}
        return Trouble(
            kind=self.kind,
            name=self.name,
            message=self.message.format(name=name_of(urn) if urn else "the program", **groups),
            why=self.why,
            hint=self.hint.format(**groups),
            trouble=self.trouble,
            urn=urn,
        )


_R, _U, _C, _I = Kind.REFUSED, Kind.UNAVAILABLE, Kind.CONFLICT, Kind.INCOMPATIBLE

_BEFORE = (
    Rule(
        name="stack-missing", kind=_R, trouble="not-found",
        pattern=r"no stack named '(?P<stack>[^']*)' found",
        message="the backend has no stack {stack}",
        hint="Correct `infra.stack` or `infra.backend`, or create it: pulumi stack init {stack}.",
    ),
    Rule(
        name="not-logged-in", kind=_R, trouble="auth",
        pattern=r"PULUMI_ACCESS_TOKEN must be set",
        message="the Pulumi CLI is not logged in to a backend",
        hint="Set PULUMI_ACCESS_TOKEN, or `infra.backend` to file://, s3://, gs:// or azblob://; "
        "a backend URL of no known kind is taken for a cloud host, too.",
    ),
    Rule(
        name="token-refused", kind=_R, trouble="auth",
        pattern=r"Unauthorized: ",
        message="the backend does not accept the access token",
        hint="Set PULUMI_ACCESS_TOKEN to a valid token of this backend.",
    ),
    Rule(
        name="locked", kind=_C,
        pattern=r"currently locked by \d+ lock.*?created by (?P<owner>\S+) \(pid (?P<pid>[^)]+)\) "
        r"at (?P<since>[^\n]+)",
        message="another update holds the stack: {owner}, process {pid}, since {since}",
        why="Two updates at once overwrite each other's state. Nothing was sent.",
        hint="Wait for it; `rollout-kit unlock` tells whose it is, and what to do if it is gone.",
    ),
    Rule(
        name="locked", kind=_C,
        pattern=r"Another update is currently in progress",
        message="another update of this stack is under way",
        why="Two updates at once overwrite each other's state. Nothing was sent.",
        hint="Wait until it has ended.",
    ),
    Rule(
        name="snapshot-not-saved", kind=_R,
        pattern=r"failed to save snapshot",
        message="the state of the stack could not be saved",
        why="The recorded state is behind the world, and another update before this is mended may "
        "destroy it.",
        hint="Make the backend writable and give it space; then resume: the stack is looked at first.",
    ),
    Rule(
        name="backend-full", kind=_R,
        pattern=r"no space left on device",
        message="the backend has no space left: the stack could not even be locked",
        hint="Free space there, then run the command again.",
    ),
    Rule(
        name="backend-read-only", kind=_R, trouble="auth",
        pattern=r"read-only file system|permission denied|AccessDenied",
        message="the backend cannot be written to",
        hint="Give whoever runs this the right to write there.",
    ),
    Rule(
        name="passphrase-missing", kind=_R, trouble="auth",
        pattern=r"passphrase must be set",
        message="the stack's secrets need a passphrase, and none is set",
        hint="Set PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE (an empty one counts).",
    ),
    Rule(
        name="passphrase-file", kind=_R, trouble="auth",
        pattern=r"unable to read PULUMI_CONFIG_PASSPHRASE_FILE: open (?P<file>[^:]*):",
        message="the file with the passphrase, {file}, cannot be read",
        hint="Correct PULUMI_CONFIG_PASSPHRASE_FILE.",
    ),
    Rule(
        name="passphrase-wrong", kind=_R, trouble="auth",
        pattern=r"incorrect passphrase",
        message="the passphrase is not the one with which the stack's secrets were written",
        hint="Set PULUMI_CONFIG_PASSPHRASE to the stack's own.",
    ),
    Rule(
        name="backend-missing", kind=_R, trouble="not-found",
        pattern=r'unable to open state directory "(?P<url>[^"]*)"',
        message="there is no folder for the state at {url}",
        hint="Correct `infra.backend` or PULUMI_BACKEND_URL.",
    ),
    Rule(
        name="backend-missing", kind=_R, trouble="not-found",
        pattern=r"NoSuchBucket|ContainerNotFound|bucket does not exist",
        message="the bucket for the state is not there",
        hint="Correct `infra.backend` or PULUMI_BACKEND_URL.",
    ),
    Rule(
        name="backend-credentials", kind=_R, trouble="auth",
        pattern=r"get credentials|could not find default credentials|no EC2 IMDS role",
        message="there are no credentials for the backend's storage",
        hint="Give the credentials that its provider's own tools would use.",
    ),
    Rule(
        name="state-version", kind=_I, trouble="incompatible",
        pattern=r"unsupported checkpoint version (?P<version>\S+)",
        message="the recorded state is of version {version}, which this Pulumi CLI cannot read",
        hint="Use the version of the CLI that wrote it.",
    ),
    Rule(
        name="state-damaged", kind=_I,
        pattern=r"failed to load checkpoint: (?:place 1: )?(?P<problem>[^\n]*)",
        message="the recorded state of the stack is damaged: {problem}",
        why="Nobody knows from it what stands there. Nothing was sent.",
        hint="Restore it from the backend's backups (`.pulumi/backups`) with `pulumi stack import`, "
        "then resume: the stack is refreshed first.",
    ),
    Rule(
        name="state-inconsistent", kind=_I,
        pattern=r"snapshot integrity error",
        message="the recorded state of the stack contradicts itself",
        hint="Mend it with `pulumi state repair`, then resume: the stack is refreshed first.",
    ),
    Rule(
        name="broken-lock", kind=_R,
        pattern=r"^error: (unexpected end of JSON input|invalid character .*)\s*$",
        message="the stack has a lock that cannot be read, left by an update that never began",
        why="It names nobody and keeps everybody out. Nothing was sent.",
        hint="If no update of this stack runs anywhere, remove it: pulumi cancel.",
    ),
    Rule(
        name="missing-language", kind=_R, trouble="not-found",
        pattern=r"no language plugin '(?P<plugin>[^']*)' found",
        message="the program's language host, {plugin}, is not installed",
        hint="Install it with the full Pulumi distribution, or give the program as file.py:function.",
    ),
    Rule(
        name="changes-expected-none", kind=_C,
        pattern=r"no changes were expected for (?P<what>\w+) but changes were proposed",
        message="the {what} found changes where there should be none",
        why="The stack, its program or the world is not what it was.",
        hint="Look at `rollout-kit preview`.",
    ),
    Rule(
        name="policy", kind=_R,
        pattern=r"policy (pack|project)[^\n]*",
        message="a policy pack of the stack could not be run",
        hint="Install what it needs, or take it out of the stack.",
    ),
    Rule(
        name="bad-name", kind=_R,
        pattern=r"error: (?P<problem>(project names may only|a stack name)[^\n]*)",
        message="the backend does not take this name: {problem}",
        hint="Correct `infra.stack`, or the project's name.",
    ),
    Rule(
        name="unknown-words", kind=_I, trouble="incompatible",
        pattern=r"(?P<problem>unknown flag: \S+|unknown command \S+|accepts [^\n]* arg\(s\)[^\n]*|"
        r"requires at least [^\n]*|invalid argument [^\n]*|flags in the group [^\n]*)",
        message="this Pulumi CLI does not understand what it is asked: {problem}",
        hint="Install a version that the driver was tested with (rollout-kit doctor says which).",
    ),
    Rule(
        name="backend-unreachable", kind=_U, trouble="network",
        pattern=r"(?P<problem>(dial tcp[^\n]*)?connection refused|no such host|i/o timeout|"
        r"exceeded maximum number of attempts|TLS handshake|connection reset)",
        message="the backend does not answer: {problem}",
        hint="Look whether it is up and reachable from here; then run the command again.",
    ),
)  # fmt: skip


def before_the_engine(stderr: str) -> Trouble | None:
    """What went wrong before any resource was looked at: that is said on standard error."""
    text = stderr.strip()
    if not re.search(r"error:|warning:", text):
        return None
    judged = (rule.judge(text) for rule in _BEFORE)
    return next((trouble for trouble in judged if trouble is not None), None)


def from_the_end(code: int | None, stderr: str, *, timed_out: bool) -> Trouble | None:
    """What the way it ended says by itself."""
    hint = "The stack is looked at and refreshed before anything is judged."
    if timed_out:
        return Trouble(
            kind=_U,
            name="no-end",
            message="the Pulumi CLI did not end in its time and was asked to stop",
            why="What it had begun may go on, unrecorded.",
            hint=hint,
            trouble="timeout",
        )
    if code is not None and code < _KILLED_BELOW:
        return Trouble(
            kind=_U,
            name="killed",
            message=f"the Pulumi CLI was killed by signal {-code}",
            why="What it had begun is recorded as pending, or not at all.",
            hint=hint,
        )
    if code == 8 or "update cancelled" in stderr:
        return Trouble(
            kind=_U,
            name="aborted",
            message="the Pulumi CLI was told twice to stop and left operations without an end",
            why="What they made is recorded as pending, and must not be made again.",
            hint=hint,
        )
    return None


def by_code(code: int | None) -> Trouble | None:
    """For ends without any known text, by the codes that can be relied on."""
    rule = {3: "not-logged-in", 6: "stack-missing"}.get(code or 0)
    found = next((item for item in _BEFORE if item.name == rule), None)
    if found is None:
        return None
    message = found.message.replace(" {stack}", " of this name")
    return Trouble(
        kind=found.kind,
        name=found.name,
        message=message,
        why=found.why,
        hint=found.hint.partition(", or create")[0] + ".",
        trouble=found.trouble,
    )

"""What the engine says of a resource or of the program, as a table of patterns. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from rollout_kit.drivers.pulumi import failure_places as places
from rollout_kit.drivers.pulumi.api import Kind, Trouble
from rollout_kit.drivers.pulumi.events import Said, name_of
from rollout_kit.drivers.pulumi.failure_rules import Rule

_R, _U, _C = Kind.REFUSED, Kind.UNAVAILABLE, Kind.CONFLICT

_NOT_READY = (
    r"timed out waiting to be Ready|failed to fully initialize or become live|not ready after|"
    r"rollout timed out|timed out"
)

_OF_RESOURCES = (
    Rule(
        name="policy-violated", kind=_R,
        pattern=r"^violates the policy (?P<policy>\S+) of (?P<pack>[^:]*): (?P<problem>.*)",
        message="{name} violates the policy {policy} of {pack}: {problem}",
        why="A mandatory policy of the stack's organization ends every update that violates it.",
        hint="Change the program or the plan so that it is met, or have the policy changed.",
    ),
    Rule(
        name="field-conflict", kind=_C,
        pattern=r"field conflict detected",
        message="{name} has fields that somebody else set",
        why="A change would take them back from whoever set them.",
        hint="Ask whoever set them; then `PULUMI_K8S_ENABLE_PATCH_FORCE=true rollout-kit resume` "
        "takes them over. Setting the old value by hand does not give them back.",
    ),
    Rule(
        name="already-exists", kind=_C,
        pattern=r"\balready exists\b",
        message="{name} is to be created, and an object of that name is there already",
        why="Pulumi does not take over what it did not make.",
        hint="Import it into the stack, or delete it; then resume.",
    ),
    Rule(
        name="cluster-unreachable", kind=_U, trouble="network",
        pattern=r"cluster is unreachable: [^\n]*?(?P<problem>dial tcp[^\n]*|$)",
        message="the Kubernetes cluster does not answer: {problem}",
        why="What the cluster runs could neither be seen nor changed.",
        hint="Look at kubeconfig and context, and whether the API server is up.",
    ),
    Rule(
        name="cluster-unreachable", kind=_U, trouble="network",
        pattern=r"cluster is unreachable|unable to load schema information",
        message="the Kubernetes cluster does not answer",
        why="What the cluster runs could neither be seen nor changed.",
        hint="Look at kubeconfig and context, and whether the API server is up.",
    ),
    Rule(
        name="missing-plugin", kind=_R, trouble="not-found",
        pattern=r"no resource plugin '(?P<plugin>[^']*)' found in the workspace"
        r"(?: at version v?(?P<version>\S+))?",
        message="the provider plugin {plugin} {version} is not installed",
        hint="Install it: pulumi plugin install resource, its name and its version.",
    ),
    Rule(
        name="missing-plugin", kind=_R, trouble="not-found",
        pattern=r"error downloading provider|[Cc]ould not automatically download",
        message="a provider plugin is not installed and could not be fetched",
        hint="Install it beforehand: pulumi plugin install resource, its name and its version.",
    ),
    Rule(
        name="snapshot-not-saved", kind=_R,
        pattern=r"failed to save snapshot",
        message="the state could not be saved after {name}",
        why="The recorded state is behind the world, and another update before this is mended may "
        "destroy it.",
        hint="Make the backend writable and give it space; then resume: the stack is looked at first.",
    ),
    Rule(
        name="missing-packages", kind=_R, trouble="not-found",
        pattern=r"Pulumi SDK has not been installed",
        message="the program's packages are not installed: its Pulumi SDK is not there",
        hint="Run `pulumi install` in the program's folder.",
    ),
    Rule(
        name="missing-packages", kind=_R, trouble="not-found",
        pattern=r"Cannot find (?:module|package) '(?P<package>[^'./][^']*)'",
        message="the program's packages are not installed: {package} is not there",
        hint="Run `pulumi install` in the program's folder.",
    ),
    Rule(
        name="config-missing", kind=_R,
        pattern=r"Missing required configuration variable '(?P<key>[^']*)'",
        message="the program needs the configuration key {key}, and it is not set",
        hint="Set it in the stack once (pulumi config set {key} and an update), then run this again.",
    ),
    Rule(
        name="duplicate-urn", kind=_R,
        pattern=r"Duplicate resource URN '(?P<urn>[^']*)'",
        message="the program makes two resources with one name: {urn}",
        hint="Give one of them another name.",
    ),
    Rule(
        name="protected", kind=_R,
        pattern=r"cannot be deleted\s+because it is protected",
        message="{name} would be deleted, and it is protected",
        why="The program no longer makes it with this configuration.",
        hint="Correct the program; protection is taken away by its owner alone.",
    ),
    Rule(
        name="bad-inputs", kind=_R,
        pattern=r"has a problem: (?P<problem>[^\n]*)",
        message="the provider refuses the inputs of {name}: {problem}",
        hint="Correct them in the program or in the plan.",
    ),
    Rule(
        name="target-missing", kind=_R,
        pattern=r"Target '(?P<target>[^']*)' could not be found",
        message="the stack has no resource {target}",
        hint="The program or the stack changed since the preview: preview again.",
    ),
    Rule(
        name="violates-plan", kind=_C,
        pattern=r"violates plan|not allowed by the plan|but none were seen",
        message="{name} is not what the update plan said",
        hint="Preview again.",
    ),
    Rule(
        name="provider-died", kind=_U,
        pattern=r"error reading from server: EOF|exited prematurely|connection is closing",
        message="the provider died while it was at {name}",
        why="What it had begun may exist without being recorded.",
        hint="The stack is looked at and refreshed before anything is judged.",
    ),
    Rule(
        name="stopped", kind=_U,
        pattern=r"operation was cancelled|update canceled|preview canceled|context canceled",
        message="the update was stopped while it was at {name}",
        why="What it had begun may go on, unrecorded.",
        hint="Resume: the stack is refreshed before anything is judged.",
    ),
    Rule(
        name="not-ready", kind=_U, trouble="timeout",
        pattern=_NOT_READY,
        message="{name} did not get ready in time",
        why="It was changed, and may still get ready.",
        hint="Look at its pods or its log for the reason.",
    ),
)  # fmt: skip

_UPDATE_FAILED = frozenset({"update failed", "preview failed", "refresh failed", "destroy failed"})
_PROGRAM = re.compile(r"python inline source runtime error|an unhandled error occurred|Traceback")

RANK = (
    *dict.fromkeys(rule.name for rule in _OF_RESOURCES),
    "resource-failed",
    "program-error",
)
"""Of several failures of one update, the first of these is the one to tell."""


def of_resource(said: Said, waiting: Mapping[str, str], folder: str) -> Trouble | None:
    """What one error of the engine is; None for those that only say that there were errors."""
    text = said.text.strip().removeprefix("error: ")
    if text in _UPDATE_FAILED:
        return None
    for rule in _OF_RESOURCES:
        if (found := rule.judge(text, said.urn)) is not None:
            return _in_detail(found, text, waiting)
    if _PROGRAM.search(text) or places.is_of_the_program(text):
        return places.program_error(text, folder)
    return Trouble(
        kind=_R,
        name="resource-failed",
        message=f"{name_of(said.urn) if said.urn else 'the update'}: {' '.join(text.split())}",
        why=f"The provider refused it ({said.urn})." if said.urn else "",
        hint="Correct what it names; then resume.",
        urn=said.urn,
    )


def _in_detail(trouble: Trouble, text: str, waiting: Mapping[str, str]) -> Trouble:
    match trouble.name:
        case "not-ready":
            return places.with_reason(trouble, text, waiting)
        case "field-conflict":
            return places.with_managers(trouble, text)
        case _:
            return trouble

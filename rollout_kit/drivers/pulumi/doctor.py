"""Everything that a change of a stack would need, looked at one after the other. Changes nothing."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from rollout_kit.drivers.pulumi import (
    announcing,
    api,
    held_locks,
    program_files,
    radius,
    reading,
)
from rollout_kit.drivers.pulumi.contract import read_given, without_outputs
from rollout_kit.drivers.pulumi.held_locks import CANCEL
from rollout_kit.drivers.pulumi.needs import in_words
from rollout_kit.model.stack_contract import NAMESPACE, Need, missing
from rollout_kit.ports.checkup import Finding, Health, fine, looked, unjudged, wrong
from rollout_kit.ports.errors import OutsideError, Trouble

SDK_AT_LEAST, SDK_BELOW = (3, 226), (4, 0)
"""Before, its events lose which fields of a resource change; before 3.224, also whom a policy is about."""
INSTALL = "pip install 'rollout-kit[pulumi]'"
CLI_TIMEOUT_S = 30.0
_DIGITS = re.compile(r"\d+")


@dataclass(slots=True)
class _Patient:
    """What earlier looks have found out for later ones."""

    stack: api.Stack
    asked: tuple[Need, ...]
    picture: api.Picture | None = None
    settings: api.Recorded | None = None
    seen: api.Previewed | None = None
    bad: list[str] = field(default_factory=list)


def findings(stack: api.Stack, asked: tuple[Need, ...]) -> Iterator[Finding]:
    """Each look as soon as it is done; what needs an earlier one that failed is not judged."""
    patient = _Patient(stack=stack, asked=asked)
    for what, needs, look in _LOOKS:
        lacking = [name for name in needs if name in patient.bad]
        found = unjudged(what, f"needs: {lacking[0]}") if lacking else look(what, patient)
        if found.health is not Health.OK and what in _NEEDED:
            patient.bad.append(what)
        yield found


def _sdk(what: str, patient: _Patient) -> Finding:  # noqa: ARG001
    if importlib.util.find_spec("pulumi") is None:
        sentence = "the Python package pulumi is not installed"
        return wrong(what, sentence, hint=INSTALL, trouble=Trouble.NOT_FOUND)
    version = importlib.metadata.version("pulumi")
    if not SDK_AT_LEAST <= _numbers(version) < SDK_BELOW:
        sentence = f"pulumi {version} is installed; at least 3.226 and below 4 is needed"
        return wrong(what, sentence, hint=INSTALL, trouble=Trouble.INCOMPATIBLE)
    return fine(what, f"pulumi {version}")


def _cli(what: str, patient: _Patient) -> Finding:
    def look() -> str:
        cli = reading.cli_of(patient.stack, timeout_s=CLI_TIMEOUT_S)
        return f"{reading.version(patient.stack, cli)} ({cli.command})"

    return looked(what, look)


def _program(what: str, patient: _Patient) -> Finding:
    program = patient.stack.program

    def look() -> str:
        return f"{program.path}, digest {program_files.digest(program)[:12]}"

    return looked(what, look)


def _state(what: str, patient: _Patient) -> Finding:
    def look() -> str:
        patient.picture = api.look(patient.stack)
        return f"{patient.stack.name} has {len(patient.picture.resources)} resources"

    return looked(what, look)


def _outputs(what: str, patient: _Patient) -> Finding:
    picture = patient.picture
    assert picture is not None
    if picture.outputs:
        return fine(what, ", ".join(sorted(picture.outputs)))
    lacking = without_outputs(patient.stack.name)
    return wrong(what, lacking.sentences, hint=lacking.hint, trouble=lacking.trouble)


def _lock(what: str, patient: _Patient) -> Finding:
    try:
        held = held_locks.found(patient.stack)
    except OutsideError as error:
        return wrong(what, error.message, hint=error.hint, trouble=error.trouble)
    if held is None:
        return unjudged(
            what, "this backend tells nobody but an update; that one is told whose it is"
        )
    if not held:
        return fine(what, "free")
    owners = ", ".join(f"{item.lock.owner}, {item.standing.value}" for item in held)
    if all(item.dead for item in held):
        return fine(what, f"held by {owners}: the next change removes it")
    return wrong(what, f"held by {owners}", hint="wait for it; " + CANCEL)


def _clean(what: str, patient: _Patient) -> Finding:
    picture = patient.picture
    assert picture is not None
    left = [f"{item.act} {radius.short(item.urn)}" for item in picture.pending]
    left += [f"{radius.short(r.urn)} never got ready" for r in picture.resources if r.not_ready]
    left += [f"an old {radius.short(r.urn)} waits" for r in picture.resources if r.left_over]
    if not left:
        return fine(what, "the last update left nothing behind")
    hint = "look what really exists, then `pulumi refresh`; a rollout that left it mends it by `resume`"
    return wrong(what, "an update was cut off: " + "; ".join(left), hint=hint)


def _recorded(what: str, patient: _Patient) -> Finding:
    def look() -> str:
        patient.settings = api.recorded(patient.stack)
        return f"{len(patient.settings.configuration)} plain values are recorded"

    return looked(what, look)


def _preview(what: str, patient: _Patient) -> Finding:
    def look() -> str:
        seen = api.preview(
            patient.stack, {}, baseline=patient.settings, picture=patient.picture, refresh=True
        )
        patient.seen = seen
        return f"it runs: secrets, plugins and providers answer ({seen.duration_s:.1f} s)"

    found = looked(what, look)
    if found.health is not Health.OK and OUTPUTS in patient.bad:
        return unjudged(what, f"needs: {OUTPUTS} ({found.sentence})")
    return found


def _contract(what: str, patient: _Patient) -> Finding:
    assert patient.seen is not None
    found = read_given(dict(patient.seen.outputs or {}).get(NAMESPACE))
    hint = "docs/drivers.md, section pulumi, has the contract"
    lacking = missing(found.given, patient.asked)
    texts = list(found.problems) or ([in_words(lacking)] if lacking else [])
    if not texts:
        return fine(what, f"all {len(patient.asked)} things that this plan needs are there")
    return wrong(what, "missing: " + "; ".join(texts), hint=hint, trouble=Trouble.INCOMPATIBLE)


def _at_rest(what: str, patient: _Patient) -> Finding:
    assert patient.seen is not None
    moved = announcing.restlessness(patient.seen)
    if not moved:
        return fine(what, "an update without any change would change nothing")
    hint = (
        "find out who changed what; `pulumi config refresh`, then `pulumi up`, makes it as recorded"
    )
    return wrong(what, f"an update would also {radius.in_words(moved)}", hint=hint)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in _DIGITS.findall(version)[:2])


_Look = Callable[[str, _Patient], Finding]
SDK, CLI, PROGRAM, STACK = "pulumi SDK", "pulumi CLI", "program", "backend and stack"
SETTINGS, PREVIEW, OUTPUTS = "stack settings", "preview", "stack outputs"
_LOOKS: tuple[tuple[str, tuple[str, ...], _Look], ...] = (
    (SDK, (), _sdk),
    (CLI, (), _cli),
    (PROGRAM, (), _program),
    (STACK, (CLI, PROGRAM), _state),
    (OUTPUTS, (CLI, PROGRAM, STACK), _outputs),
    ("stack lock", (CLI, PROGRAM, STACK), _lock),
    ("pending operations", (CLI, PROGRAM, STACK), _clean),
    (SETTINGS, (CLI, PROGRAM, STACK), _recorded),
    (PREVIEW, (SDK, CLI, PROGRAM, STACK, SETTINGS), _preview),
    ("stack contract", (SDK, CLI, PROGRAM, STACK, SETTINGS, PREVIEW), _contract),
    ("stack at rest", (SDK, CLI, PROGRAM, STACK, SETTINGS, PREVIEW), _at_rest),
)
_NEEDED = frozenset({SDK, CLI, PROGRAM, STACK, SETTINGS, PREVIEW, OUTPUTS})

"""Events of the engine as this package reads them: what it began, what ended, what is waited for.

Pure but for nothing: an event in, a value or None out. Events of severity `debug` carry secret
outputs in clear; they end here, before anything can store them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from rollout_kit.drivers.pulumi.api import Step
from rollout_kit.drivers.pulumi.state_export import known_by

ROOT = "pulumi:pulumi:Stack"
_NOTHING_CHANGES = frozenset({"same", "read", "refresh"})
_PROVIDERS = "pulumi:providers:"
_COLOUR = re.compile(r"<\{%.*?%\}>")
_HARMLESS_TO_PROVIDERS = frozenset({"create", "update"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Began:
    """The engine turned to a resource. `id`: of what is there already. `custom`: a provider makes it.

    `facts`: what its object is known by in the world.
    """

    step: Step
    type: str
    id: str = ""
    custom: bool = False
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """One step's end. `failed`: the provider said so. `not_ready`: what it said was lacking."""

    step: Step
    type: str
    id: str = ""
    failed: bool = False
    not_ready: tuple[str, ...] = ()
    outputs: Mapping[str, object] | None = None  # of the stack itself


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """Something for people. `urn`: of the resource it is about, empty for the program."""

    severity: str
    text: str
    urn: str = ""
    passing: bool = False  # the provider's progress, overwritten by the next one


@dataclass(frozen=True, slots=True, kw_only=True)
class Over:
    """The stream's last event. Where it is missing, the CLI died."""


Event: TypeAlias = Began | Ended | Said | Over


def read(event: Any) -> Event | None:
    """One event of the SDK. None: of no interest, or not to be kept."""
    if event.diagnostic_event is not None:
        return _said(event.diagnostic_event)
    if event.policy_event is not None:
        return _violated(event.policy_event)
    if event.resource_pre_event is not None:
        meta = event.resource_pre_event.metadata
        return _began(meta)
    if event.res_outputs_event is not None:
        return _ended(event.res_outputs_event.metadata, failed=False)
    if event.res_op_failed_event is not None:
        return _ended(event.res_op_failed_event.metadata, failed=True)
    return Over() if event.cancel_event is not None else None


def _began(meta: Any) -> Began:
    made = meta.new is not None and bool(meta.new.custom)
    return Began(
        step=_step(meta),
        type=str(meta.type),
        id=_id(meta),
        custom=made,
        facts=known_by(str(meta.type), meta.new.inputs or {}) if made else {},
    )


def _said(diagnostic: Any) -> Said | None:
    text = str(diagnostic.message).strip()
    if diagnostic.severity == "debug" or not text:
        return None
    return Said(
        severity=str(diagnostic.severity),
        text=text,
        urn=str(diagnostic.urn or ""),
        passing=bool(diagnostic.ephemeral),
    )


def _violated(policy: Any) -> Said:
    """A policy pack's word: a mandatory one ends the run, and the engine says nothing else of why."""
    told = " ".join(_COLOUR.sub("", str(policy.message)).split())
    return Said(
        severity="error" if policy.enforcement_level == "mandatory" else "warning",
        text=f"violates the policy {policy.policy_name} of {policy.policy_pack_name}: {told}",
        urn=str(policy.resource_urn or ""),
    )


def _ended(meta: Any, *, failed: bool) -> Ended:
    new = meta.new
    outputs = None
    if new is not None and meta.type == ROOT and _op(meta) != "refresh":
        outputs = dict(new.outputs or {})
    step = _step(meta)
    if step.op == "refresh" and new is None:
        step = Step(urn=step.urn, op="gone")
    return Ended(
        step=step,
        type=str(meta.type),
        id=_id(meta),
        failed=failed,
        not_ready=tuple(str(text) for text in (new.init_errors or ())) if new is not None else (),
        outputs=outputs,
    )


def _step(meta: Any) -> Step:
    detailed = {path: diff.diff_kind for path, diff in (meta.detailed_diff or {}).items()}
    changed = list(detailed or meta.diffs or _differing(meta))
    reasons = [path for path, kind in detailed.items() if _text(kind).endswith("replace")]
    return Step(
        urn=str(meta.urn),
        op=_op(meta),
        changed=tuple(sorted(changed)),
        reasons=tuple(sorted(reasons or meta.keys or ())),
    )


def _differing(meta: Any) -> list[str]:
    """Inputs that differ, for what no provider compares: components."""
    if meta.old is None or meta.new is None or _op(meta) != "update":
        return []
    old, new = meta.old.inputs or {}, meta.new.inputs or {}
    return [name for name in {*old, *new} if old.get(name) != new.get(name)]


def _op(meta: Any) -> str:
    return _text(meta.op)


def _text(value: Any) -> str:
    """An enum of the SDK that is a text too."""
    return str(getattr(value, "value", value))


def _id(meta: Any) -> str:
    for state in (meta.new, meta.old):
        if state is not None and state.id:
            return str(state.id)
    return ""


def name_of(urn: str) -> str:
    """A resource as people say it: `Deployment web`."""
    type_and_name = urn.split("::", 2)[-1]
    kind, _, name = type_and_name.partition("::")
    return f"{kind.rpartition(':')[2].rpartition('/')[2]} {name}" if name else urn


@dataclass(slots=True, kw_only=True)
class Stream:
    """Takes the SDK's events of one run and keeps what matters of them.

    `on_event` is told each event of interest, with every text masked; `mask` does that.
    `providers` are those made or set up anew: that touches nothing in the world, and is no step.
    """

    mask: Callable[[str], str]
    on_event: Callable[[Event], None] | None = None
    steps: dict[str, Step] = field(default_factory=dict)
    providers: list[str] = field(default_factory=list)
    drifted: list[Step] = field(default_factory=list)
    ended: list[Ended] = field(default_factory=list)
    errors: list[Said] = field(default_factory=list)
    passing: dict[str, str] = field(default_factory=dict)
    outputs: Mapping[str, object] | None = None
    over: bool = False
    seen: int = 0  # events of interest

    def take(self, event: Any) -> None:
        """What the SDK calls for each event."""
        found = read(event)
        match found:
            case None:
                return
            case Began():
                self._began(found)
            case Ended():
                self._ended(found)
            case Said():
                found = Said(
                    severity=found.severity,
                    text=self.mask(found.text),
                    urn=found.urn,
                    passing=found.passing,
                )
                self._said(found)
            case Over():
                self.over = True
        self.seen += 1
        if self.on_event is not None:
            self.on_event(found)

    def _began(self, event: Began) -> None:
        if event.type.startswith(_PROVIDERS) and event.step.op in _HARMLESS_TO_PROVIDERS:
            self.providers.append(event.step.urn)
        elif event.step.op not in _NOTHING_CHANGES:
            self.steps[f"{event.step.urn} {event.step.op}"] = event.step

    def _ended(self, event: Ended) -> None:
        if event.outputs is not None:
            self.outputs = event.outputs
        if event.step.op == "gone" or (event.step.op == "refresh" and event.step.changed):
            self.drifted.append(event.step)
        elif event.failed or not (
            event.step.op in _NOTHING_CHANGES or event.type.startswith(_PROVIDERS)
        ):
            self.ended.append(event)

    def _said(self, event: Said) -> None:
        if event.severity == "error":
            self.errors.append(event)
        elif event.urn:
            self.passing[event.urn] = event.text


def progress(event: Event) -> str:
    """The sentence that says how far the update is; empty where it would say nothing new."""
    match event:
        case Began(step=step, type=kind) if (
            step.op not in _NOTHING_CHANGES and kind != ROOT and not kind.startswith(_PROVIDERS)
        ):
            return f"{_DOING.get(step.op, step.op)} {name_of(step.urn)}"
        case Said(urn=urn, text=text) if urn and not urn.partition(f"::{ROOT}::")[1]:
            return f"{name_of(urn)}: {' '.join(text.split())}"
        case _:
            return ""


_DOING = {
    "create": "creating",
    "update": "updating",
    "delete": "deleting",
    "replace": "replacing",
    "create-replacement": "creating the replacement of",
    "delete-replaced": "deleting the old",
    "import": "adopting",
}

"""Every effect has its record before it: the intent of an operation that may do just that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from rollout_kit.model.events import (
    OperationCompleted,
    OperationFailed,
    OperationIntended,
    UndoSkipped,
)
from rollout_kit.model.identity import CohortRef
from rollout_kit.simulation.checkers.cohorts import asked_of_a_cohort
from rollout_kit.simulation.checkers.rule import Rule
from rollout_kit.simulation.effects import (
    BootstrapRun,
    CohortChanged,
    Effect,
    Happening,
    Journaled,
    MaintenanceStarted,
    NodeAttached,
    NodeDetached,
    NodeStarted,
    NodeStopped,
    SchedulerStarted,
    SchedulerStopped,
    ServerWrite,
    Who,
)
from rollout_kit.simulation.truth import Truth


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """An effect as an intent must name it: one of these kinds, about this; None: whatever it names."""

    kinds: tuple[str, ...]
    about: str | None
    key: str = ""


class EveryEffectExplained(Rule):
    """Whatever the tool does to the world, an open intent in the journal says so beforehand.

    Open: journaled and not completed, failed or skipped. Explained: the operation's kind does such
    things, its arguments name the node or cohort, and the driver's key is the intent's own (a bootstrap's
    is that of its revision). A request that arrives late or twice needs an intent that was open once.
    """

    name = "every-effect-explained"

    def __init__(self, truth: Truth) -> None:
        super().__init__(truth)
        self._open: dict[str, OperationIntended] = {}
        self._past: list[OperationIntended] = []

    def saw(self, happening: Happening, truth: Truth) -> None:  # noqa: ARG002
        effect = happening.effect
        if isinstance(effect, Journaled):
            self._record(effect)
            return
        if happening.who is not Who.TOOL:
            return
        deed = _deed(effect, happening.key)
        if deed is None:
            return
        delayed = isinstance(effect, ServerWrite) and (effect.late or effect.copy)
        intents = [*self._open.values(), *(self._past if delayed else ())]
        if not any(_explains(intent, deed) for intent in intents):
            about = f" of {deed.about}" if deed.about else ""
            what = type(effect).__name__ + about
            if isinstance(effect, ServerWrite):
                what = f"{effect.method} {effect.path}{about}"
            wanted = " or ".join(deed.kinds) or "anything"
            self._say(happening.at_s, f"{what}: no open intent of {wanted} explains it")

    def _record(self, journaled: Journaled) -> None:
        match journaled.event:
            case OperationIntended(operation=operation) as intended:
                self._open[operation.id] = intended
            case OperationCompleted(operation=name) | OperationFailed(operation=name):
                self._close(name)
            case UndoSkipped(operation=name):
                self._close(name)
            case _:
                pass

    def _close(self, name: str) -> None:
        intended = self._open.pop(name, None)
        if intended is not None:
            self._past.append(intended)


def _explains(intended: OperationIntended, deed: Deed) -> bool:
    operation = intended.operation
    if operation.kind not in deed.kinds or (deed.key and deed.key != intended.key):
        return False
    return deed.about is None or deed.about in _named(operation.arguments)


def _deed(effect: Effect, key: str) -> Deed | None:
    """None: nothing that changes the world."""
    match effect:
        case NodeDetached(node=node):
            return Deed(kinds=("detach_node",), about=node, key=key)
        case NodeAttached(node=node):
            return Deed(kinds=("attach_node",), about=node, key=key)
        case NodeStopped(node=node) | NodeStarted(node=node):
            return Deed(kinds=("replace_node",), about=node, key=key)
        case SchedulerStopped():
            return Deed(kinds=("stop_scheduler",), about=None, key=key)
        case SchedulerStarted():
            return Deed(kinds=("start_scheduler",), about=None, key=key)
        case MaintenanceStarted(name=name):
            return Deed(kinds=("replace_maintenance",), about=name, key=key)
        case CohortChanged(cohort=cohort, after=after):
            kind = "deploy_cohort" if after else "stop_cohort"
            return Deed(kinds=(kind,), about=cohort.label, key=key)
        case BootstrapRun(version=_):
            return Deed(kinds=("run_bootstrap",), about=key.rpartition("/")[2])
        case ServerWrite():
            return _written(effect)
        case _:
            return None


def _written(written: ServerWrite) -> Deed:
    asked = asked_of_a_cohort(written)
    if asked is not None:
        kinds = {
            "drain": ("drain_cohort",),
            "resume": ("resume_cohort",),
            "promote": ("promote_build",),
        }
        return Deed(kinds=kinds.get(asked.act, ()), about=asked.cohort.label)
    match unquote(written.path).strip("/").split("/"):
        case ["api", "workflows"]:
            return Deed(kinds=("smoke_runs",), about=None)
        case ["api", "workflows", *_, "terminate"]:
            return Deed(kinds=("terminate_smoke",), about=None)
    return Deed(kinds=(), about=None)


def _named(arguments: object) -> set[str]:
    """Nodes, cohorts, revisions and processes that these arguments are about."""
    found: set[str] = set()
    if not isinstance(arguments, Mapping):
        return found
    for name in ("node", "revision", "name"):
        if isinstance(arguments.get(name), str):
            found.add(str(arguments[name]))
    rotation, cohort = arguments.get("rotation"), arguments.get("cohort")
    if isinstance(rotation, Mapping):
        found.add(str(rotation.get("node")))
    if isinstance(cohort, Mapping):
        ref = CohortRef(
            namespace=str(cohort["namespace"]),
            task_queue=str(cohort["task_queue"]),
            build_id=cohort["build_id"],
        )
        found.add(ref.label)
    return found

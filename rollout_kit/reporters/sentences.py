"""Each event of the journal as a line for people: symbol, subject, sentence, details."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from rollout_kit.model.duration import span
from rollout_kit.model.events import (
    ApprovalGiven,
    Attached,
    BaselineTaken,
    CohortLeftRunning,
    DriftAccepted,
    Event,
    GateDecided,
    GroupUndone,
    GroupUndoStarted,
    GuardBreached,
    HoldReleased,
    OperationAwaited,
    OperationCompleted,
    OperationFailed,
    OperationIntended,
    OperationReapplied,
    OperationSkipped,
    Outcome,
    PersonAsked,
    ProvedByPerson,
    RollbackStarted,
    RolloutFinished,
    RolloutHeld,
    RolloutStarted,
    UndoSkipped,
)
from rollout_kit.model.gate import Verdict
from rollout_kit.model.observation import show
from rollout_kit.model.operation import Compensation, Irreversible, Keep, Operation, Undo
from rollout_kit.reporters.request_view import asked_in_words
from rollout_kit.reporters.text import Style

SHOWN_AT_MOST = 10

OUTCOMES = {
    Outcome.SUCCEEDED: ("✓", "succeeded", Style.GOOD),
    Outcome.ROLLED_BACK: ("↩", "rolled back", Style.CHANGE),
    Outcome.ROLLED_BACK_WITH_RESIDUE: ("↩", "rolled back with residue", Style.BAD),
    Outcome.ROLLBACK_INCOMPLETE: ("✗", "rollback incomplete", Style.BAD),
    Outcome.FAILED: ("✗", "failed", Style.BAD),
    Outcome.ABORTED: ("✗", "aborted", Style.BAD),
}
VERDICTS = {
    Verdict.PASS: ("✓", Style.GOOD),
    Verdict.FAIL: ("✗", Style.BAD),
    Verdict.INCONCLUSIVE: ("?", Style.CHANGE),
    Verdict.PENDING: ("…", Style.FAINT),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """What one event says. `subject` is an operation, a gate, a group, or the rollout itself ("")."""

    symbol: str
    subject: str
    text: str
    style: Style = Style.NONE
    details: tuple[str, ...] = ()


def sentence(event: Event) -> Sentence:
    """The event in plain words."""
    match event:
        case (
            OperationSkipped()
            | OperationAwaited()
            | OperationIntended()
            | OperationReapplied()
            | OperationCompleted()
            | OperationFailed()
        ):
            return _of_operation(event)
        case GateDecided(operation=subject, gate=gate, verdict=verdict, sentence=text):
            symbol, style = VERDICTS[verdict]
            return Sentence(
                symbol=symbol, subject=subject, text=f"gate {gate}: {verdict}: {text}", style=style
            )
        case GuardBreached(guard=guard, sentence=text, hint=hint):
            text = f"guard breached: {text}"
            details = _hint(hint)
            return Sentence(symbol="✗", subject=guard, text=text, style=Style.BAD, details=details)
        case PersonAsked(operation=operation, request=request):
            text, details = asked_in_words(request, operation)
            return Sentence(
                symbol="?", subject=operation.id, text=text, style=Style.CHANGE, details=details
            )
        case RolloutHeld() | HoldReleased() | DriftAccepted() | ApprovalGiven() | ProvedByPerson():
            return _of_people(event)
        case (
            GroupUndoStarted()
            | GroupUndone()
            | RollbackStarted()
            | UndoSkipped()
            | CohortLeftRunning()
        ):
            return _of_rollback(event)
        case RolloutStarted() | Attached() | BaselineTaken() | RolloutFinished():
            return _of_rollout(event)
        case _:
            assert_never(event)


def _of_rollout(
    event: RolloutStarted | Attached | BaselineTaken | RolloutFinished,
) -> Sentence:
    match event:
        case RolloutStarted():
            steps, operations = event.execution_plan.steps, event.execution_plan.operations
            return Sentence(
                symbol="▶",
                subject="",
                text=f"{event.rollout}: plan {event.plan} on {event.target}, "
                f"{len(steps)} steps, {len(operations)} operations",
                style=Style.STRONG,
            )
        case Attached():
            text = f"`{event.command}` runs it (process {event.pid} on {event.host})"
            return Sentence(symbol="·", subject="", text=text, style=Style.FAINT)
        case BaselineTaken():
            text = (
                f"pictured the fleet before the first write: {len(event.observation.facts)} facts, "
                f"{len(event.baselines)} figures"
            )
            unserved = _few("pin nobody served even then: ", event.unserved_pins)
            return Sentence(symbol="·", subject="", text=text, details=unserved)
        case RolloutFinished():
            symbol, words, style = OUTCOMES[event.outcome]
            details = (*_few("left running: ", event.residue), *_few("kept: ", event.kept))
            text = f"{words}: {event.sentence}" if event.sentence else words
            return Sentence(symbol=symbol, subject="", text=text, style=style, details=details)
        case _:
            assert_never(event)


def _of_operation(
    event: OperationSkipped
    | OperationAwaited
    | OperationIntended
    | OperationReapplied
    | OperationCompleted
    | OperationFailed,
) -> Sentence:
    match event:
        case OperationSkipped():
            text = f"skipped: {event.reason}"
            return Sentence(symbol="-", subject=event.operation, text=text, style=Style.FAINT)
        case OperationAwaited(operation=operation):
            text = f"waiting, {_wait(operation)}{_why(operation)}"
            return Sentence(symbol="…", subject=operation.id, text=text)
        case OperationIntended(operation=operation):
            is_undo = operation.id.startswith("undo/")  # of which there is no undo
            undo = "" if is_undo else f"; undo: {undo_in_words(event.undo)}"
            text = f"{act(operation)}{_why(operation)}{_attempt(event.attempt)}{undo}"
            return Sentence(symbol="~", subject=operation.id, text=text, style=Style.CHANGE)
        case OperationReapplied():
            text = f"sent again ({event.n}): {event.reason}"
            return Sentence(symbol="~", subject=event.operation, text=text, style=Style.CHANGE)
        case OperationCompleted():
            fallback = "done" if event.wrote else "already so"
            text = event.sentence or fallback
            return Sentence(symbol="✓", subject=event.operation, text=text, style=Style.GOOD)
        case OperationFailed():
            return Sentence(
                symbol="✗",
                subject=event.operation,
                text=f"failed: {event.reason}",
                style=Style.BAD,
                details=_hint(event.hint),
            )
        case _:
            assert_never(event)


def _wait(operation: Operation) -> str:
    """What the plan says: the bound of a bake or a gate leaves room for restarts and looks on top."""
    match operation.arguments:
        case {"bake_s": float(baked_s)}:
            return f"for {span(baked_s)}"
        case {"gate": {"within_s": float(within_s)}}:
            return f"at most {span(within_s)}"
        case _:
            return f"at most {span(operation.within_s)}"


def _of_people(
    event: RolloutHeld | HoldReleased | DriftAccepted | ApprovalGiven | ProvedByPerson,
) -> Sentence:
    match event:
        case RolloutHeld():
            sentences = (item.sentence for item in event.differences)
            different = _few("", tuple(text for text in sentences if text not in event.reason))
            return Sentence(
                symbol="‖",
                subject=event.operation,
                text=f"held ({event.kind}): {event.reason}",
                style=Style.CHANGE,
                details=(*different, *_hint(event.hint)),
            )
        case HoldReleased():
            text = f"released by {event.actor}: a new attempt begins"
            return Sentence(symbol="▶", subject=event.operation, text=text)
        case DriftAccepted():
            facts = tuple(f"{fact} = {show(value)}" for fact, value in event.facts.items())
            text = f"{event.actor} takes the fleet as it is"
            return Sentence(symbol="▶", subject="", text=text, details=_few("", facts))
        case ApprovalGiven():
            text = f"approved by {event.actor}{_because(event.because)}"
            return Sentence(symbol="✓", subject=event.operation, text=text, style=Style.GOOD)
        case ProvedByPerson():
            text = f"{event.actor} says: {event.fact}"
            return Sentence(symbol="✓", subject=event.operation, text=text, style=Style.GOOD)
        case _:
            assert_never(event)


def _of_rollback(
    event: GroupUndoStarted | GroupUndone | RollbackStarted | UndoSkipped | CohortLeftRunning,
) -> Sentence:
    match event:
        case GroupUndoStarted():
            return Sentence(
                symbol="↩",
                subject=event.group,
                text=f"its own undo comes first: {event.reason}",
                style=Style.CHANGE,
                details=_hint(event.hint),
            )
        case GroupUndone():
            text = "put back as it was; it counts as not begun"
            return Sentence(symbol="↩", subject=event.group, text=text)
        case RollbackStarted():
            freeze = ", freezing the new build" if event.freeze else ""
            text = f"rolling back{freeze}: {event.cause}"
            return Sentence(symbol="↩", subject="", text=text, style=Style.CHANGE)
        case UndoSkipped():
            text = f"not undone: {event.reason}"
            return Sentence(symbol="✗", subject=event.operation, text=text, style=Style.BAD)
        case CohortLeftRunning():
            return Sentence(
                symbol="!",
                subject=event.operation,
                text=f"{event.cohort.label} stays: {event.reason}",
                style=Style.CHANGE,
                details=_few("run ", event.runs),
            )
        case _:
            assert_never(event)


def undo_in_words(undo: Compensation) -> str:
    """What would restore the before-image, as acts."""
    match undo:
        case Undo():
            operations = (*undo.restore, *undo.retire)
            return ", ".join(dict.fromkeys(act(operation) for operation in operations)) or "none"
        case Keep(reason=reason):
            return f"none, it stays: {reason}"
        case Irreversible(reason=reason):
            return f"cannot be undone: {reason}"
        case _:
            assert_never(undo)


def act(operation: Operation) -> str:
    """The operation's kind as words."""
    return operation.kind.replace("_", " ")


def _why(operation: Operation) -> str:
    return f": {operation.because}" if operation.because else ""


def _attempt(attempt: int) -> str:
    return f" (attempt {attempt})" if attempt > 1 else ""


def _because(because: str) -> str:
    return f": {because}" if because else ""


def _hint(hint: str) -> tuple[str, ...]:
    return (f"hint: {hint}",) if hint else ()


def _few(prefix: str, items: tuple[str, ...]) -> tuple[str, ...]:
    shown = tuple(f"{prefix}{item}" for item in items[:SHOWN_AT_MOST])
    more = len(items) - SHOWN_AT_MOST
    return (*shown, f"and {more} more") if more > 0 else shown

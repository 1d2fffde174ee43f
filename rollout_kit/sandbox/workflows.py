"""The workflows that the sandbox's workers know: pure functions from a history to commands.

A worker replays the whole history at every task, as the official ones do. Each workflow asks for
one thing after the other; what was asked for and is answered lies in the history.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from rollout_kit.emulator.model import payloads
from rollout_kit.emulator.model.payloads import opened
from rollout_kit.emulator.model.settings import Generation

Command: TypeAlias = Mapping[str, object]
Steps: TypeAlias = Generator[Command, object, object]

FOREVER_S = 30 * 24 * 3600
_ACTIVITY_RETRIES = {"max_attempts": 8, "backoff_seconds": [0.1]}
_RUN_RETRIES = {"max_attempts": 5, "backoff_seconds": [1]}
_SCHEDULED = {
    "ActivityScheduled": "schedule_activity",
    "TimerScheduled": "start_timer",
    "ChildWorkflowScheduled": "start_child_workflow",
}
_ANSWERED = ("ActivityCompleted", "TimerFired", "ChildRunCompleted")
_FAILED = ("ActivityFailed", "ChildRunFailed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What a run was started with. `other_queue`: where its activities go besides its own."""

    workflow_type: str
    argument: Mapping[str, object]
    other_queue: str

    def number(self, name: str, default: float) -> float:
        value = self.argument.get(name, default)
        return float(value) if isinstance(value, int | float) else default


class WorkFailed(Exception):
    """What the run waited for has failed for good."""


class ContinueAsNew(Exception):
    """End this run; the next one gets `argument`."""

    def __init__(self, argument: Mapping[str, object]) -> None:
        super().__init__()
        self.argument = argument


class NotDeterministic(Exception):
    """The history was made by other code: this worker must not go on with the run."""


def activity(name: str, *, queue: str | None = None, argument: object = None) -> Command:
    on_queue = {} if queue is None else {"queue": queue}
    return {
        "type": "schedule_activity",
        "activity_type": name,
        "arguments": envelope([argument]),
        "retry_policy": _ACTIVITY_RETRIES,
        **on_queue,
    }


def timer(seconds: float) -> Command:
    return {"type": "start_timer", "delay_seconds": seconds}


def child(workflow_type: str, argument: Mapping[str, object], *, retries: bool = False) -> Command:
    policy = {"retry_policy": _RUN_RETRIES} if retries else {}
    return {
        "type": "start_child_workflow",
        "workflow_type": workflow_type,
        "arguments": envelope([argument]),
        **policy,
    }


def envelope(value: object) -> dict[str, object]:
    """A payload as the newer generation's clients read it; the workers here read either kind."""
    return payloads.envelope(value, Generation.V2)


def _ping(given: Given) -> Steps:
    """Touches what matters: a workflow task, an activity, the result."""
    return (yield activity("echo", argument=given.workflow_type))


def _short(_: Given) -> Steps:
    yield activity("work")
    return "done"


def _cross(given: Given) -> Steps:
    """Its pin goes with it onto the other queue."""
    yield activity("work", queue=given.other_queue)
    return "done"


def _timer(given: Given) -> Steps:
    yield timer(given.number("seconds", 2))
    yield activity("work")
    return "done"


def _long(given: Given) -> Steps:
    """Stays open, and pinned, across whatever a rollout does meanwhile."""
    half = given.number("seconds", 8) / 2
    yield timer(half)
    yield activity("work", queue=given.other_queue)
    yield timer(half)
    return "done"


def _parent(_: Given) -> Steps:
    return (yield child("short", {}))


def _continued(given: Given) -> Steps:
    yield activity("work")
    left = given.number("times", 2)
    if left > 0:
        raise ContinueAsNew({"times": left - 1})
    return "done"


def _stumbling(_: Given) -> Steps:
    """Its activity fails once and is tried again."""
    yield activity("stumble")
    return "done"


def _retried(given: Given) -> Steps:
    """Its child fails until its time has come: every retry is a new run with the old pin."""
    return (yield child("late", given.argument, retries=True))


def _late(given: Given) -> Steps:
    if (yield activity("time-has-come", argument=given.argument)) is not True:
        raise WorkFailed("too early")
    return "done"


WORKFLOWS: Mapping[str, Callable[[Given], Steps]] = {
    "ping": _ping,
    "short": _short,
    "cross": _cross,
    "timer": _timer,
    "long": _long,
    "parent": _parent,
    "continued": _continued,
    "stumbling": _stumbling,
    "retried": _retried,
    "late": _late,
}
ACTIVITIES = ("echo", "work", "stumble", "time-has-come")


def decide(given: Given, events: Sequence[Mapping[str, object]]) -> list[Command]:
    """Replay the history; what the workflow wants next, if it is not waiting already.

    Raises NotDeterministic when the history shows other commands than the workflow gives.
    """
    past = _past(events)
    steps = WORKFLOWS[given.workflow_type](given)
    try:
        command = next(steps)
        for asked in past:
            if asked.command != command["type"]:
                msg = f"history has {asked.command}, the workflow wants {command['type']}"
                raise NotDeterministic(msg)
            if not asked.answered:
                return []
            command = (
                steps.throw(WorkFailed(asked.failure))
                if asked.failure
                else steps.send(asked.answer)
            )
    except StopIteration as stopped:
        return [{"type": "complete_workflow", "result": envelope(stopped.value)}]
    except ContinueAsNew as following:
        argument = envelope([following.argument])
        return [{"type": "continue_as_new", "arguments": argument}]
    except WorkFailed as failed:
        return [{"type": "fail_workflow", "message": str(failed), "exception_type": "WorkFailed"}]
    return [command]


@dataclass(slots=True, kw_only=True)
class _Asked:
    """One command of the past and what came of it."""

    command: str
    answered: bool = False
    answer: object = None
    failure: str = ""


def _past(events: Sequence[Mapping[str, object]]) -> list[_Asked]:
    """The commands that the history shows, in order."""
    asked: dict[object, _Asked] = {}
    for event in events:
        kind, payload = str(event["event_type"]), event.get("payload")
        if not isinstance(payload, Mapping):
            continue
        if kind in _SCHEDULED:
            asked[payload["sequence"]] = _Asked(command=_SCHEDULED[kind])
        elif kind in _ANSWERED and payload["sequence"] in asked:
            one = asked[payload["sequence"]]
            one.answered, one.answer = True, value_of(payload.get("result"))
        elif kind in _FAILED and payload["sequence"] in asked:
            one = asked[payload["sequence"]]
            one.answered, one.failure = True, str(payload.get("message") or "failed")
    return list(asked.values())


def begins_with_timer(events: Sequence[Mapping[str, object]]) -> bool:
    """Whether the first thing that the run asked for was a timer."""
    past = _past(events)
    return bool(past) and past[0].command == "start_timer"


def value_of(payload: object) -> object:
    """What is in an envelope, whatever codec it came in."""
    if not isinstance(payload, Mapping):
        return None
    return opened(str(payload.get("codec")), str(payload.get("blob")))


def argument_of(payload: object) -> Mapping[str, object]:
    """The first argument of a call, where it is a mapping."""
    value = value_of(payload)
    first = value[0] if isinstance(value, list) and value else None
    return first if isinstance(first, Mapping) else {}

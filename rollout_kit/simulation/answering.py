"""The person who runs the tool in a simulation: starts it again, approves, answers holds."""

from __future__ import annotations

from datetime import datetime

from rollout_kit.execution.rollback import irreversible
from rollout_kit.model.events import (
    DriftAccepted,
    Event,
    HoldKind,
    HoldReleased,
    Outcome,
    RollbackStarted,
    RolloutHeld,
)
from rollout_kit.model.state import RolloutState
from rollout_kit.simulation.people import People
from rollout_kit.simulation.scenario import Answer

RESUMES_AT_MOST = 3
ROLL_BACKS_AT_MOST = 6
"""After so many holds the operator no longer resumes, and at last no longer rolls back but aborts."""


class Operator:
    """Answers each hold as the scenario says at first; one that comes again and again, for good."""

    def __init__(self, people: People, answer: Answer) -> None:
        self._people = people
        self._answer = answer
        self.holds = 0

    def after_hold(self, state: RolloutState, now: datetime) -> tuple[str, tuple[Event, ...]]:
        """The command to run next, with what it journals first."""
        held = state.hold
        if held is None:
            return "apply", ()
        if held.kind in (HoldKind.APPROVAL, HoldKind.PERSON):
            self._people.approve(state, now)
            return "apply", ()
        self.holds += 1
        answer = self._answer
        if answer is Answer.RESUME and self.holds > RESUMES_AT_MOST:
            answer = Answer.ROLL_BACK
        if answer is Answer.ROLL_BACK and not offered(state):
            answer = Answer.RESUME if self.holds <= RESUMES_AT_MOST else Answer.ABORT
        if self.holds > ROLL_BACKS_AT_MOST:
            answer = Answer.ABORT
        return self._carried_out(answer, held, state, now)

    def _carried_out(
        self, answer: Answer, held: RolloutHeld, state: RolloutState, now: datetime
    ) -> tuple[str, tuple[Event, ...]]:
        match answer:
            case Answer.ABORT:
                self._people.abort(state, now)
                return "apply", ()
            case Answer.ROLL_BACK:
                return "rollback", rolling_back("a hold")
            case Answer.RESUME:
                facts = {item.fact: item.found for item in held.differences}
                accepted = (DriftAccepted(facts=facts, actor="me"),) if facts else ()
                return "resume", (*accepted, HoldReleased(operation=held.operation, actor="me"))


def rolling_back(cause: str) -> tuple[Event, ...]:
    """As `rollout-kit rollback` journals it."""
    return (RollbackStarted(cause=f"asked for after {cause}", actor="me"),)


def may_roll_back(state: RolloutState) -> bool:
    """Whether `rollback` is offered for what has succeeded."""
    succeeded = state.finished is not None and state.finished.outcome is Outcome.SUCCEEDED
    return succeeded and bool(state.intents) and offered(state)


def offered(state: RolloutState) -> bool:
    """Whether nothing stands against a rollback: the plan's own word, or what cannot be undone."""
    policy = state.started.execution_plan.rollback if state.started else None
    return policy is not None and policy.forward_only is None and irreversible(state) is None

"""A group's goal: facts that hold when its work is already done, whatever its operations are."""

from __future__ import annotations

from rollout_kit.model.observation import Observation
from rollout_kit.model.operation import Change, ChangeKind, Operation


def goal_reached(op: Operation, observation: Observation) -> bool:
    """Whether every fact of the goal of the operation's group holds. False without a goal."""
    goal = op.group.goal if op.group else {}
    return bool(goal) and all(observation.get(fact) == value for fact, value in goal.items())


def nothing_to_do(sentence: str) -> Change:
    return Change(kind=ChangeKind.NO_OP, sentence=sentence)

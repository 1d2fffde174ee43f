"""Wait until a person says go on. Approvals are the executor's: here it only asks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rollout_kit.model import codec
from rollout_kit.model.duration import span
from rollout_kit.model.observation import Observation
from rollout_kit.model.operation import Change, ChangeKind, NeedsPerson, Operation, Verification
from rollout_kit.model.situation import Situation
from rollout_kit.operations.api import Context, Readers, Seen
from rollout_kit.operations.check import Check


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitApprovalArguments:
    """`within_s` counts by the wall clock: nobody has to sit and watch."""

    prompt: str
    within_s: float


class AwaitApproval(Check):
    kind = "await_approval"

    def observe(self, op: Operation, readers: Readers, now_s: float) -> Seen:  # noqa: ARG002
        return Seen(observation=Observation(), situation=Situation(), at_s=now_s)

    def preview(self, op: Operation, observation: Observation, situation: Situation) -> Change:  # noqa: ARG002
        asked = _arguments(op)
        return Change(
            kind=ChangeKind.CHECK,
            sentence=f'ask a person: "{asked.prompt}" (at most {span(asked.within_s)})',
        )

    def verify(self, op: Operation, history: Sequence[Seen], ctx: Context) -> Verification:  # noqa: ARG002
        return NeedsPerson(
            reason=_arguments(op).prompt, hint=f"`rollout-kit approve {op.id}` lets it go on"
        )


def _arguments(op: Operation) -> AwaitApprovalArguments:
    return codec.from_json(AwaitApprovalArguments, op.arguments)

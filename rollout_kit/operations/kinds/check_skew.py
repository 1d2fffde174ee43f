"""Look once more, just before the first write, that the versions alive may live together."""

from __future__ import annotations

from collections.abc import Sequence

from rollout_kit.model.observation import Absent, Observation
from rollout_kit.model.operation import (
    Change,
    ChangeKind,
    Done,
    Failed,
    Operation,
    Verification,
    Waiting,
)
from rollout_kit.model.situation import Situation
from rollout_kit.operations.api import Context, Readers, Seen
from rollout_kit.operations.arguments import arguments_of
from rollout_kit.operations.check import Check
from rollout_kit.operations.maintenance import read_maintenance
from rollout_kit.operations.pace import pace
from rollout_kit.operations.reading import (
    merged,
    read_all_nodes,
    read_scheduler,
)
from rollout_kit.operations.skew import ServerChange, judge_skew

HINT = "bring everything to one of the two versions first, or upgrade with the service stopped"


class CheckSkew(Check):
    """Rule 2 at run time; the judgement itself is `judge_skew`. Its arguments are a `ServerChange`."""

    kind = "check_skew"

    def observe(self, op: Operation, readers: Readers, now_s: float) -> Seen:  # noqa: ARG002
        looks = (
            read_all_nodes(readers, now_s),
            read_scheduler(readers, now_s, metrics=False),
            read_maintenance(readers, now_s),
        )
        return merged(looks, now_s)

    def preview(self, op: Operation, observation: Observation, situation: Situation) -> Change:
        change = _arguments(op)
        skew = judge_skew(observation, situation, change)
        if skew.refusals:
            sentence = "; ".join(skew.refusals)
            return Change(kind=ChangeKind.BLOCKED, sentence=sentence, hint=HINT)
        return Change(
            kind=ChangeKind.CHECK,
            sentence=f"check that {change.from_} and {change.to} may live side by side",
            not_judged=(*skew.not_judged, *skew.unproved),
        )

    def verify(self, op: Operation, history: Sequence[Seen], ctx: Context) -> Verification:
        seen = history[-1]
        skew = judge_skew(seen.observation, seen.situation, _arguments(op))
        if skew.refusals:
            return Failed(reason="; ".join(skew.refusals), hint=HINT)
        silent = [
            fact
            for fact, value in seen.facts.items()
            if value in (Absent.NO_ANSWER, Absent.PENDING) and fact.endswith(("/version", "/image"))
        ]
        if silent:
            progress = f"no answer yet for {', '.join(silent)}"
            return Waiting(retry_after_s=pace(ctx), progress=progress)
        unjudged = f"; not judged: {'; '.join(skew.not_judged)}" if skew.not_judged else ""
        return Done(sentence=f"everything alive may live side by side{unjudged}")


def _arguments(op: Operation) -> ServerChange:
    return arguments_of(ServerChange, op)

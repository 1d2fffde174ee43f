"""What kinds have in common that only judge: they touch nothing, write nothing and undo nothing."""

from __future__ import annotations

from rollout_kit.model.observation import Facts, Observation
from rollout_kit.model.operation import Compensation, Done, Keep, Operation, Verification
from rollout_kit.operations.api import Context, Seen, Writers


class Check:
    """The writing half of a kind that writes nothing."""

    def touches(self, op: Operation) -> tuple[str, ...]:  # noqa: ARG002
        return ()

    def relies_on(self, op: Operation) -> tuple[str, ...]:  # noqa: ARG002
        return ()

    def expect(self, op: Operation, observation: Observation) -> Observation:  # noqa: ARG002
        return observation

    def ready_to_apply(self, op: Operation, seen: Seen, ctx: Context) -> Verification:  # noqa: ARG002
        return Done()

    def apply(self, op: Operation, key: str, writers: Writers) -> None:
        """Nothing to do."""

    def compensate(self, op: Operation, before: Facts) -> Compensation:  # noqa: ARG002
        return Keep(reason="it only judges")

"""What an operation kind is. A new one is one file in `kinds/` and one line in `registry.py`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from rollout_kit.model.execution_plan import Scope
from rollout_kit.model.gate import Baseline
from rollout_kit.model.observation import Facts, Observation
from rollout_kit.model.operation import Change, Compensation, Operation, Verification
from rollout_kit.model.situation import Situation
from rollout_kit.ports.engine import Engine, EngineReader
from rollout_kit.ports.infra import Infra, InfraReader
from rollout_kit.ports.metrics import MetricsReader


@dataclass(frozen=True, slots=True, kw_only=True)
class Readers:
    """Everything that can be asked. By type nothing here can write."""

    engine: EngineReader
    infra: InfraReader
    metrics: MetricsReader
    scope: Scope
    key: str = (
        ""  # of the present attempt's write, where this look belongs to an operation of a rollout
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Writers:
    """Everything that can be done."""

    engine: Engine
    infra: Infra


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One look at what matters to an operation: facts (journaled) and numbers, and when."""

    observation: Observation
    situation: Situation
    at_s: float  # monotonic seconds

    @property
    def facts(self) -> Facts:
        return self.observation.facts

    def beside(self, situation: Situation) -> Seen:
        """The same look, with numbers that were read apart from it."""
        return replace(self, situation=self.situation.merged(situation))


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What the journal and this session know beside the looks themselves; pure, passed to `verify`.

    `since_s`: monotonic seconds at which this operation's intent (or wait) began *or* this process
    attached, whichever came last: proofs over time restart on attach.
    """

    now_s: float
    since_s: float
    key: str
    baselines: tuple[Baseline, ...] = ()
    unserved_before: tuple[str, ...] = ()  # pins that were unserved at BaselineTaken
    undoing: bool = False
    elapsed_attended_s: float = 0.0  # since the baseline
    written: frozenset[str] = field(default_factory=frozenset)  # operations that wrote so far
    rollback_left_s: float | None = None  # until the rollback's deadline; None: none runs
    gap_s: float | None = None  # wall-clock seconds since the one before it in its group was done


class OperationKind(Protocol):
    """The seven methods of DESIGN section 5."""

    kind: str

    def observe(self, op: Operation, readers: Readers, now_s: float) -> Seen:
        """The slice that matters, fresh. Errors of reading become absent facts and `unread` numbers."""
        ...

    def preview(self, op: Operation, observation: Observation, situation: Situation) -> Change:
        """What it would do to this world. May quote numbers, blocks on facts only."""
        ...

    def touches(self, op: Operation) -> tuple[str, ...]:
        """Fact paths (or prefixes ending in `/`) it may move on its way, wider than `expect`."""
        ...

    def relies_on(self, op: Operation) -> tuple[str, ...]:
        """Fact paths (or prefixes) it needs as they are; compared, with `touches`, before the write."""
        ...

    def expect(self, op: Operation, observation: Observation) -> Observation:
        """The world after it."""
        ...

    def ready_to_apply(self, op: Operation, seen: Seen, ctx: Context) -> Verification:
        """A safety condition on numbers, looked at just before the write: Done, Waiting or Failed."""
        ...

    def apply(self, op: Operation, key: str, writers: Writers) -> None:
        """Start the effect; idempotent; does not wait."""
        ...

    def verify(self, op: Operation, history: Sequence[Seen], ctx: Context) -> Verification:
        """Is the effect there? `history`: looks since attach, oldest first, the last one fresh."""
        ...

    def compensate(self, op: Operation, before: Facts) -> Compensation:
        """What restores `before`; computed and journaled before the effect."""
        ...

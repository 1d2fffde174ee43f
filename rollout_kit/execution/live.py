"""What this process has seen since it attached. Rebuilt empty on every attach."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from rollout_kit.model.gate import Sample
from rollout_kit.model.observation import Difference, Facts
from rollout_kit.operations.api import Seen
from rollout_kit.ports.approvals import PersonRecord

HISTORY_LIMIT = 4_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """Times are monotonic seconds of this process."""

    attached_at_s: float
    attended_before_s: float = 0.0  # attended seconds when this process attached
    history: Mapping[str, tuple[Seen, ...]] = field(default_factory=dict)
    since_s: Mapping[str, float] = field(default_factory=dict)  # operation -> began here
    due_s: Mapping[str, float] = field(default_factory=dict)  # operation -> look again then
    in_doubt: frozenset[str] = field(default_factory=frozenset)  # effect unknown
    resend: frozenset[str] = field(default_factory=frozenset)  # nothing came of it: not counted
    waiting_for: Mapping[str, str] = field(default_factory=dict)  # operation -> progress
    guard_samples: Mapping[str, tuple[Sample, ...]] = field(default_factory=dict)
    guard_due_s: Mapping[str, float] = field(default_factory=dict)  # guard -> sample it then
    guards_due_s: float = 0.0  # the soonest of them
    unmeasured: tuple[str, str] | None = None  # guard and sentence: it cannot be measured
    no_answer_since_s: Mapping[str, float] = field(default_factory=dict)
    drift: tuple[Difference, ...] = ()
    drift_at: str = ""
    silent: tuple[str, ...] = ()  # facts that gave no answer for too long
    skew: str = ""  # why the skew window is over its limit
    checked_step: str = ""
    people: tuple[PersonRecord, ...] = ()
    wait_for_people: bool = False
    settled: bool = False  # the settling look at the end was taken
    settled_facts: Facts = field(default_factory=dict)  # what that look saw
    unrestored: tuple[Difference, ...] = ()  # what it found different from the before-image

    def attended_s(self, now_s: float) -> float:
        """Attended seconds of the whole rollout at this moment."""
        return self.attended_before_s + (now_s - self.attached_at_s)

    def looked(self, operation: str, seen: Seen) -> Live:
        """This look added; the oldest fall off a very long wait."""
        history = (*self.history.get(operation, ()), seen)[-HISTORY_LIMIT:]
        return replace(
            self,
            history={**self.history, operation: history},
            since_s={operation: seen.at_s, **self.since_s},
        )

    def wait(self, operation: str, until_s: float, progress: str) -> Live:
        return replace(
            self,
            due_s={**self.due_s, operation: until_s},
            waiting_for={**self.waiting_for, operation: progress},
        )

    def forget(self, operation: str) -> Live:
        """Begin to watch this operation anew (a new attempt, or its effect was just sent)."""
        return replace(
            self,
            history={k: v for k, v in self.history.items() if k != operation},
            since_s={k: v for k, v in self.since_s.items() if k != operation},
            due_s={k: v for k, v in self.due_s.items() if k != operation},
        )

    def doubt(self, operation: str) -> Live:
        """It was sent, and nobody heard what came of it."""
        resend = self.resend - {operation}
        return replace(self, in_doubt=self.in_doubt | {operation}, resend=resend)

    def unsent(self, operation: str) -> Live:
        """Nothing came of sending it now; an earlier time that is in doubt stays so."""
        return replace(self, resend=self.resend | {operation})

    def known(self, operation: str) -> Live:
        """Its effect was seen, or heard of."""
        left = {operation}
        return replace(self, in_doubt=self.in_doubt - left, resend=self.resend - left)

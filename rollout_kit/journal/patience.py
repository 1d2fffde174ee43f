"""How long a write waits for a store that does not answer, and whose time that is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rollout_kit.journal.objects import Unanswered
from rollout_kit.ports.clock import Clock

if TYPE_CHECKING:
    from tenacity import AttemptManager

LONGEST_PAUSE_S = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Seconds over all tries. A signal ends them after the one that is under way.

    `tell` hears once that waiting has begun.
    """

    clock: Clock
    budget_s: float
    tell: Callable[[str], None] = lambda _: None

    def tries(self) -> Iterator[AttemptManager]:
        """Try until it does not raise `Unanswered`, or the budget is over: then that is raised."""
        from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_exponential

        since_s = self.clock.monotonic_s()

        def over(state: RetryCallState) -> bool:
            ends_s = self.clock.monotonic_s() - since_s + state.upcoming_sleep
            return self.clock.interrupted() or ends_s > self.budget_s

        def told(state: RetryCallState) -> None:
            error = state.outcome.exception() if state.outcome else None
            if state.attempt_number == 1 and isinstance(error, Unanswered):
                self.tell(f"{error.message}; trying again for up to {self.budget_s:.0f}s")

        return iter(
            Retrying(
                retry=retry_if_exception_type(Unanswered),
                wait=wait_exponential(multiplier=0.25, max=LONGEST_PAUSE_S),
                stop=over,
                sleep=self.clock.sleep,
                before_sleep=told,
                reraise=True,
            )
        )

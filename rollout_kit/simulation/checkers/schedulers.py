"""Never two schedulers: they would fire every schedule twice."""

from __future__ import annotations

from rollout_kit.emulator.model.passes import scheduler_overlaps
from rollout_kit.simulation.checkers.rule import Rule
from rollout_kit.simulation.checking import Ending, Violation
from rollout_kit.simulation.effects import Happening, SchedulerStarted, SchedulerStopped
from rollout_kit.simulation.truth import Truth


class NeverTwoSchedulers(Rule):
    """Neither two processes at once, nor two that tick side by side; whoever's hand it was."""

    name = "never-two-schedulers"

    def __init__(self, truth: Truth) -> None:
        super().__init__(truth)
        self._stopped_at_s: float | None = None

    def saw(self, happening: Happening, truth: Truth) -> None:  # noqa: ARG002
        match happening.effect:
            case SchedulerStopped():
                self._stopped_at_s = happening.at_s
            case SchedulerStarted(running=running, image=image) if running > 1:
                self._say(happening.at_s, f"{image} was started while {running - 1} still ran")
            case SchedulerStarted(image=image) if self._stopped_at_s is not None:
                gap_s = happening.at_s - self._stopped_at_s
                self._near(gap_s, f"{image} was started {gap_s:.1f}s after the other was stopped")
            case _:
                pass

    def finish(self, truth: Truth, ending: Ending) -> tuple[Violation, ...]:
        with truth.rows() as rows:
            overlaps = scheduler_overlaps(rows)
        if overlaps and not self._found:
            self._say(truth.at_s, f"two schedulers ticked side by side {overlaps} times")
        return super().finish(truth, ending)

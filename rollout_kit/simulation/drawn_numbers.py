"""Numbers for gates that ask something over HTTP: nothing is asked, they are drawn about their threshold."""

from __future__ import annotations

from random import Random

from rollout_kit.document.plan import AddedGuard, GateDeclaration, HttpSource, PlanDocument
from rollout_kit.model.gate import Bound, Threshold
from rollout_kit.model.gate import HttpSource as Asked
from rollout_kit.ports.errors import Trouble, Unavailable
from rollout_kit.simulation.clock import VirtualClock
from rollout_kit.simulation.network import Metrics

STEADY = 100.0
"""Where only an increase is judged."""


class DrawnNumbers:
    """Implements `ports.metrics.MetricsReader`: good numbers, and bad or none while a fault lasts."""

    def __init__(
        self, document: PlanDocument, seed: int, metrics: Metrics, clock: VirtualClock
    ) -> None:
        self._chance = Random(seed)
        self._metrics = metrics
        self._clock = clock
        added = [guard for guard in document.guards if isinstance(guard, AddedGuard)]
        judged: list[GateDeclaration | AddedGuard] = [*document.gates, *added]
        self._thresholds = {
            (found.source.url, found.source.pointer): found.threshold
            for found in judged
            if isinstance(found.source, HttpSource)
        }

    def http_number(self, source: Asked) -> float:
        now_s = self._clock.elapsed_s
        if now_s < self._metrics.silent_until_s:
            raise Unavailable("the metrics give no answer", trouble=Trouble.NETWORK)
        threshold = self._thresholds[source.url, source.pointer]
        if now_s < self._metrics.spikes_until_s:
            return _bad(threshold)
        return _good(threshold, self._chance.random())


def _good(threshold: Threshold, share: float) -> float:
    if threshold.percent or threshold.bound is Bound.INCREASE_AT_MOST:
        return STEADY
    match threshold.bound:
        case Bound.AT_MOST:
            return threshold.value * share
        case Bound.AT_LEAST:
            return threshold.value * (1.0 + share)
        case _:
            return threshold.value


def _bad(threshold: Threshold) -> float:
    if threshold.bound is Bound.AT_LEAST:
        return 0.0
    return 10.0 * (STEADY + threshold.value)

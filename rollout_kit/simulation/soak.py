"""Many scenarios one after the other, or side by side in processes; and what they came to together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial

from rollout_kit.simulation.report import Report
from rollout_kit.simulation.run import run
from rollout_kit.simulation.scenario import Limits, draw

IN_HAND = 8
"""Seeds that a process is given at once."""


@dataclass(slots=True, kw_only=True)
class Tally:
    """Sums over reports."""

    runs: int = 0
    requests: int = 0
    virtual_s: float = 0.0
    crashes: int = 0
    endings: Counter[str] = field(default_factory=Counter)
    struck: Counter[str] = field(default_factory=Counter)
    broken: list[Report] = field(default_factory=list)
    slowest: Report | None = None

    def add(self, report: Report) -> None:
        self.runs += 1
        self.requests += report.requests
        self.virtual_s += report.virtual_s
        self.crashes += report.crashes
        self.endings[report.ending] += 1
        self.struck.update(text.partition(" ")[0] for text in report.struck)
        if report.violations:
            self.broken.append(report)
        if self.slowest is None or report.virtual_s > self.slowest.virtual_s:
            self.slowest = report


def reports(seeds: Iterable[int], limits: Limits, *, jobs: int = 1) -> Iterator[Report]:
    """The report of each seed, in order."""
    one = partial(_one, limits)
    if jobs == 1:
        yield from map(one, seeds)
        return
    with ProcessPoolExecutor(max_workers=jobs) as pool:
        yield from pool.map(one, seeds, chunksize=IN_HAND)


def replay_line(report: Report, limits: Limits) -> str:
    """The command that runs this seed again and tells everything that happens."""
    seed = report.scenario.seed
    line = f"python -m rollout_kit.simulation --seeds {seed}..{seed} --trace"
    for name in ("nodes", "queues", "cohorts"):
        most = getattr(limits, name)
        line += f" --{name} {most}" if most != getattr(Limits(), name) else ""
    if limits.faults != Limits().faults:
        line += "".join(f" --only-fault {fault.value}" for fault in limits.faults)
    return line


def _one(limits: Limits, seed: int) -> Report:
    return run(draw(seed, limits))

"""`python -m rollout_kit.simulation --seeds 0..99`: rollouts drawn from numbers, and what they broke.

Exits with 1 where a rule was broken; each has a line that replays it.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace

from rollout_kit.simulation.faults import Fault
from rollout_kit.simulation.report import Report
from rollout_kit.simulation.run import run
from rollout_kit.simulation.scenario import Limits, Scenario, draw
from rollout_kit.simulation.shrink import breaks, decode, shrink
from rollout_kit.simulation.shrink import replay_line as shrunk_line
from rollout_kit.simulation.soak import Tally, replay_line, reports


def main(arguments: Sequence[str]) -> int:
    asked = _parser().parse_args(arguments)
    if asked.replay:
        return _traced([decode(asked.replay)])
    limits = Limits(nodes=asked.nodes, queues=asked.queues, cohorts=asked.cohorts)
    if asked.only_fault:
        only = tuple(Fault(name) for name in asked.only_fault)
        limits = replace(limits, faults=only, chance=1.0)
    if asked.trace:
        return _traced(draw(seed, limits) for seed in asked.seeds)
    tally = Tally()
    begun_s = time.perf_counter()
    for report in reports(asked.seeds, limits, jobs=asked.jobs):
        tally.add(report)
        for violation in report.violations:
            print(f"seed {report.scenario.seed}: {violation.checker}: {violation.sentence}")
            print(f"  at {violation.at_s:.1f}s, {report.ending}; {replay_line(report, limits)}")
        if asked.shrink and report.violations:
            small = shrink(report.scenario, breaks(report.violations[0].checker))
            print(f"  smaller: {shrunk_line(small)}")
    _summed(tally, time.perf_counter() - begun_s, asked.jobs)
    return 1 if tally.broken else 0


def _traced(scenarios: Iterable[Scenario]) -> int:
    broken = False
    for scenario in scenarios:
        report = run(scenario, trace=True)
        print(report.scenario)
        print("\n".join(report.trace))
        print(f"seed {scenario.seed}: {report.ending}: {report.sentence or report.refusal}")
        for violation in report.violations:
            print(f"  {violation.checker} at {violation.at_s:.1f}s: {violation.sentence}")
        broken = broken or bool(report.violations)
    return 1 if broken else 0


def _summed(tally: Tally, took_s: float, jobs: int) -> None:
    per_core = tally.runs / took_s / jobs if took_s else 0.0
    print(
        f"{tally.runs} rollouts in {took_s:.1f}s on {jobs} cores: {per_core:.1f} a second and core"
    )
    if not tally.runs:
        return
    print(
        f"each {tally.virtual_s / tally.runs:.0f} virtual seconds and"
        f" {tally.requests / tally.runs:.0f} requests; the tool was killed {tally.crashes} times"
    )
    print("ended: " + _counted(tally.endings))
    print("struck: " + _counted(tally.struck))
    if tally.slowest is not None:
        print(f"longest: {_longest(tally.slowest)}")
    print(f"{len(tally.broken)} seeds broke a rule")


def _longest(report: Report) -> str:
    worst = report.worst_step
    step = f", step {worst.step} {worst.seconds:.0f}s" if worst else ""
    return f"seed {report.scenario.seed}, {report.virtual_s:.0f} virtual seconds{step}"


def _counted(counts: dict[str, int]) -> str:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{name} {count}" for name, count in ordered) or "nothing"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m rollout_kit.simulation", description=__doc__)
    parser.add_argument("--seeds", type=_seeds, default=range(100), metavar="A..B")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes side by side")
    parser.add_argument(
        "--only-fault",
        action="append",
        default=[],
        choices=[fault.value for fault in Fault],
        help="no other kind of fault (may be given more than once)",
    )
    for name in ("nodes", "queues", "cohorts"):
        most = getattr(Limits(), name)
        parser.add_argument(f"--{name}", type=int, default=most, metavar="N", help="at most")
    parser.add_argument(
        "--shrink", action="store_true", help="look for smaller ones that break too"
    )
    parser.add_argument("--replay", metavar="JSON", help="this one scenario, as --shrink prints it")
    parser.add_argument("--trace", action="store_true", help="tell everything that happens")
    return parser


def _seeds(text: str) -> range:
    found = re.fullmatch(r"(\d+)(?:\.\.(\d+))?", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a seed, nor two as in 0..99")
    first, last = int(found[1]), int(found[2] or found[1])
    return range(first, last + 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

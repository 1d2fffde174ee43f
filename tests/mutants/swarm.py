"""Simulated rollouts, one seed after the other, until one breaks a rule. Run in a scratch copy."""

from __future__ import annotations

import sys

from rollout_kit.simulation.run import run
from rollout_kit.simulation.scenario import Limits, draw


def main(first: int, end: int) -> int:
    for seed in range(first, end):
        report = run(draw(seed, Limits()))
        for violation in report.violations:
            print(f"seed {seed}: {violation.checker}: {violation.sentence[:160]}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))

"""Measure rollout-kit beside what people would otherwise use; one table, all in one run.

    python benchmarks/run.py [--only NAME] [--json] [--repeats N]

Ends with 1 when a figure missed its target. How to read it: README.md beside this file.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
from collections.abc import Callable
from compileall import compile_dir
from dataclasses import asdict
from pathlib import Path

sys.path.insert(
    0, str(Path(__file__).resolve().parents[1])
)  # the fleet in memory is the tests' own

import breach
import cutover
import journals
import overhead
import startup
from figures import Figure, table

BENCHES: dict[str, tuple[Callable[[int], list[Figure]], int]] = {
    "startup": (startup.bench, 20),
    "overhead": (overhead.bench, 3),
    "journal": (journals.bench, 5),
    "breach": (breach.bench, 5),
    "cutover": (cutover.bench, 3),
}
"""Each bench, and how often it measures unless told otherwise."""
PRODUCT = Path(__file__).resolve().parents[1] / "rollout_kit"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=list(BENCHES), action="append", help="may be repeated")
    parser.add_argument("--json", action="store_true", help="the figures as JSON on stdout")
    parser.add_argument("--repeats", type=int, help="how often each bench measures")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that every fleet is taken down
    compile_dir(PRODUCT, quiet=1)  # as pip does when it installs it
    figures: list[Figure] = []
    for name in given.only or BENCHES:
        bench, repeats = BENCHES[name]
        print(f"measuring {name} …", file=sys.stderr, flush=True)
        figures += bench(given.repeats or repeats)
    if given.json:
        shown = [{**asdict(figure), "verdict": figure.verdict} for figure in figures]
        print(json.dumps({"machine": _machine(), "figures": shown}, indent=1))
    else:
        print(f"{_machine()}\n\n{table(figures)}")
    return 1 if any(figure.missed for figure in figures) else 0


def _machine() -> str:
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    system = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    return f"{system}, {os.cpu_count()} cores, load {load} (a busy machine measures itself)"


if __name__ == "__main__":
    sys.exit(main())

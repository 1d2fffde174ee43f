"""`python -m tests.mutants`: plant each fault in a scratch copy, and see which test finds it.

Exits with 1 where fewer than `--at-least` per cent are caught.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from tests.mutants.records import Mutant, mutants
from tests.mutants.scratch import TIME, Scratch

NARROW = "not clients"
FAST = "not clients and not crash and not processes"
WIDER = tuple(
    f"tests/{name}"
    for name in (
        "execution",
        "gates",
        "journal",
        "model",
        "operations",
        "planning",
        "rollout",
        "safety",
        "simulation",
    )
)
NARROW_S = 300.0
WIDER_S = 900.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """`by`: the test that failed; empty: it survived. `level`: narrow, wider, crash or swarm."""

    name: str
    area: str
    by: str
    level: str
    seconds: float
    alike: str


def main(arguments: Sequence[str]) -> int:
    asked = _parser().parse_args(arguments)
    chosen = [m for m in mutants() if _is_chosen(m, asked)]
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        scratch = Scratch(Path(folder))
        findings = [_told(_tried(scratch, mutant, asked)) for mutant in chosen]
        if asked.swarm is None:
            catchers = sorted({f.by for f in findings if f.by and f.by != TIME})
            spoilt = scratch.failures(catchers) if catchers else ()
            findings = [replace(f, by="", level="") if f.by in spoilt else f for f in findings]
            print(f"fail without any fault, and prove nothing: {', '.join(spoilt) or 'none'}")
    if asked.json:
        asked.json.write_text(json.dumps([asdict(f) for f in findings], indent=1))
    return _summed(findings, asked)


def _tried(scratch: Scratch, mutant: Mutant, asked: argparse.Namespace) -> Finding:
    begun_s = time.monotonic()
    with scratch.with_fault(mutant):
        by, level = _caught(scratch, mutant, asked)
    return Finding(
        name=mutant.name,
        area=mutant.area,
        by=by,
        level=level,
        seconds=round(time.monotonic() - begun_s, 1),
        alike=mutant.alike,
    )


def _caught(scratch: Scratch, mutant: Mutant, asked: argparse.Namespace) -> tuple[str, str]:
    if asked.swarm is not None:
        return scratch.swarm(range(asked.swarm), limit_s=NARROW_S), "swarm"
    for selection in mutant.tests:
        by = scratch.first_failure([selection], marked=NARROW, limit_s=NARROW_S)
        if by:
            return by, "narrow"
    if asked.narrow:
        return "", ""
    by = scratch.first_failure(WIDER, marked=FAST, limit_s=WIDER_S)
    if by:
        return by, "wider"
    by = scratch.first_failure(["tests/crash", "tests/rollout"], marked="crash", limit_s=WIDER_S)
    return by, "crash" if by else ""


def _is_chosen(mutant: Mutant, asked: argparse.Namespace) -> bool:
    return (not asked.only or mutant.name in asked.only) and (
        not asked.area or mutant.area in asked.area
    )


def _told(finding: Finding) -> Finding:
    said = f"{finding.level}: {finding.by}" if finding.by else "SURVIVED"
    print(f"{finding.area:10} {finding.name:45} {finding.seconds:6.1f}s  {said}", flush=True)
    return finding


def _summed(findings: Sequence[Finding], asked: argparse.Namespace) -> int:
    told_apart = [f for f in findings if not f.alike]
    caught = [f for f in told_apart if f.by]
    share = 100.0 * len(caught) / len(told_apart) if told_apart else 100.0
    took_s = sum(f.seconds for f in findings)
    print(f"caught {len(caught)} of {len(told_apart)} ({share:.0f} %) in {took_s:.0f}s")
    for finding in findings:
        if not finding.by:
            print(f"survived: {finding.name}{f' ({finding.alike})' if finding.alike else ''}")
    return 0 if share >= asked.at_least else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--only", action="append", default=[], metavar="NAME")
    parser.add_argument("--area", action="append", default=[], metavar="AREA")
    parser.add_argument("--narrow", action="store_true", help="no wider suite for the survivors")
    parser.add_argument("--swarm", type=int, metavar="N", help="seeds of the simulation, no tests")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--at-least", type=float, default=95.0, metavar="PERCENT")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

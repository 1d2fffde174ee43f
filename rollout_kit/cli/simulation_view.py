"""What many simulated runs of a plan came to, for people, for programs, for a review."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rollout_kit.model.duration import span
from rollout_kit.reporters.json_document import document
from rollout_kit.reporters.markdown import code, prose
from rollout_kit.reporters.text import Printer, Style, one_line
from rollout_kit.simulation.rehearse import Rehearsal, rank
from rollout_kit.simulation.report import Report

HOLDS_SHOWN = 5
BROKEN_SHOWN = 20
UNRESTORED_SHOWN = 3
SENTENCE = 300
"""Characters of one: `--output json` has all of it."""
WORDS = {
    "succeeded": "reached the end",
    "rolled-back": "rolled back",
    "rolled-back-with-residue": "rolled back with residue",
    "rollback-incomplete": "rolled back incompletely",
    "failed": "failed where no rollback is offered",
    "aborted": "aborted",
    "refused": "refused before the first write",
    "unfinished": "did not end",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Enough:
    """The least that has to go wrong for the run of this seed to end as badly as it did."""

    seed: int
    causes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """`plain`: the run with nothing wrong. `replay`: a command; a seed is put behind it."""

    plan: str
    file: str
    asked: int
    replay: str
    plain: Report
    rehearsal: Rehearsal
    stands_in: tuple[str, ...]
    enough: Enough | None = None


def print_simulation(shown: Simulated, out: Printer) -> None:
    sums = shown.rehearsal
    style = Style.BAD if sums.broken else Style.GOOD
    out.line(_headline(shown), style)
    for ending, runs in sums.endings.most_common():
        out.line(f"  {runs:>6} {WORDS[ending]}")
    for line in _figures(shown):
        out.line(f"  {line}")
    if sums.holds:
        out.line(f"{sums.held} of them held for a person on their way:", Style.STRONG)
    for (operation, kind), runs in sums.holds.most_common(HOLDS_SHOWN):
        out.line(f"  {runs:>6} {operation} ({kind}): {_why(sums, operation, kind)}")
    out.line("How near each rule came to being broken:", Style.STRONG)
    for margin, seed in sorted(sums.closest.values(), key=lambda found: found[0].checker):
        out.line(f"  {margin.checker}: {margin.sentence} (seed {seed})")
    for line in _broken(shown):
        out.line(line, Style.BAD)
    for sentence in shown.stands_in:
        out.line(f"note: {sentence}", Style.FAINT)


def simulation_markdown(shown: Simulated) -> str:
    sums = shown.rehearsal
    parts = [f"### Simulation of {code(shown.plan)}", f"**{prose(_headline(shown))}**"]
    rows = [f"| {WORDS[ending]} | {runs} |" for ending, runs in sums.endings.most_common()]
    parts.append("\n".join(["| rollouts that | runs |", "|---|---:|", *rows]))
    parts.append("\n".join(f"- {prose(line)}" for line in _figures(shown)))
    if sums.holds:
        rows = [
            f"| {code(operation)} | {kind} | {runs} | {prose(_why(sums, operation, kind))} |"
            for (operation, kind), runs in sums.holds.most_common(HOLDS_SHOWN)
        ]
        parts.append("\n".join(["| held at | kind | runs | why |", "|---|---|---:|---|", *rows]))
    near = [
        f"| {code(margin.checker)} | {prose(margin.sentence)} | {seed} |"
        for margin, seed in sorted(sums.closest.values(), key=lambda found: found[0].checker)
    ]
    parts.append("\n".join(["| rule | came nearest where | seed |", "|---|---|---:|", *near]))
    parts += [f"- ✗ {prose(line)}" for line in _broken(shown)]
    parts.append("<sub>" + " ".join(prose(sentence) for sentence in shown.stands_in) + "</sub>")
    return "\n\n".join(parts) + "\n"


def simulation_json(shown: Simulated) -> str:
    sums = shown.rehearsal
    worst = sums.worst_step
    return document(
        "simulation",
        {
            "plan": shown.plan,
            "file": shown.file,
            "runs": sums.runs,
            "asked": shown.asked,
            "endings": dict(sums.endings),
            "held": sums.held,
            "holds": [
                {
                    "operation": operation,
                    "kind": kind,
                    "runs": runs,
                    "reason": sums.reasons[operation, kind],
                }
                for (operation, kind), runs in sums.holds.most_common()
            ],
            "plain_s": shown.plain.virtual_s,
            "p50_s": rank(sums.durations_s, 50) if sums.runs else None,
            "p95_s": rank(sums.durations_s, 95) if sums.runs else None,
            "worst_step": {"step": worst.step, "p95_s": worst.seconds} if worst else None,
            "requests": sums.requests,
            "nearest": [
                {
                    "rule": margin.checker,
                    "spare": margin.spare,
                    "sentence": margin.sentence,
                    "seed": seed,
                }
                for margin, seed in sums.closest.values()
            ],
            "violations": [
                {
                    "rule": violation.checker,
                    "seed": seed,
                    "at_s": violation.at_s,
                    "sentence": violation.sentence,
                    "replay": f"{shown.replay} {seed}",
                }
                for seed, violation in sums.broken
            ],
            "unrestored": [
                {"seed": seed, "sentence": sentence, "replay": f"{shown.replay} {seed}"}
                for seed, sentence in sums.unrestored
            ],
            "enough": (
                {"seed": shown.enough.seed, "causes": list(shown.enough.causes)}
                if shown.enough
                else None
            ),
            "stands_in": list(shown.stands_in),
        },
    )


def _why(sums: Rehearsal, operation: str, kind: str) -> str:
    return one_line(sums.reasons[operation, kind], SENTENCE)


def _headline(shown: Simulated) -> str:
    sums = shown.rehearsal
    broken = len({seed for seed, _ in sums.broken})
    kept = f"{broken} broke a rule" if broken else "no rule was broken"
    left = f" of {shown.asked}" if sums.runs < shown.asked else ""
    return f"{sums.runs}{left} simulated rollouts of {shown.plan}: {kept}"


def _figures(shown: Simulated) -> Iterator[str]:
    sums = shown.rehearsal
    if not sums.runs:
        return
    half, most = rank(sums.durations_s, 50), rank(sums.durations_s, 95)
    plain = span(shown.plain.virtual_s)
    yield f"took {span(half)} (p50) to {span(most)} (p95); {plain} with nothing wrong"
    if shown.plain.ending != "succeeded":
        yield f"even with nothing wrong it ended as {shown.plain.ending}: {shown.plain.sentence}"
    if sums.worst_step is not None:
        worst = sums.worst_step
        yield f"the worst step is {worst.step}: {span(worst.seconds)} (p95)"
    yield f"sent {sums.requests} requests, {round(sums.requests / sums.runs)} each"


def _broken(shown: Simulated) -> Iterator[str]:
    for seed, sentence in shown.rehearsal.unrestored[:UNRESTORED_SHOWN]:
        yield f"not restored: {one_line(sentence, SENTENCE) or 'it did not end'}"
        yield from _once_more(shown, seed)
    for seed, violation in shown.rehearsal.broken[:BROKEN_SHOWN]:
        yield f"broken: {violation.checker} at {violation.at_s:.1f}s: {violation.sentence}"
        yield from _once_more(shown, seed)
    more = len(shown.rehearsal.broken) - BROKEN_SHOWN
    if more > 0:
        yield f"and {more} more"


def _once_more(shown: Simulated, seed: int) -> Iterator[str]:
    if shown.enough and shown.enough.seed == seed:
        yield f"  enough for it: {'; '.join(shown.enough.causes) or 'nothing: it happens by itself'}"
    yield f"  replay: {shown.replay} {seed}"

"""The rollback of a user's plan, rehearsed from every step of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from rollout_kit.document.plan import (
    ApiCutoverStep,
    BootstrapStep,
    RunStep,
    Step,
    WorkerCanaryStep,
)
from rollout_kit.simulation.causes import FLAWS
from rollout_kit.simulation.rehearse import plain_scenario, side_by_side
from rollout_kit.simulation.report import REFUSED
from rollout_kit.simulation.run import run
from rollout_kit.simulation.scenario import Answer, Flaw, Scenario
from rollout_kit.simulation.theirs import Theirs

ASKED = "somebody asks for a rollback after it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is to fail in which step."""

    step: str
    what: str
    scenario: Scenario


@dataclass(frozen=True, slots=True, kw_only=True)
class Drilled:
    """How a case ended.

    `failed_at`: the operation that failed first, empty where somebody asked. `ending`: as of a report;
    `noticed`: False where the rollout went on to its end in spite of it. `took_s`: the rollback alone.
    """

    step: str
    what: str
    failed_at: str
    ending: str
    sentence: str
    noticed: bool
    took_s: float
    residue: tuple[str, ...]
    kept: tuple[str, ...]
    violations: tuple[str, ...]

    @property
    def restored(self) -> bool:
        """Nothing is left to be said against it: back as it was, or residue that is listed."""
        return not self.violations and self.ending not in ("rollback-incomplete", "unfinished")


def cases(theirs: Theirs, only: str | None = None) -> Iterator[Case]:
    """Each step's own failure, where it has one, and a rollback that is asked for after it."""
    usual = replace(plain_scenario(theirs), answer=Answer.ROLL_BACK)
    for step in theirs.document.steps:
        if only is not None and step.id != only:
            continue
        for what, changes in _failures(step):
            yield Case(step=step.id, what=what, scenario=replace(usual, **changes))
        yield Case(step=step.id, what=ASKED, scenario=replace(usual, rolls_back_after=step.id))


def drilled(all_cases: Iterable[Case], jobs: int) -> Iterator[Drilled]:
    """Each case, in order."""
    yield from side_by_side(_one, all_cases, jobs)


def _failures(step: Step) -> Iterator[tuple[str, dict[str, Any]]]:
    match step.with_:
        case BootstrapStep():
            yield FLAWS[Flaw.BROKEN_MIGRATION], {"flaw": Flaw.BROKEN_MIGRATION}
        case ApiCutoverStep():
            yield FLAWS[Flaw.NEVER_UP], {"flaw": Flaw.NEVER_UP}
        case WorkerCanaryStep():
            yield FLAWS[Flaw.HANGING], {"flaw": Flaw.HANGING}
        case RunStep():
            yield "the command fails", {"commands_fail": True}
        case _:
            pass


def _one(case: Case) -> Drilled:
    report = run(case.scenario)
    events = [json.loads(line) for line in report.journal.split(b"\n")[:-1]]
    began_s = _first(events, "RollbackStarted")
    over_s = max((record["attended_s"] for record in events), default=0.0)
    back = began_s is not None or report.ending.startswith("roll")
    return Drilled(
        step=case.step,
        what=case.what,
        failed_at="" if case.what == ASKED else _failed_at(events),
        ending=report.ending,
        sentence=report.sentence or report.refusal,
        noticed=back or report.ending == REFUSED,
        took_s=round(over_s - began_s, 3) if began_s is not None else 0.0,
        residue=_listed(events, "residue"),
        kept=_listed(events, "kept"),
        violations=tuple(f"{v.checker}: {v.sentence}" for v in report.violations),
    )


def _first(records: list[dict[str, Any]], kind: str) -> float | None:
    found = (record["attended_s"] for record in records if record["event"]["is"] == kind)
    return next(found, None)


def _failed_at(records: list[dict[str, Any]]) -> str:
    for record in records:
        event = record["event"]
        match event["is"]:
            case "OperationFailed" | "GroupUndoStarted":
                return str(event["operation"])
            case "GuardBreached":
                return f"guard {event['guard']}"
            case "GateDecided" if event["verdict"] == "fail":
                return str(event["operation"])
            case "RolloutHeld":
                return str(event["operation"])
    return ""


def _listed(records: list[dict[str, Any]], name: str) -> tuple[str, ...]:
    ends = [r["event"] for r in records if r["event"]["is"] == "RolloutFinished"]
    return tuple(ends[-1][name]) if ends else ()

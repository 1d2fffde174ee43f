"""The fleet before and after a rollback, subject by subject: what "as it was" rests on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from rollout_kit.execution import rollback
from rollout_kit.model.equivalence import RESTORED, equivalent
from rollout_kit.model.identity import CohortRef, encoded
from rollout_kit.model.observation import (
    Absent,
    Difference,
    Facts,
    FactValue,
    Observation,
    cohort_fact,
    show,
)
from rollout_kit.model.state import RolloutState
from rollout_kit.reporters.markdown import code, prose
from rollout_kit.reporters.text import Printer, Style, one_line

SHOWN = {
    "node": ("version", "marker", "attached"),
    "scheduler": ("image", "running"),
    "maintenance": ("image",),
    "cohort": ("drain_intent", "replicas"),
}
"""What is shown of each subject also where it is as it was; what differs is always shown."""
NOWHERE = "not there"
WORDS = {"drain_intent": "drain intent"}


class Comparison(Enum):
    """How a subject is now beside how it was: word, symbol, style."""

    EQUAL = ("equal", "✓", Style.GOOD)
    DIFFERS = ("differs", "✗", Style.BAD)
    UNKNOWN = ("not known", "?", Style.CHANGE)  # before the first write nobody said what it was
    KEPT = ("kept", "·", Style.FAINT)  # it stays by contract, or somebody's change was accepted
    RESIDUE = ("residue", "!", Style.CHANGE)  # left running: open runs need it
    NEW = ("new", "·", Style.FAINT)  # a build's row that this rollout brought

    @property
    def word(self) -> str:
        return self.value[0]

    @property
    def symbol(self) -> str:
        return self.value[1]

    @property
    def style(self) -> Style:
        return self.value[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One subject. `now` is empty where it is as it was."""

    subject: str
    comparison: Comparison
    before: str
    now: str = ""


def before_and_now(state: RolloutState) -> tuple[Compared, ...]:
    """Every node, scheduler, maintenance process, queue and cohort; empty without a last look."""
    if state.baseline is None or state.finished is None or not state.finished.seen:
        return ()
    judge = _Judge(state)
    before = state.baseline.observation
    now = Observation(facts=state.finished.seen)
    rows = [judge.compare(name, "node", f"node/{encoded(name)}/") for name in before.nodes()]
    if any(fact.startswith("scheduler/") for fact in before.facts):
        rows.append(judge.compare("scheduler", "scheduler", "scheduler/"))
    for name in before.maintenance():
        rows.append(judge.compare(name, "maintenance", f"maintenance/{encoded(name)}/"))
    cohorts = dict.fromkeys((*before.cohorts(), *now.cohorts()))
    for queue in dict.fromkeys(cohort.queue for cohort in cohorts):
        of_queue = [cohort for cohort in cohorts if cohort.queue == queue]
        rows += judge.selection(queue.task_queue, of_queue)
        rows += [
            judge.compare(cohort.label, "cohort", f"cohort/{cohort.path}/") for cohort in of_queue
        ]
    return tuple(row for row in rows if row.before != NOWHERE or row.now != NOWHERE)


class _Judge:
    """The two pictures, what differs between them, and why it may."""

    def __init__(self, state: RolloutState) -> None:
        assert state.baseline is not None
        assert state.finished is not None
        self.before: Facts = state.baseline.observation.facts
        self.now: Facts = state.finished.seen
        kept, left = rollback.kept_facts(state), rollback.left_facts(state)
        self._left = left
        self._differs = _names(equivalent(self.before, self.now))
        self._wrong = _names(equivalent(self.before, self.now, ignored=(*kept, *left)))

    def compare(self, subject: str, kind: str, prefix: str) -> Compared:
        """One subject's facts, all of them below `prefix`."""
        differs = sorted(fact for fact in self._differs if fact.startswith(prefix))
        if kind == "cohort":
            differs = [fact for fact in differs if not fact.endswith("/selected")]
        restored = [f"{prefix}{name}" for name in RESTORED[kind] if name != "selected"]
        unknown = self._unknown(restored)
        facts = dict.fromkeys((*(f"{prefix}{name}" for name in SHOWN[kind]), *differs, *unknown))
        was, is_now = _picture(self.before, facts), _picture(self.now, facts)
        comparison = self._judged(prefix, differs, unknown)
        changed = comparison is not Comparison.EQUAL and (is_now != was or not was)
        return Compared(
            subject=subject,
            comparison=comparison,
            before=was or NOWHERE,
            now=(is_now or NOWHERE) if changed else "",
        )

    def selection(self, queue: str, cohorts: list[CohortRef]) -> Iterator[Compared]:
        """The selected build, where the server selects at all."""
        facts = {cohort_fact(cohort, "selected"): cohort for cohort in cohorts}
        known = {**self.before, **self.now}
        if not any(isinstance(known.get(fact), bool) for fact in facts):
            return
        was, is_now = _selected(self.before, facts), _selected(self.now, facts)
        differs = [fact for fact in facts if fact in self._differs]
        comparison = self._judged("", differs, self._unknown(facts))
        yield Compared(
            subject=queue,
            comparison=comparison,
            before=f"selected {was}",
            now=f"selected {is_now}" if comparison is not Comparison.EQUAL else "",
        )

    def _unknown(self, facts: Iterable[str]) -> list[str]:
        """Those that gave no answer before, or were still being read: no look can call them equal."""
        missing = (Absent.NO_ANSWER, Absent.PENDING)
        return [fact for fact in facts if self.before.get(fact) in missing]

    def _judged(self, prefix: str, differs: list[str], unknown: list[str]) -> Comparison:
        if any(fact in self._wrong for fact in differs):
            return Comparison.DIFFERS
        if prefix in self._left:
            return Comparison.RESIDUE
        if differs:
            return Comparison.KEPT
        if unknown:
            return Comparison.UNKNOWN
        there_before = any(fact.startswith(prefix) for fact in self.before)
        return Comparison.EQUAL if there_before else Comparison.NEW


def _names(differences: tuple[Difference, ...]) -> frozenset[str]:
    return frozenset(item.fact for item in differences)


def _picture(facts: Facts, wanted: Mapping[str, None]) -> str:
    """These facts as one phrase; what has no such fact says nothing of it."""
    said = (_said(fact.rpartition("/")[2], facts[fact]) for fact in wanted if fact in facts)
    return ", ".join(said)


def _said(attribute: str, value: FactValue) -> str:
    text = value if isinstance(value, str) else show(value)
    match attribute, value:
        case "attached", bool():
            return "attached" if value else "detached"
        case "running", bool():
            return "running" if value else "stopped"
        case "replicas", int():
            return f"{value} replica" if value == 1 else f"{value} replicas"
        case _:
            return f"{WORDS.get(attribute, attribute)} {text}"


def _selected(facts: Facts, cohorts: Mapping[str, CohortRef]) -> str:
    chosen = [cohort.label for fact, cohort in cohorts.items() if facts.get(fact) is True]
    silent = any(isinstance(facts.get(fact), Absent) for fact in cohorts)
    return ", ".join(chosen) or ("unknown: no answer" if silent else "none")


def print_before_and_now(rows: tuple[Compared, ...], printer: Printer) -> None:
    """A line a subject: as it was, or what it was → what it is."""
    seen = {row.comparison for row in rows}
    legend = ", ".join(f"{one.symbol} {one.word}" for one in Comparison if one in seen)
    printer.line(f"The fleet, before and now ({legend}):")
    width = max((len(row.subject) for row in rows), default=0)
    for row in rows:
        mark = printer.paint(row.comparison.symbol, row.comparison.style)
        subject = printer.paint(f"{one_line(row.subject):<{width}}", Style.NONE)
        printer.raw(f"  {mark} {subject}  {printer.paint(_line(row), Style.NONE)}")


def _line(row: Compared) -> str:
    was = one_line(row.before)
    text = f"{was} → {one_line(row.now)}" if row.now else was
    exceptional = row.comparison not in (Comparison.EQUAL, Comparison.DIFFERS)
    return f"{text} ({row.comparison.word})" if exceptional else text


def before_and_now_markdown(rows: tuple[Compared, ...]) -> str:
    lines = ["| | | before | now |", "|---|---|---|---|"]
    for row in rows:
        lines.append(
            f"| {row.comparison.symbol} {row.comparison.word} | {code(row.subject)} "
            f"| {prose(row.before)} | {prose(row.now or row.before)} |"
        )
    return "\n".join(lines)


def before_and_now_json(rows: tuple[Compared, ...]) -> list[Mapping[str, str]]:
    return [
        {
            "subject": row.subject,
            "comparison": row.comparison.word,
            "before": row.before,
            "now": row.now or row.before,
        }
        for row in rows
    ]

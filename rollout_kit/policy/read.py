"""From the text of a pack to its rules, or to everything that is wrong with it, each with its place."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, time
from functools import cache
from importlib import resources
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from rollout_kit.document.characters import lines_of
from rollout_kit.document.codes import Code
from rollout_kit.document.diagnostics import Diagnostic, Finding, Severity, order
from rollout_kit.document.nodes import Node, Path, locate, plain
from rollout_kit.document.plan import CohortMeasure, StepKind
from rollout_kit.document.quantities import percent
from rollout_kit.document.tree import parse
from rollout_kit.document.violations import violations
from rollout_kit.policy.pack import (
    AllowedTargets,
    Body,
    DatedWindow,
    Enforcement,
    Freeze,
    NodesOut,
    PolicyPack,
    RequiredGate,
    RequiredGates,
    Rule,
    WeeklyWindow,
    Window,
)

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MIDNIGHT_AT_ITS_END = "24:00"


@dataclass(frozen=True, slots=True, kw_only=True)
class PackReading:
    """`pack` is None where there are errors; a pack that is half understood refuses nothing."""

    diagnostics: tuple[Diagnostic, ...]
    pack: PolicyPack | None


def read_pack(text: str, *, file: str) -> PackReading:
    """Read a pack and find everything that is wrong with it; never raises for any text."""
    root, found = parse(text)
    findings = list(found)
    document: Any = None
    if root is not None:
        document = plain(root)
        findings += violations(document, root, load_schema())
        if not findings:
            findings += _contradictions(document, root)
    wrong = any(finding.severity is Severity.ERROR for finding in findings)
    return PackReading(
        diagnostics=_diagnostics(findings, text, file),
        pack=None if wrong or root is None else _pack(document, root, file),
    )


@cache
def load_schema() -> Mapping[str, object]:
    """The JSON Schema of packs; it is the authority."""
    text = resources.files("rollout_kit.policy").joinpath("schema/policy-pack.v1.json").read_text()
    schema: dict[str, object] = json.loads(text)
    return schema


def _contradictions(document: Any, root: Node) -> Iterator[Finding]:
    seen: set[str] = set()
    for index, rule in enumerate(document["rules"]):
        if rule["id"] in seen:
            detail = f'"{rule["id"]}" names two rules: a finding could not be told.'
            yield _finding(Code.DUPLICATE_NAME, detail, root, ("rules", index, "id"))
        seen.add(rule["id"])
        freeze = rule.get("freeze")
        if freeze is None:
            continue
        path: Path = ("rules", index, "freeze")
        if not _is_zone(freeze["time_zone"]):
            detail = f'"{freeze["time_zone"]}" is no time zone of the IANA database.'
            yield _finding(Code.BAD_VALUE, detail, root, (*path, "time_zone"), "Europe/Berlin")
        for place, window in enumerate(freeze["windows"]):
            yield from _window_problems(window, root, (*path, "windows", place))


def _window_problems(window: Any, root: Node, path: Path) -> Iterator[Finding]:
    if "days" in window:
        if window["from"] == _MIDNIGHT_AT_ITS_END:
            detail = "24:00 is the end of a day; a window that starts there starts at 00:00."
            yield _finding(Code.BAD_VALUE, detail, root, (*path, "from"), "00:00")
        return
    try:
        start, end = datetime.fromisoformat(window["from"]), datetime.fromisoformat(window["to"])
    except ValueError:
        detail = f"{window['from']} or {window['to']} is no day of the calendar."
        yield _finding(Code.BAD_VALUE, detail, root, path)
        return
    if end <= start:
        detail = f"It ends at {window['to']}, which is not after {window['from']}."
        yield _finding(Code.DURATION_ORDER, detail, root, (*path, "to"))


def _finding(code: Code, detail: str, root: Node, path: Path, example: str = "") -> Finding:
    hint = f"Write it as in {example}." if example else None
    return Finding(code=code, summary="Bad policy", detail=detail, hint=hint, at=locate(root, path))


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _pack(document: Any, root: Node, file: str) -> PolicyPack:
    return PolicyPack(
        name=document["name"],
        file=file,
        applies_to=tuple(document.get("applies_to", ["*"])),
        rules=tuple(
            Rule(
                id=rule["id"],
                body=_body(rule),
                enforcement=Enforcement(rule.get("enforcement", "mandatory")),
                hint=rule.get("hint", ""),
                position=locate(root, ("rules", index)),
            )
            for index, rule in enumerate(document["rules"])
        ),
    )


def _body(rule: Any) -> Body:
    if "allowed_targets" in rule:
        return AllowedTargets(names=tuple(rule["allowed_targets"]))
    if "required_gates" in rule:
        return RequiredGates(gates=tuple(_required(entry) for entry in rule["required_gates"]))
    if "nodes_out_at_most" in rule:
        limit = rule["nodes_out_at_most"]
        if isinstance(limit, str):
            return NodesOut(at_most=percent(limit), percent=True)
        return NodesOut(at_most=limit, percent=False)
    freeze = rule["freeze"]
    windows = tuple(_window(window) for window in freeze["windows"])
    return Freeze(time_zone=freeze["time_zone"], windows=windows)


def _required(entry: Any) -> RequiredGate:
    return RequiredGate(
        uses=StepKind(entry["uses"]),
        gate=entry.get("gate"),
        metric=entry.get("metric"),
        cohort=CohortMeasure(entry["cohort"]) if "cohort" in entry else None,
        readiness=entry.get("readiness", False),
        at_most=entry.get("at_most"),
    )


def _window(window: Any) -> Window:
    if "days" not in window:
        return DatedWindow(
            start=datetime.fromisoformat(window["from"]), end=datetime.fromisoformat(window["to"])
        )
    end = window["to"]
    return WeeklyWindow(
        weekdays=tuple(_DAYS.index(day) for day in window["days"]),
        start=time.fromisoformat(window["from"]),
        end=None if end == _MIDNIGHT_AT_ITS_END else time.fromisoformat(end),
    )


def _diagnostics(findings: Iterable[Finding], text: str, file: str) -> tuple[Diagnostic, ...]:
    lines = lines_of(text)
    return order(
        Diagnostic(
            severity=finding.severity,
            code=finding.code,
            summary=finding.summary,
            detail=finding.detail,
            hint=finding.hint,
            file=file,
            line=finding.at.line if finding.at else None,
            col=finding.at.column if finding.at else None,
            excerpt=lines[finding.at.line - 1]
            if finding.at and finding.at.line <= len(lines)
            else None,
        )
        for finding in findings
    )

"""The way from the text of a plan to what the planner works with, and back from a journal."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import cast

from rollout_kit.document.assembly import load_schema
from rollout_kit.document.characters import lines_of
from rollout_kit.document.check import check
from rollout_kit.document.codes import Code
from rollout_kit.document.conforms import conforms
from rollout_kit.document.decode import decode
from rollout_kit.document.diagnostics import Diagnostic, Finding, Severity, order
from rollout_kit.document.fields import UndecidedError
from rollout_kit.document.nodes import MappingNode, Node, Path, ScalarNode, locate, plain, walk
from rollout_kit.document.plan import PlanDocument, Variable
from rollout_kit.document.sections import Problem
from rollout_kit.document.substitute import Purpose, is_secret, substitute
from rollout_kit.document.tree import parse

_REFERENCE_ONLY = re.compile(r"([A-Za-z][A-Za-z-]* )?\$\{(env|var):[^{}]*\}")
_MAY_HOLD_A_SECRET = re.compile(
    r"operator|admin|token|secret|password|credential|authorization|header|://[^/\s]*@",
    re.IGNORECASE,
)
_OF_A_SCALAR = frozenset({Code.AMBIGUOUS_SCALAR, Code.ALIAS_UNKNOWN, Code.ALIAS_BUDGET})
_OF_A_VALUE = frozenset({Code.WRONG_TYPE, Code.UNKNOWN_VALUE, Code.BAD_VALUE})


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanReading:
    """What came of reading a plan."""

    document: PlanDocument | None
    """None where there are errors, or where a number waits for an unset environment variable."""
    diagnostics: tuple[Diagnostic, ...]
    """In the order of the file."""

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        """Give what keeps the plan from being used."""
        return tuple(one for one in self.diagnostics if one.severity is Severity.ERROR)


def read_plan(
    text: str,
    *,
    file: str,
    variables: Mapping[str, str],
    environment: Mapping[str, str] | None,
    purpose: Purpose = Purpose.VALIDATE,
) -> PlanReading:
    """Read a plan and find everything that is wrong with it; never raises for any text.

    `variables` are those of `--var`. `environment` None looks nothing up. `file` is only named.
    """
    root, found = parse(text)
    findings = list(found)
    document: PlanDocument | None = None
    if root is not None:
        document, more = _read_tree(root, variables, environment, purpose)
        scalars = {one.at for one in findings if one.code in _OF_A_SCALAR}
        findings += [one for one in more if one.code not in _OF_A_VALUE or one.at not in scalars]
    if any(finding.severity is Severity.ERROR for finding in findings):
        document = None
    return PlanReading(document=document, diagnostics=_diagnostics(findings, text, file, root))


def read_canonical(json_text: str) -> PlanDocument:
    """Read a document back from a journal. Raises `ValueError` where it is none."""
    document = json.loads(json_text)
    schema = load_schema()
    if not isinstance(document, dict) or not conforms(document, schema, schema):
        raise ValueError("the journaled plan document does not keep to the schema of version 1")
    return decode(document, canonical=json_text, locate=lambda _: None)


def _read_tree(
    root: Node,
    variables: Mapping[str, str],
    environment: Mapping[str, str] | None,
    purpose: Purpose,
) -> tuple[PlanDocument | None, list[Finding]]:
    done = substitute(root, variables=variables, environment=environment, purpose=purpose)
    findings = list(done.findings)
    document = plain(done.root)
    schema = load_schema()
    if not conforms(document, schema, schema):
        from rollout_kit.document.violations import violations

        findings += violations(document, done.root, schema)
    if not isinstance(document, dict):
        return None, findings
    findings += [_located(problem, done.root) for problem in check(document)]
    if any(finding.severity is Severity.ERROR for finding in findings):
        return None, findings
    text = _canonical(document, done.variables)
    try:
        places = done.root
        plan = decode(json.loads(text), canonical=text, locate=lambda path: locate(places, path))
    except UndecidedError:
        return None, findings
    return plan, findings


def _canonical(document: Mapping[str, object], variables: Iterable[Variable]) -> str:
    """Write the document so that only what it means decides its digest."""
    kept = {key: value for key, value in document.items() if not key.startswith("x-")}
    kept["vars"] = {
        variable.name: {"default": variable.value} | ({"secret": True} if variable.secret else {})
        for variable in variables
    }
    return json.dumps(kept, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _located(problem: Problem, root: Node) -> Finding:
    return Finding(
        code=problem.code,
        summary=problem.summary,
        detail=problem.detail,
        hint=problem.hint,
        at=locate(root, problem.path, key=problem.at_key),
        severity=problem.severity,
    )


def _diagnostics(
    findings: Iterable[Finding], text: str, file: str, root: Node | None
) -> tuple[Diagnostic, ...]:
    lines = lines_of(text)
    hidden = _secret_lines(root)

    def excerpt(finding: Finding) -> str | None:
        if finding.at is None or finding.at.line > len(lines) or finding.at.line in hidden:
            return None
        line = lines[finding.at.line - 1]
        # Without a tree nobody knows which fields are secret: what looks like one stays unseen.
        return None if root is None and _MAY_HOLD_A_SECRET.search(line) else line

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
            excerpt=excerpt(finding),
        )
        for finding in findings
    )


def _secret_lines(root: Node | None) -> set[int]:
    """Find the lines on which somebody wrote a secret out."""
    hidden: set[int] = set()
    for path, leaf in walk(root) if root is not None else ():
        value = str(leaf.value)
        secret = is_secret(path) or _is_secret_default(path, root)
        if (secret and not _REFERENCE_ONLY.fullmatch(value)) or re.search(r"://[^/\s]*@", value):
            hidden |= set(range(leaf.at.line, leaf.end_line + 1))
    return hidden


def _is_secret_default(path: Path, root: Node | None) -> bool:
    if path[:1] != ("vars",) or path[2:] != ("default",) or not isinstance(root, MappingNode):
        return False
    section = cast("MappingNode", root.entries["vars"])
    entry = cast("MappingNode", section.entries[cast("str", path[1])])
    flagged = entry.entries.get("secret")
    return isinstance(flagged, ScalarNode) and flagged.value is True

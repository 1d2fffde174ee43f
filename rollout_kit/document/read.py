"""The way from the text of a plan to what the planner works with, and back from a journal."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, cast

from rollout_kit.document.assembly import load_schema
from rollout_kit.document.canonical import canonical
from rollout_kit.document.check import check
from rollout_kit.document.codes import Code
from rollout_kit.document.conforms import conforms
from rollout_kit.document.diagnostics import Diagnostic, Finding, Severity
from rollout_kit.document.nodes import MappingNode, Node, Path, ScalarNode, locate, plain, walk
from rollout_kit.document.placing import placed
from rollout_kit.document.sections import Problem
from rollout_kit.document.substitute import PASSWORD, Purpose, is_secret, substitute
from rollout_kit.document.tree import parse

if TYPE_CHECKING:
    from rollout_kit.document.plan import PlanDocument

_REFERENCE_ONLY = re.compile(r"([A-Za-z][A-Za-z-]* )?\$\{(env|var):[^{}]*\}")
_MAY_HOLD_A_SECRET = re.compile(
    r"operator|admin|token|secret|password|credential|authorization|header|://[^/\s]*@",
    re.IGNORECASE,
)
_OF_A_SCALAR = frozenset({Code.AMBIGUOUS_SCALAR, Code.ALIAS_UNKNOWN, Code.ALIAS_BUDGET})
_OF_A_VALUE = frozenset({Code.WRONG_TYPE, Code.UNKNOWN_VALUE, Code.BAD_VALUE})


@dataclass(frozen=True, kw_only=True)
class PlanReading:
    """What came of reading a plan."""

    diagnostics: tuple[Diagnostic, ...]
    """In the order of the file."""
    canonical: str | None = field(repr=False)
    """The substituted document as JSON; None where there are errors."""
    root: Node | None = field(repr=False)

    @cached_property
    def document(self) -> PlanDocument | None:
        """The plan; None where there are errors, or a number waits for an unset variable.

        Made when it is first asked for: who only wants to know what is wrong need not wait.
        """
        if self.canonical is None or self.root is None:
            return None
        from rollout_kit.document.decode import decode
        from rollout_kit.document.fields import UndecidedError

        places = self.root
        try:
            return decode(
                json.loads(self.canonical),
                canonical=self.canonical,
                locate=lambda path: locate(places, path),
            )
        except UndecidedError:
            return None

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        """What keeps the plan from being used."""
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
    written: str | None = None
    if root is not None:
        done = substitute(root, variables=variables, environment=environment, purpose=purpose)
        document = plain(done.root)
        scalars = {one.at for one in findings if one.code in _OF_A_SCALAR}
        findings += done.findings
        findings += [
            one
            for one in _judge(document, done.root)
            if one.code not in _OF_A_VALUE or one.at not in scalars
        ]
        if isinstance(document, dict) and not _has_errors(findings):
            written = canonical(document, done.variables)
    diagnostics = placed(findings, text=text, file=file, hide=_hides(root))
    return PlanReading(diagnostics=diagnostics, canonical=written, root=root)


def read_canonical(json_text: str) -> PlanDocument:
    """Read a document back from a journal. Raises `ValueError` where it is none."""
    from rollout_kit.document.decode import decode

    document = json.loads(json_text)
    schema = load_schema()
    if not isinstance(document, dict) or not conforms(document, schema, schema):
        raise ValueError("the journaled plan document does not keep to the schema of version 1")
    return decode(document, canonical=json_text, locate=lambda _: None)


def _judge(document: object, root: Node) -> list[Finding]:
    """Hold a substituted document to the schema and to itself."""
    findings: list[Finding] = []
    schema = load_schema()
    if not conforms(document, schema, schema):
        from rollout_kit.document.violations import violations

        findings += violations(document, root, schema)
    if isinstance(document, dict):
        findings += [_located(problem, root) for problem in check(document)]
    return findings


def _has_errors(findings: Iterable[Finding]) -> bool:
    return any(finding.severity is Severity.ERROR for finding in findings)


def _located(problem: Problem, root: Node) -> Finding:
    return Finding(
        code=problem.code,
        summary=problem.summary,
        detail=problem.detail,
        hint=problem.hint,
        at=locate(root, problem.path, key=problem.at_key),
        severity=problem.severity,
    )


def _hides(root: Node | None) -> Callable[[int, str], bool]:
    """Tell which lines must not be shown, because somebody wrote a secret out there."""
    if root is None:
        # Without a tree nobody knows which fields are secret: what looks like one stays unseen.
        return lambda _, line: _MAY_HOLD_A_SECRET.search(line) is not None
    hidden: set[int] = set()
    for path, leaf in walk(root):
        value = str(leaf.value)
        secret = is_secret(path) or _is_secret_default(path, root)
        if (secret and not _REFERENCE_ONLY.fullmatch(value)) or PASSWORD.search(value):
            hidden |= set(range(leaf.at.line, leaf.end_line + 1))
    return lambda number, _: number in hidden


def _is_secret_default(path: Path, root: Node) -> bool:
    if path[:1] != ("vars",) or path[2:] != ("default",) or not isinstance(root, MappingNode):
        return False
    section = cast("MappingNode", root.entries["vars"])
    entry = cast("MappingNode", section.entries[cast("str", path[1])])
    flagged = entry.entries.get("secret")
    return isinstance(flagged, ScalarNode) and flagged.value is True

"""`${var:}` and `${env:}` into their values; in secret fields the references stay.

The value of a secret field never gets here, and no finding of this module shows what came from the
environment: who reads a message must not learn what the author of the plan only referred to.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from rollout_kit.document.codes import Code
from rollout_kit.document.diagnostics import Finding, Severity, did_you_mean, known_names
from rollout_kit.document.nodes import MappingNode, Node, Path, ScalarNode, SequenceNode
from rollout_kit.document.position import Position
from rollout_kit.document.variables import Variable

_REFERENCE = re.compile(r"\$\$\{|\$\{([^{}]*)(\}?)")
PASSWORD = re.compile(r"://[^/\s]*@")
"""A URL that carries user or password."""
_NAMED = re.compile(r"(env|var):([A-Za-z_][A-Za-z0-9_-]*)")
_OF_STACK = re.compile(r"stack:[^\s{}]+")
_ONE_REFERENCE = re.compile(r"\$\{env:[A-Za-z_][A-Za-z0-9_]*\}")


class Purpose(enum.Enum):
    """What the plan is read for, which decides what an unset environment variable means."""

    VALIDATE = enum.auto()
    """Nothing is contacted: a warning."""
    PREVIEW = enum.auto()
    """A warning for the admin token, the driver and headers (judged at apply), else an error."""
    APPLY = enum.auto()
    """An error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Substituted:
    """A document after substitution."""

    root: Node
    variables: tuple[Variable, ...]
    findings: tuple[Finding, ...]


def is_secret(path: Path) -> bool:
    """Tell whether the field holds a secret: that belongs to the field, not to the value."""
    return path[:2] == ("target", "credentials") or (
        len(path) > 4 and path[0] in {"gates", "guards"} and path[2:4] == ("http", "headers")
    )


def substitute(
    root: Node,
    *,
    variables: Mapping[str, str],
    environment: Mapping[str, str] | None,
    purpose: Purpose,
) -> Substituted:
    """Replace the references in every value; `environment` None leaves it alone altogether."""
    declared = _declared(root)
    work = _Substitution(
        declared=declared, environment=environment, purpose=purpose, stack=_has_stack(root)
    )
    values = work.values(variables)
    replaced = work.node(root, (), values)
    work.report_unused()
    known = tuple(
        Variable(name=name, value=value, secret=declared[name].secret)
        for name, value in sorted(values.items())
        if value is not None
    )
    return Substituted(root=replaced, variables=known, findings=tuple(work.findings))


def _has_stack(root: Node) -> bool:
    infra = root.entries.get("infra") if isinstance(root, MappingNode) else None
    driver = infra.entries.get("driver") if isinstance(infra, MappingNode) else None
    return isinstance(driver, ScalarNode) and driver.value == "pulumi"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Declared:
    default: str | None
    secret: bool
    at: Position
    default_at: Position


def _declared(root: Node) -> dict[str, _Declared]:
    """Read `vars`, whatever its shape; the schema says later what is wrong with that."""
    section = root.entries.get("vars") if isinstance(root, MappingNode) else None
    if not isinstance(section, MappingNode):
        return {}
    found = {}
    for name, node in section.entries.items():
        entries = node.entries if isinstance(node, MappingNode) else {}
        default, secret = entries.get("default"), entries.get("secret")
        found[name] = _Declared(
            default=_text(default),
            secret=isinstance(secret, ScalarNode) and secret.value is True,
            at=section.keys_at[name],
            default_at=section.keys_at[name] if default is None else default.at,
        )
    return found


def _text(node: Node | None) -> str | None:
    if not isinstance(node, ScalarNode) or node.value is None:
        return None
    return str(node.value).lower() if isinstance(node.value, bool) else str(node.value)


@dataclass(kw_only=True)
class _Substitution:
    declared: Mapping[str, _Declared]
    environment: Mapping[str, str] | None
    purpose: Purpose
    stack: bool
    """Whether the plan's driver has a stack whose outputs a node's address may refer to."""
    findings: list[Finding] = field(default_factory=list)
    used: set[str] = field(default_factory=set)

    def values(self, given: Mapping[str, str]) -> dict[str, str | None]:
        """Give each variable its value, environment not yet filled in; None where it has none."""
        for name in sorted(given.keys() - self.declared.keys()):
            detail = f"`--var {name}=…` names no variable of this plan."
            detail += f" It has: {known_names(self.declared)}."
            hint = did_you_mean(name, self.declared)
            self._report(Code.UNKNOWN_VARIABLE, "Unknown variable", detail, hint=hint)
        values: dict[str, str | None] = {}
        for name, variable in self.declared.items():
            value = given.get(name, variable.default)
            if value is None:
                detail = f'"{name}" has no default, and no --var gives it a value.'
                self._report(
                    Code.VARIABLE_WITHOUT_VALUE,
                    "Variable without a value",
                    detail,
                    hint=f"Add --var {name}=… or a default.",
                    at=variable.at,
                )
            elif variable.secret and not _ONE_REFERENCE.fullmatch(value):
                detail = f'The value of the secret variable "{name}" is written out.'
                self._open_secret(detail, None if name in given else variable.default_at)
                value = None
            values[name] = value
        return values

    def node(self, node: Node, path: Path, values: Mapping[str, str | None]) -> Node:
        """Replace in all leaves below."""
        match node:
            case ScalarNode():
                return self._scalar(node, path, values)
            case SequenceNode():
                items = tuple(
                    self.node(item, (*path, index), values) for index, item in enumerate(node.items)
                )
                return replace(node, items=items)
            case MappingNode():
                entries = {
                    key: item
                    if path == () and (key == "vars" or key.startswith("x-"))
                    else self.node(item, (*path, key), values)
                    for key, item in node.entries.items()
                }
                return replace(node, entries=entries)

    def _scalar(self, node: ScalarNode, path: Path, values: Mapping[str, str | None]) -> ScalarNode:
        if not isinstance(node.value, str) or "${" not in node.value:
            return node

        def variable(found: re.Match[str]) -> str:
            return self._variable(found, path, node.at, values)

        def environment(found: re.Match[str]) -> str:
            return self._environment(found, path, node.at)

        shown = _REFERENCE.sub(variable, node.value)
        return replace(node, value=_REFERENCE.sub(environment, shown), shown=shown)

    def _variable(
        self, found: re.Match[str], path: Path, at: Position, values: Mapping[str, str | None]
    ) -> str:
        named = _NAMED.fullmatch(found[1] or "")
        if found[0] == "$${" or (named and named[1] == "env" and found[2]):
            return found[0]
        if found[0].startswith("${stack:"):
            self._stack_reference(found, path, at)
            return found[0]
        if named is None or not found[2]:
            self._bad_reference(found[0], at)
            return found[0]
        name = named[2]
        self.used.add(name)
        if name not in self.declared:
            detail = f'"{name}" is no variable of this plan. It has: {known_names(self.declared)}.'
            hint = (
                did_you_mean(name, self.declared) or f"Declare it: vars: {{{name}: {{default: …}}}}"
            )
            self._report(Code.UNKNOWN_VARIABLE, "Unknown variable", detail, hint=hint, at=at)
        elif self.declared[name].secret and not is_secret(path):
            detail = f'"{name}" is secret, and this field is shown and journaled.'
            self._open_secret(detail, at)
            return found[0]
        value = values.get(name)
        return found[0] if value is None else value

    def _environment(self, found: re.Match[str], path: Path, at: Position) -> str:
        if found[0] == "$${":
            return "${"
        named = _NAMED.fullmatch(found[1] or "")
        if named is None or named[1] != "env" or self.environment is None:
            return found[0]
        value = self.environment.get(named[2], "")
        if not value:
            self._unset(named[2], path, at)
        return found[0] if is_secret(path) or not value else value

    def _unset(self, name: str, path: Path, at: Position) -> None:
        later = is_secret(path) and path != ("target", "credentials", "operator")
        later = later or path[:1] == ("infra",)
        fatal = {Purpose.VALIDATE: False, Purpose.PREVIEW: not later, Purpose.APPLY: True}
        where = ".".join(str(part) for part in path)
        self._report(
            Code.UNSET_ENVIRONMENT,
            "Environment variable is not set",
            f"{name} is not set or empty, and {where} needs it.",
            hint=f"export {name}=…",
            at=at,
            severity=Severity.ERROR if fatal[self.purpose] else Severity.WARNING,
        )

    def _stack_reference(self, found: re.Match[str], path: Path, at: Position) -> None:
        """It stays: only who has connected can ask the stack (`wiring.addresses`)."""
        where = path[:2] == ("target", "nodes") and path[3:] == ("url",)
        if where and self.stack and found[2] and _OF_STACK.fullmatch(found[1]):
            return
        detail = f"{found[0][:80]} asks for an output of a stack"
        hint = "As in ${stack:nodes.api-1.url}."
        if not where:
            detail += "; only target.nodes[].url can."
            hint = "Use ${env:NAME} or ${var:name}."
        elif not self.stack:
            detail += "; this plan's driver has none."
            hint = "Use ${env:NAME} or ${var:name}, or infra: {driver: pulumi, …}."
        else:
            detail += ", but not by a path."
        self._report(Code.STACK_REFERENCE, "No output of a stack", detail, hint=hint, at=at)

    def _bad_reference(self, text: str, at: Position) -> None:
        self._report(
            Code.BAD_REFERENCE,
            "Reference that means nothing",
            f"{text[:80]} is neither ${{env:NAME}} nor ${{var:name}}.",
            hint="For a literal ${ write $${.",
            at=at,
        )

    def _open_secret(self, detail: str, at: Position | None) -> None:
        self._report(
            Code.SECRET_IN_THE_OPEN,
            "Secret in the open",
            f"{detail} Plans are reviewed, printed and journaled.",
            hint="Refer to the environment, as in ${env:NAME}; use it in credentials and headers.",
            at=at,
        )

    def report_unused(self) -> None:
        """Warn of variables that change nothing."""
        for name in self.declared.keys() - self.used:
            self._report(
                Code.VARIABLE_UNUSED,
                "Variable is not used",
                f'"{name}" appears nowhere as ${{var:{name}}}: giving it changes nothing.',
                at=self.declared[name].at,
                severity=Severity.WARNING,
            )

    def _report(
        self,
        code: Code,
        summary: str,
        detail: str,
        *,
        hint: str | None = None,
        at: Position | None = None,
        severity: Severity = Severity.ERROR,
    ) -> None:
        self.findings.append(
            Finding(code=code, summary=summary, detail=detail, hint=hint, at=at, severity=severity)
        )

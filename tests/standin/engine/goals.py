"""What a program asks for: one resource as it registered it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .snapshot import Resource


@dataclass
class Goal:
    type: str
    name: str
    custom: bool
    inputs: dict[str, Any]
    parent: str = ""
    provider: str = ""
    version: str = ""
    protect: bool = False
    dependencies: list[str] = field(default_factory=list)
    property_dependencies: dict[str, list[str]] = field(default_factory=dict)
    delete_first: bool = False
    ignore_changes: list[str] = field(default_factory=list)
    replace_on_changes: list[str] = field(default_factory=list)
    secret_outputs: list[str] = field(default_factory=list)
    aliases: list[str] = field(default_factory=list)
    import_id: str = ""
    retain_on_delete: bool = False
    deleted_with: str = ""
    custom_timeouts: dict[str, float] = field(default_factory=dict)
    reports_results: bool = False
    source_position: str = ""

    @property
    def package(self) -> str:
        kind, _, rest = self.type.partition(":")
        return (
            rest.partition(":")[2] if kind == "pulumi" and rest.startswith("providers:") else kind
        )

    @property
    def is_stack(self) -> bool:
        return self.type == "pulumi:pulumi:Stack"

    @property
    def is_provider(self) -> bool:
        return self.type.startswith("pulumi:providers:")


def urn_of(goal: Goal, stack: str, project: str) -> str:
    qualified = goal.type
    if goal.parent:
        above = goal.parent.split("::")[2]
        if above != "pulumi:pulumi:Stack":
            qualified = f"{above}${goal.type}"
    return f"urn:pulumi:{stack}::{project}::{qualified}::{goal.name}"


def resource_of(goal: Goal, urn: str, inputs: dict[str, Any], provider: str, time: str) -> Resource:
    """The new state of the goal, before anything was done for it."""
    resource: Resource = {
        "urn": urn,
        "custom": goal.custom,
        "type": goal.type,
        "inputs": inputs,
        "outputs": {},
        "parent": goal.parent,
        "protect": goal.protect,
        "dependencies": sorted(goal.dependencies),
        "provider": provider,
        "additionalSecretOutputs": goal.secret_outputs,
        "aliases": [alias for alias in goal.aliases if alias != urn],
        "customTimeouts": goal.custom_timeouts,
        "retainOnDelete": goal.retain_on_delete,
        "deletedWith": goal.deleted_with,
        "importID": goal.import_id,
        "ignoreChanges": goal.ignore_changes,
        "replaceOnChanges": goal.replace_on_changes,
        "created": time,
        "modified": time,
        "sourcePosition": goal.source_position,
    }
    if goal.custom and not goal.is_provider:
        resource["propertyDependencies"] = goal.property_dependencies
    return resource


def with_ignored(new: dict[str, Any], old: dict[str, Any], paths: list[str]) -> dict[str, Any]:
    """The new inputs with the old values where changes are to be ignored."""
    result = dict(new)
    for path in paths:
        _copy(
            result,
            old,
            [part for part in path.replace("[", ".").replace("]", "").split(".") if part],
        )
    return result


def _copy(new: Any, old: Any, path: list[str]) -> None:
    head, rest = path[0], path[1:]
    if isinstance(new, list):
        if (
            head.isdigit()
            and int(head) < len(new)
            and isinstance(old, list)
            and int(head) < len(old)
        ):
            at = int(head)
            if rest:
                _copy(new[at], old[at], rest)
            else:
                new[at] = old[at]
    elif isinstance(new, dict) and isinstance(old, dict):
        if not rest:
            if head in old:
                new[head] = old[head]
            else:
                new.pop(head, None)
        elif head in new and head in old:
            new[head] = list(new[head]) if isinstance(new[head], list) else dict(new[head])
            _copy(new[head], old[head], rest)


def touches(path: str, selectors: list[str]) -> bool:
    """Whether a changed path lies at, below or above a selected one."""
    return any(one in ("*", path) or path.startswith((f"{one}.", f"{one}[")) for one in selectors)

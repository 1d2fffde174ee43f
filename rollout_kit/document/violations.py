"""What the JSON Schema library objects to, said so that the author can put it right."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from rollout_kit.document.codes import Code
from rollout_kit.document.conforms import additional
from rollout_kit.document.diagnostics import Finding, did_you_mean, known_names
from rollout_kit.document.nodes import Node, Path, ScalarNode, find, locate
from rollout_kit.document.position import Position
from rollout_kit.document.substitute import PASSWORD, is_secret

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

_TYPE_NAMES = {
    "string": "text",
    "object": "a mapping",
    "array": "a list",
    "boolean": "true or false",
    "number": "a number",
    "integer": "a whole number",
}
_SHOWN_AT_MOST = 80


def violations(document: object, root: Node, schema: Mapping[str, object]) -> list[Finding]:
    """Find everything in `document`, the plain form of `root`, that the schema does not allow."""
    from jsonschema import Draft202012Validator

    validator = Draft202012Validator(schema)
    found: dict[tuple[Position | None, Code, str], Finding] = {}
    for error in validator.iter_errors(document):
        for finding in _explain(error, root):
            detail = finding.detail[:1].upper() + finding.detail[1:]
            found.setdefault((finding.at, finding.code, detail), replace(finding, detail=detail))
    return list(found.values())


def _explain(error: ValidationError, root: Node) -> Iterator[Finding]:
    path: Path = tuple(error.absolute_path)
    at = locate(root, path)
    if "propertyNames" in error.absolute_schema_path:
        name = str(error.instance)
        at = locate(root, (*path, name), key=True)
        yield _bad_value(f'"{_cut(name)}" is not {_form(error)}.', error, at)
        return
    match error.validator:
        case "additionalProperties":
            yield from _unknown_keys(error, path, root)
        case "required":
            yield from _missing_keys(error, path, at)
        case "type":
            yield _wrong_type(error, path, root)
        case "enum" | "const":
            yield _unknown_value(error, path, root)
        case "oneOf":
            # Of what is no mapping at all, its type is told.
            if isinstance(error.instance, dict):
                yield _not_exactly_one(error, path, at)
        case _ if is_secret(path):
            yield _secret_in_the_open(path, at)
        case "pattern":
            shown = _shown(root, path, error.instance)
            yield _bad_value(f"{shown} is not {_form(error)}.", error, at)
        case _:
            yield _bad_value(_limit(error, path), error, at)


def _unknown_keys(error: ValidationError, path: Path, root: Node) -> Iterator[Finding]:
    schema = cast("Mapping[str, object]", error.schema)
    known = list(cast("Mapping[str, object]", schema.get("properties", {})))
    for name in additional(cast("Mapping[str, object]", error.instance), schema):
        at = locate(root, (*path, name), key=True)
        if path[:1] == ("guards",) and name in {"for", "within"}:
            yield Finding(
                code=Code.GUARD_FIGURE,
                summary="Guard with a figure of gates",
                detail=f"A guard is watched all the time and has no `{name}`.",
                hint="Set `interval` and `failure_limit`, or make it a gate.",
                at=at,
            )
            continue
        yield Finding(
            code=Code.UNKNOWN_KEY,
            summary="Unknown key",
            detail=f'"{_cut(name)}" is no key of {_name(path)}. It has: {known_names(known, at_most=30)}.',
            hint=did_you_mean(name, known),
            at=at,
        )


def _missing_keys(error: ValidationError, path: Path, at: Position) -> Iterator[Finding]:
    schema = cast("Mapping[str, Mapping[str, Mapping[str, object]]]", error.schema)
    for name in cast("list[str]", error.validator_value):
        if name in cast("Mapping[str, object]", error.instance):
            continue
        described = schema.get("properties", {}).get(name, {}).get("description")
        yield Finding(
            code=Code.MISSING_KEY,
            summary="Missing key",
            detail=f"{_name(path)} needs `{name}`." + (f" {described}" if described else ""),
            at=at,
        )


def _wrong_type(error: ValidationError, path: Path, root: Node) -> Finding:
    wanted = error.validator_value
    names = [wanted] if isinstance(wanted, str) else cast("list[str]", wanted)
    form = " or ".join(_TYPE_NAMES[name] for name in names)
    schema = cast("Mapping[str, object]", error.schema)
    if "title" in schema:
        form = str(schema["title"])
    hint = None
    if error.instance is None:
        detail = f"{_name(path)} has no value; it has to be {form}."
    elif is_secret(path):
        return _secret_in_the_open(path, locate(root, path))
    else:
        is_ = _kind(error.instance)
        shown = _shown(root, path, error.instance)
        detail = f"{_name(path)} has to be {form}, but {shown} is {is_}."
        if "string" in names and not isinstance(error.instance, dict | list):
            hint = _example(schema) or f'Quote this: "{json.dumps(error.instance)}".'
    return Finding(
        code=Code.WRONG_TYPE,
        summary="Wrong kind of value",
        detail=detail,
        hint=hint or _example(schema),
        at=locate(root, path),
    )


def _unknown_value(error: ValidationError, path: Path, root: Node) -> Finding:
    wanted = error.validator_value
    allowed = [wanted] if error.validator == "const" else cast("list[object]", wanted)
    names = [one if isinstance(one, str) else json.dumps(one) for one in allowed]
    shown = _shown(root, path, error.instance)
    hint = did_you_mean(error.instance, names) if isinstance(error.instance, str) else None
    return Finding(
        code=Code.UNKNOWN_VALUE,
        summary="Unknown value",
        detail=f"{_name(path)} is {shown}. It can be: {known_names(names)}.",
        hint=hint,
        at=locate(root, path),
    )


def _not_exactly_one(error: ValidationError, path: Path, at: Position) -> Finding:
    branches = cast("list[Mapping[str, list[str]]]", error.validator_value)
    names = [name for branch in branches for name in branch["required"]]
    given = [name for name in names if name in cast("Mapping[str, object]", error.instance)]
    has = "none" if not given else " and ".join(f"`{name}`" for name in given)
    return Finding(
        code=Code.BAD_VALUE,
        summary="Bad value",
        detail=f"{_name(path)} needs exactly one of {', '.join(names)}, and has {has}.",
        at=at,
    )


def _secret_in_the_open(path: Path, at: Position) -> Finding:
    return Finding(
        code=Code.SECRET_IN_THE_OPEN,
        summary="Secret in the open",
        detail=f"{_name(path)} is not a reference. Plans are reviewed, printed and journaled.",
        hint="Refer to the environment, as in ${env:NAME}.",
        at=at,
    )


def _bad_value(detail: str, error: ValidationError, at: Position) -> Finding:
    schema = cast("Mapping[str, object]", error.schema)
    return Finding(
        code=Code.BAD_VALUE, summary="Bad value", detail=detail, hint=_example(schema), at=at
    )


def _limit(error: ValidationError, path: Path) -> str:
    """Say which limit a value is beyond, with both numbers."""
    limit, given = error.validator_value, error.instance
    count = len(given) if isinstance(given, list | dict | str) else given
    match error.validator:
        case "minimum" | "maximum":
            return f"{_name(path)} is {count}; it has to be {_form(error)}."
        case "minLength":
            return f"{_name(path)} is empty."
        case "maxLength":
            return f"{_name(path)} has {count} characters; at most {limit} are allowed."
        case "minItems" | "minProperties":
            return f"{_name(path)} has {count} entries; it needs at least {limit}."
        case "maxItems":
            return f"{_name(path)} has {count} entries; at most {limit} are allowed."
        case "maxProperties":
            return f"{_name(path)} is switched off and has figures too; it can be only one."
        case "uniqueItems":
            return f"{_name(path)} names something twice."
    return f"{_name(path)} does not keep to `{error.validator}`: {json.dumps(limit)[:200]}."


def _form(error: ValidationError) -> str:
    schema = cast("Mapping[str, object]", error.schema)
    return str(schema.get("title", "in the form that is due"))


def _example(schema: Mapping[str, object]) -> str | None:
    examples = cast("list[object]", schema.get("examples", []))
    shown = [one if isinstance(one, str) else json.dumps(one) for one in examples]
    return f"Write it as in {', '.join(shown)}." if shown else None


def _kind(value: object) -> str:
    match value:
        case bool():
            return "a truth value"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case list():
            return "a list"
        case _:
            return "a mapping"


def _shown(root: Node, path: Path, instance: object) -> str:
    """Show a value as its author wrote it: what came from the environment stays a reference."""
    if isinstance(instance, dict | list):
        return "this"
    node = find(root, path)
    if isinstance(node, ScalarNode) and node.shown is not None:
        instance = node.shown
    if isinstance(instance, str):
        # A URL with a password in it is refused, but not repeated.
        return "this" if PASSWORD.search(instance) else f'"{_cut(instance)}"'
    return json.dumps(instance)


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN_AT_MOST else f"{text[:_SHOWN_AT_MOST]}…"


def _name(path: Path) -> str:
    """Name a place in the document as in `steps[2].with`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return f"`{text.lstrip('.')}`" if text else "the document"

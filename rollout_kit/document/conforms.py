"""Whether a document keeps to the schema: yes or no, and quickly.

Importing the JSON Schema library takes ten times as long as starting Python, and a plan that is
right needs none of what it has to say. Only the keywords that the plan's schema uses are known
here; a test holds this answer to the library's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import TypeAlias, cast

Schema: TypeAlias = Mapping[str, object] | bool
_compiled = lru_cache(maxsize=256)(re.compile)

_TYPES: Mapping[str, Callable[[object], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
}
# Keywords that say nothing about a value by themselves.
_ANNOTATIONS = frozenset(
    {"$schema", "$id", "$defs", "title", "description", "default", "examples", "then", "else"}
)


def conforms(value: object, schema: Schema, root: Mapping[str, object]) -> bool:
    """Judge `value` (of JSON types) by `schema`, whose `$ref`s point into `root`."""
    if isinstance(schema, bool):
        return schema
    return all(_holds(key, value, schema, root) for key in schema if key not in _ANNOTATIONS)


def _holds(
    key: str, value: object, schema: Mapping[str, object], root: Mapping[str, object]
) -> bool:
    """Judge by one keyword; keywords of other types than the value's hold."""
    argument = schema[key]
    matches = partial(conforms, value, root=root)
    match key, value:
        case "$ref", _:
            return matches(resolve(cast("str", argument), root))
        case "type", _:
            names = [argument] if isinstance(argument, str) else cast("list[str]", argument)
            return any(_TYPES[name](value) for name in names)
        case "const", _:
            return _same(value, argument)
        case "enum", _:
            return any(_same(value, one) for one in cast("list[object]", argument))
        case "not", _:
            return not matches(cast("Schema", argument))
        case "allOf", _:
            return all(matches(one) for one in cast("list[Schema]", argument))
        case "oneOf", _:
            return sum(matches(one) for one in cast("list[Schema]", argument)) == 1
        case "if", _:
            branch = "then" if matches(cast("Schema", argument)) else "else"
            return matches(cast("Schema", schema.get(branch, True)))
        case _, dict():
            return _object_holds(key, value, schema, root)
        case _, list():
            return _array_holds(key, value, argument, root)
        case _, str():
            return _string_holds(key, value, argument)
        case _, int() | float() if not isinstance(value, bool):
            return _number_holds(key, value, argument)
    return True


def resolve(reference: str, root: Mapping[str, object]) -> Schema:
    """Follow a reference inside the schema."""
    schema: object = root
    for part in reference.removeprefix("#/").split("/"):
        schema = cast("Mapping[str, object]", schema)[part]
    return cast("Schema", schema)


def _same(value: object, other: object) -> bool:
    # True == 1 in Python, not in JSON.
    return value == other and isinstance(value, bool) == isinstance(other, bool)


def _object_holds(
    key: str, value: dict[str, object], schema: Mapping[str, object], root: Mapping[str, object]
) -> bool:
    argument = schema[key]
    match key:
        case "required":
            return all(name in value for name in cast("list[str]", argument))
        case "maxProperties":
            return len(value) <= cast("int", argument)
        case "minProperties":
            return len(value) >= cast("int", argument)
        case "propertyNames":
            return all(conforms(name, cast("Schema", argument), root) for name in value)
        case "properties":
            known = cast("Mapping[str, Schema]", argument)
            return all(conforms(value[name], known[name], root) for name in known if name in value)
        case "patternProperties":
            patterns = cast("Mapping[str, Schema]", argument)
            return all(
                conforms(value[name], one, root)
                for pattern, one in patterns.items()
                for name in value
                if _compiled(pattern).search(name)
            )
        case "additionalProperties":
            others = additional(value, schema)
            return all(conforms(value[name], cast("Schema", argument), root) for name in others)
    return _elsewhere(key)


def additional(value: Mapping[str, object], schema: Mapping[str, object]) -> list[str]:
    """Name the keys that the schema does not name."""
    known = cast("Mapping[str, Schema]", schema.get("properties", {}))
    patterns = cast("Mapping[str, Schema]", schema.get("patternProperties", {}))
    return [
        name
        for name in value
        if name not in known and not any(_compiled(one).search(name) for one in patterns)
    ]


def _array_holds(
    key: str, value: list[object], argument: object, root: Mapping[str, object]
) -> bool:
    match key:
        case "items":
            return all(conforms(item, cast("Schema", argument), root) for item in value)
        case "minItems":
            return len(value) >= cast("int", argument)
        case "maxItems":
            return len(value) <= cast("int", argument)
        case "uniqueItems":
            earlier = ((item, value[:index]) for index, item in enumerate(value))
            return not any(_same(item, one) for item, before in earlier for one in before)
    return _elsewhere(key)


def _string_holds(key: str, value: str, argument: object) -> bool:
    match key:
        case "pattern":
            return _compiled(cast("str", argument)).search(value) is not None
        case "minLength":
            return len(value) >= cast("int", argument)
        case "maxLength":
            return len(value) <= cast("int", argument)
    return _elsewhere(key)


def _number_holds(key: str, value: float, argument: object) -> bool:
    match key:
        case "minimum":
            return value >= cast("float", argument)
        case "maximum":
            return value <= cast("float", argument)
    return _elsewhere(key)


_KEYWORDS = frozenset(
    {"required", "minProperties", "maxProperties", "propertyNames", "properties"}
    | {"patternProperties", "additionalProperties", "items", "minItems", "maxItems"}
    | {"uniqueItems", "pattern", "minLength", "maxLength", "minimum", "maximum"}
)


def _elsewhere(key: str) -> bool:
    """Hold where the keyword is for values of another type."""
    if key not in _KEYWORDS:
        raise AssertionError(f"the plan's schema uses `{key}`, which is not judged here")
    return True

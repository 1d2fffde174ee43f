"""Whether a document keeps to the schema: yes or no, and quickly.

Importing the JSON Schema library takes ten times as long as starting Python, and a plan that is
right needs none of what it has to say. Only the keywords that the plan's schema uses are known
here; a test holds this answer to the library's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TypeAlias, cast

Keywords: TypeAlias = Mapping[str, object]
Schema: TypeAlias = Keywords | bool
_compiled = lru_cache(maxsize=256)(re.compile)

_TYPES: Mapping[str, Callable[[object], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
}


def conforms(value: object, schema: Schema, root: Keywords) -> bool:
    """Judge `value` (of JSON types) by `schema`, whose `$ref`s point into `root`."""
    if isinstance(schema, bool):
        return schema
    return all(key in _ANNOTATIONS or _KEYWORDS[key](value, schema, root) for key in schema)


def additional(value: Mapping[str, object], schema: Keywords) -> list[str]:
    """Name the keys that the schema does not name."""
    known = cast("Mapping[str, Schema]", schema.get("properties", {}))
    patterns = cast("Mapping[str, Schema]", schema.get("patternProperties", {}))
    return [
        name
        for name in value
        if name not in known and not any(_compiled(one).search(name) for one in patterns)
    ]


def resolve(reference: str, root: Keywords) -> Schema:
    """Follow a reference inside the schema."""
    schema: object = root
    for part in reference.removeprefix("#/").split("/"):
        schema = cast("Keywords", schema)[part]
    return cast("Schema", schema)


def _ref(value: object, schema: Keywords, root: Keywords) -> bool:
    return conforms(value, resolve(cast("str", schema["$ref"]), root), root)


def _type(value: object, schema: Keywords, _: Keywords) -> bool:
    wanted = schema["type"]
    names = (wanted,) if isinstance(wanted, str) else cast("list[str]", wanted)
    return any(_TYPES[name](value) for name in names)


def _const(value: object, schema: Keywords, _: Keywords) -> bool:
    return _same(value, schema["const"])


def _enum(value: object, schema: Keywords, _: Keywords) -> bool:
    return any(_same(value, one) for one in cast("list[object]", schema["enum"]))


def _same(value: object, other: object) -> bool:
    # True == 1 in Python, not in JSON.
    return value == other and isinstance(value, bool) == isinstance(other, bool)


def _all_of(value: object, schema: Keywords, root: Keywords) -> bool:
    return all(conforms(value, one, root) for one in cast("list[Schema]", schema["allOf"]))


def _one_of(value: object, schema: Keywords, root: Keywords) -> bool:
    return sum(conforms(value, one, root) for one in cast("list[Schema]", schema["oneOf"])) == 1


def _if(value: object, schema: Keywords, root: Keywords) -> bool:
    branch = "then" if conforms(value, cast("Schema", schema["if"]), root) else "else"
    return conforms(value, cast("Schema", schema.get(branch, True)), root)


def _required(value: object, schema: Keywords, _: Keywords) -> bool:
    names = cast("list[str]", schema["required"])
    return not isinstance(value, dict) or all(name in value for name in names)


def _properties(value: object, schema: Keywords, root: Keywords) -> bool:
    if not isinstance(value, dict):
        return True
    known = cast("Mapping[str, Schema]", schema["properties"])
    return all(conforms(value[name], known[name], root) for name in value if name in known)


def _pattern_properties(value: object, schema: Keywords, root: Keywords) -> bool:
    patterns = cast("Mapping[str, Schema]", schema["patternProperties"])
    return not isinstance(value, dict) or all(
        conforms(value[name], one, root)
        for pattern, one in patterns.items()
        for name in value
        if _compiled(pattern).search(name)
    )


def _additional_properties(value: object, schema: Keywords, root: Keywords) -> bool:
    others = cast("Schema", schema["additionalProperties"])
    return not isinstance(value, dict) or all(
        conforms(value[name], others, root) for name in additional(value, schema)
    )


def _property_names(value: object, schema: Keywords, root: Keywords) -> bool:
    names = cast("Schema", schema["propertyNames"])
    return not isinstance(value, dict) or all(conforms(name, names, root) for name in value)


def _items(value: object, schema: Keywords, root: Keywords) -> bool:
    one = cast("Schema", schema["items"])
    return not isinstance(value, list) or all(conforms(item, one, root) for item in value)


def _unique_items(value: object, schema: Keywords, _: Keywords) -> bool:
    if not isinstance(value, list) or schema["uniqueItems"] is False:
        return True
    return not any(_same(one, other) for at, one in enumerate(value) for other in value[:at])


def _pattern(value: object, schema: Keywords, _: Keywords) -> bool:
    pattern = _compiled(cast("str", schema["pattern"]))
    return not isinstance(value, str) or pattern.search(value) is not None


def _length(kind: type, keyword: str, sign: int) -> Callable[[object, Keywords, Keywords], bool]:
    def holds(value: object, schema: Keywords, _: Keywords) -> bool:
        limit = cast("int", schema[keyword])
        return not isinstance(value, kind) or (len(cast("str", value)) - limit) * sign >= 0

    return holds


def _bound(keyword: str, sign: int) -> Callable[[object, Keywords, Keywords], bool]:
    def holds(value: object, schema: Keywords, _: Keywords) -> bool:
        limit = cast("float", schema[keyword])
        return not _TYPES["number"](value) or (cast("float", value) - limit) * sign >= 0

    return holds


# Keywords that say nothing about a value by themselves.
_ANNOTATIONS = frozenset(
    {"$schema", "$id", "$defs", "title", "description", "default", "examples", "then", "else"}
)
_KEYWORDS: Mapping[str, Callable[[object, Keywords, Keywords], bool]] = {
    "$ref": _ref,
    "type": _type,
    "const": _const,
    "enum": _enum,
    "allOf": _all_of,
    "oneOf": _one_of,
    "if": _if,
    "required": _required,
    "properties": _properties,
    "patternProperties": _pattern_properties,
    "additionalProperties": _additional_properties,
    "propertyNames": _property_names,
    "minProperties": _length(dict, "minProperties", 1),
    "maxProperties": _length(dict, "maxProperties", -1),
    "items": _items,
    "uniqueItems": _unique_items,
    "minItems": _length(list, "minItems", 1),
    "maxItems": _length(list, "maxItems", -1),
    "pattern": _pattern,
    "minLength": _length(str, "minLength", 1),
    "maxLength": _length(str, "maxLength", -1),
    "minimum": _bound("minimum", 1),
    "maximum": _bound("maximum", -1),
}

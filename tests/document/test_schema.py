"""The schema: valid, assembled, described, and judged the same by both who judge by it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from rollout_kit.document.assembly import assemble, load_schema, schema_text
from rollout_kit.document.conforms import conforms
from rollout_kit.document.nodes import plain
from rollout_kit.document.steps import StepKind
from rollout_kit.document.tree import parse
from tests.document.plans import PLAN

SCHEMA = load_schema()
LIBRARY = Draft202012Validator(SCHEMA)


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def test_the_committed_schema_is_the_assembly_of_its_parts() -> None:
    hint = "a part has changed: python -m rollout_kit.document.assembly"
    assert schema_text() == assemble(), hint


def test_every_step_kind_has_its_part_and_nothing_else_has() -> None:
    defs: Any = SCHEMA["$defs"]
    kinds = {kind.value for kind in StepKind}
    assert set(defs["steps"]) == kinds
    assert set(defs["step"]["properties"]["uses"]["enum"]) == kinds
    asked = [one["if"]["properties"]["uses"]["const"] for one in defs["step"]["allOf"]]
    assert sorted(asked) == sorted(kinds)


def properties(schema: object, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(schema, dict):
        for name, one in schema.get("properties", {}).items():
            if isinstance(one, dict):
                yield f"{path}/{name}", one
        for key, inner in schema.items():
            if key not in {"if", "then", "else"}:
                yield from properties(inner, f"{path}/{key}")


def test_every_key_is_described_for_editors() -> None:
    def described(one: dict[str, Any]) -> bool:
        target: Any = one
        if "description" not in one and "$ref" in one:
            target = SCHEMA
            for part in one["$ref"].removeprefix("#/").split("/"):
                target = target[part]
        return "description" in target or "title" in target

    silent = [path for path, one in properties(SCHEMA) if not described(one)]
    assert silent == []


def test_the_good_plan_conforms() -> None:
    root, _ = parse(PLAN)
    assert root is not None
    document = plain(root)
    assert list(LIBRARY.iter_errors(document)) == []
    assert conforms(document, SCHEMA, SCHEMA)


GOOD: Any = plain(parse(PLAN)[0])  # type: ignore[arg-type]
WORDS = "x 10m 0s 5% 101% -1 7 all metric ${env:X} ${var:y} durable-workflow http://x http://u:p@x"
KEYS = (
    "id uses with gates for within metric cohort readiness http at_most off to from image x-a share smoke"
    " bake replicas served task_queue build secret default forward_only increase_at_most"
)
VALUES: list[object] = [None, True, False, 0, 1, -1, 2.5, 10**6, "", "a b", [], {}, ["x", "x"]]
OBJECTS = [{"unversioned": True}, {"unversioned": False}, {"node": "a"}, {"smoke": {}}]
leaves = st.sampled_from([*VALUES, *OBJECTS, *WORDS.split()])
keys = st.sampled_from(KEYS.split())


def places(value: object, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path]
    inner = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, one in inner:
        found += places(one, (*path, key))
    return found


PLACES = places(GOOD)


@given(
    st.lists(
        st.tuples(st.sampled_from(PLACES), keys, leaves, st.integers(0, 2)), min_size=1, max_size=4
    )
)
def test_the_quick_answer_is_the_librarys(
    edits: list[tuple[tuple[Any, ...], str, Any, int]],
) -> None:
    document = json.loads(json.dumps(GOOD))
    for path, key, leaf, act in edits:
        at: Any = document
        try:
            for part in path[:-1]:
                at = at[part]
            if act == 0 and path:
                at[path[-1]] = leaf
            elif act == 1 and path:
                del at[path[-1]]
            else:
                (at[path[-1]] if path else at)[key] = leaf
        except (KeyError, IndexError, TypeError):
            continue
    errors = [error.message for error in LIBRARY.iter_errors(document)]
    assert conforms(document, SCHEMA, SCHEMA) == (not errors), errors


KEYWORDS: list[dict[str, Any]] = [
    {"type": "integer"},
    {"type": ["number", "string"]},
    {"type": "boolean"},
    {"const": 1},
    {"const": True},
    {"enum": [0, "a"]},
    {"oneOf": [{"required": ["a"]}, {"required": ["b"]}]},
    {"allOf": [{"minimum": 1}, {"maximum": 1}]},
    {"if": {"required": ["a"]}, "then": {"required": ["b"]}, "else": {"maxProperties": 0}},
    {"properties": {"a": {"type": "integer"}}, "additionalProperties": False},
    {"patternProperties": {"^a": False}, "additionalProperties": {"type": "integer"}},
    {"propertyNames": {"pattern": "^a$"}},
    {"minProperties": 1, "maxProperties": 1},
    {"items": {"type": "integer"}, "minItems": 1, "maxItems": 1},
    {"uniqueItems": True},
    {"pattern": "^a+$"},
    {"minLength": 2, "maxLength": 2},
    {"minimum": 1, "maximum": 1},
    {"$ref": "#/$defs/one", "$defs": {"one": {"const": "a"}}},
]
SAMPLES: list[Any] = [
    None,
    True,
    False,
    0,
    1,
    1.5,
    2,
    "",
    "a",
    "aa",
    "b",
    [],
    [1],
    [1, True],
    [1, 1],
]
SAMPLES += [{}, {"a": 1}, {"b": "x"}, {"a": 1, "b": 2}, {"a": "x"}]


@pytest.mark.parametrize("schema", KEYWORDS, ids="-".join)
def test_each_keyword_is_judged_as_the_library_judges_it(schema: dict[str, Any]) -> None:
    library = Draft202012Validator(schema)
    judged = [(sample, conforms(sample, schema, schema)) for sample in SAMPLES]
    assert judged == [(sample, library.is_valid(sample)) for sample in SAMPLES]
    assert {answer for _, answer in judged} == {True, False}


def test_a_keyword_that_is_not_judged_is_an_error_not_a_pass() -> None:
    with pytest.raises(KeyError, match="contains"):
        conforms([1], {"contains": {}}, {})

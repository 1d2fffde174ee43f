"""Values to JSON and back by their type hints; what does not fit is named with its place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

import pytest

from rollout_kit.model.codec import CodecError, from_json, to_json


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    count: int
    colour: Colour = Colour.RED


@dataclass(frozen=True, slots=True, kw_only=True)
class Twig:
    value: float | int | str | Colour | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """Contains itself, as an undo contains operations."""

    children: tuple[Tree | Leaf | Twig, ...] = ()
    named: Mapping[str, Leaf] = field(default_factory=dict)
    at: datetime | None = None
    pair: tuple[int, str] = (0, "")
    marks: frozenset[str] = frozenset()


TREE = Tree(
    children=(Leaf(count=1), Tree(children=(Twig(value="x"),)), Twig()),
    named={"a": Leaf(count=2)},
    at=datetime(2026, 5, 4, tzinfo=UTC),
    pair=(7, "seven"),
    marks=frozenset({"b", "a"}),
)


def test_a_type_that_contains_itself_comes_back_as_it_was() -> None:
    assert from_json(Tree, to_json(TREE)) == TREE


@pytest.mark.parametrize(
    ("value", "kind"), [(1, int), (1.0, float), ("red", Colour), ("blue", str), (None, type(None))]
)
def test_of_several_types_an_enum_comes_first_then_the_very_type(value: object, kind: type) -> None:
    assert type(from_json(Twig, {"is": "Twig", "value": value}).value) is kind


def leaf(**changed: object) -> dict[str, object]:
    return {"is": "Leaf", "count": 1, **changed}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            {"children": [leaf(), leaf(count="1")]},
            r"^\$.children\[1\].count: expected int, found '1'$",
        ),
        ({"children": [leaf(count=True)]}, r"^\$.children\[0\].count: expected int, found True$"),
        ({"children": [{"is": "Leaf"}]}, r"^\$.children\[0\]: Leaf lacks 'count'$"),
        ({"children": [leaf(colour="blue")]}, r"^\$.children\[0\].colour: 'blue' is not a Colour$"),
        ({"children": [{"is": "Bush"}]}, r"^\$.children\[0\]: 'Bush' is not known here$"),
        ({"children": [{"is": []}]}, r"^\$.children\[0\]: \[\] is not known here$"),
        ({"children": {}}, r"^\$.children: expected a list, found {}$"),
        ({"named": {"a": leaf(), "b": 3}}, r"^\$.named.b: expected an object, found 3$"),
        ({"pair": [1]}, r"^\$.pair: expected 2 items, found \[1\]$"),
        ({"at": 5}, r"^\$.at: 5 fits none of the types that may stand here$"),
        ([], r"^\$: expected an object, found \[\]$"),
    ],
)
def test_what_does_not_fit_is_named_with_its_place(data: object, message: str) -> None:
    with pytest.raises(CodecError, match=message):
        from_json(Tree, data)


def test_what_has_no_json_form_is_refused() -> None:
    with pytest.raises(CodecError, match="object has no JSON form"):
        to_json({"a": object()})

"""docs/guarantees.md names files, functions and tests: each of them exists, and no safety rule is missing."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.safety.test_rules import RULES

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "guarantees.md"
TEXT = PAGE.read_text(encoding="utf-8")
PLACES = sorted(set(re.findall(r"`([\w/]+\.py):([\w.]+)`", TEXT)))
TESTS = sorted(set(re.findall(r"`([\w/]+\.py)::([\w.]+)`", TEXT)))
ROWS = [line for line in TEXT.splitlines() if line.startswith("|")]
PROMISES = [line for line in ROWS if not line.startswith(("| we promise", "|---"))]


@cache
def defined(path: Path) -> frozenset[str]:
    """Functions, classes and `Class.method`s of a module."""
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            methods = [one.name for one in node.body if isinstance(one, ast.FunctionDef)]
            found |= {f"{node.name}.{name}" for name in methods}
    return frozenset(found)


def missing(folder: str, names: list[tuple[str, str]]) -> list[str]:
    """Those that are not there."""
    return [
        f"{file}: {name}"
        for file, name in names
        if not (ROOT / folder / file).is_file() or name not in defined(ROOT / folder / file)
    ]


def test_every_place_that_keeps_a_promise_exists() -> None:
    assert missing("rollout_kit", PLACES) == []
    assert len(PLACES) > 60


def test_every_test_that_breaks_a_promise_exists() -> None:
    assert missing("tests", TESTS) == []
    assert len(TESTS) > 80


def test_what_is_not_there_would_be_noticed() -> None:
    there, gone = ("journal/lock.py", "HeldLock.check"), ("journal/lock.py", "HeldLock.guess")

    assert missing("rollout_kit", [there, gone, ("journal/gone.py", "f")]) == [
        "journal/lock.py: HeldLock.guess",
        "journal/gone.py: f",
    ]


@pytest.mark.parametrize("row", PROMISES, ids=lambda row: row[2:40])
def test_every_promise_has_a_place_and_a_test(row: str) -> None:
    _, promise, kept_by, broken_by, _ = (cell.strip() for cell in row.split("|"))

    assert promise
    assert re.fullmatch(r"`[\w/]+\.py:[\w.]+`(, `[\w/]+\.py:[\w.]+`)*", kept_by), kept_by
    assert re.fullmatch(r"`[\w/]+\.py::\w[\w.]*`(, `[\w/]+\.py::\w[\w.]*`)*", broken_by), broken_by


@pytest.mark.parametrize("rule", RULES)
def test_every_safety_rule_stands_there_with_its_places_and_its_tests(rule: int) -> None:
    [row] = [line for line in PROMISES if line.startswith(f"| {rule}. ")]
    places, tests = RULES[rule]
    for place in places:
        module, _, name = place.partition(":")
        file = module.replace(".", "/").removeprefix("rollout_kit/")
        assert f"`{file}.py:{name}`" in row, place
    for test in tests:
        assert f"::{test}" in row, test


def test_the_page_stays_one_page() -> None:
    assert len(TEXT.splitlines()) < 120
    assert len(PROMISES) >= 40


def test_the_readme_leads_there() -> None:
    assert "(docs/guarantees.md)" in (ROOT / "README.md").read_text(encoding="utf-8")

"""Style that matters is a test: sizes, names, clocks, output, and a test for every kind and plan."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "rollout_kit"
MODULES = sorted(PACKAGE.rglob("*.py"))
BANNED_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "misc", "base"}
FUNCTION_LINES = 60
MODULE_LINES = 300
PRINTERS = ("reporters", "cli")
CLOCKS = {("datetime", "now"), ("datetime", "utcnow"), ("time", "time"), ("time", "monotonic")}
CLOCK_OWNERS = (
    "wiring/clock.py",
    "emulator/serve.py",
    "drivers/",
    "sandbox/",
    "transport/",
    "emulator/",
)
LEFTOVERS = re.compile(r"\b(FIXME|XXX|TODO|breakpoint\(\))")


def _trees() -> Iterator[tuple[Path, ast.Module]]:
    for path in MODULES:
        yield path.relative_to(PACKAGE), ast.parse(path.read_text())


def test_no_module_is_named_for_nothing() -> None:
    found = [
        str(path)
        for path in MODULES
        if path.stem in BANNED_NAMES or path.parent.name in BANNED_NAMES
    ]
    assert found == [], "name the concept instead"


def test_modules_fit_one_concept() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {lines} lines"
        for path in MODULES
        if (lines := path.read_text().count("\n")) > MODULE_LINES
    ]
    assert found == [], f"over {MODULE_LINES} lines: split by concept"


def test_functions_fit_one_screen() -> None:
    found = [
        f"{path}:{node.lineno} {node.name}: {length} lines"
        for path, tree in _trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or 0) - node.lineno + 1) > FUNCTION_LINES
    ]
    assert found == [], f"over {FUNCTION_LINES} lines: one parent owns the branches, leaves compute"


def test_only_reporters_and_commands_print() -> None:
    found = [
        f"{path}:{node.lineno}"
        for path, tree in _trees()
        if path.parts[0] not in PRINTERS and "__main__" not in ast.unparse(tree)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
    ]
    assert found == [], "return a value or publish an event; output is a subscriber"


def test_time_comes_in_as_an_argument() -> None:
    found = [
        f"{path}:{node.lineno} {node.value.id}.{node.attr}"
        for path, tree in _trees()
        if not str(path).startswith(CLOCK_OWNERS)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and (node.value.id, node.attr) in CLOCKS
    ]
    assert found == [], "take a Clock, or the moment itself"


def test_nothing_is_left_over() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in MODULES
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if LEFTOVERS.search(line)
    ]
    assert found == [], "finish it or file an issue"


def test_contracts_are_documented() -> None:
    folders = {"model", "ports"}
    found = [
        f"{path}:{node.lineno} {node.name}"
        for path, tree in _trees()
        if path.parts[0] in folders or str(path) == "operations/api.py"
        for node in tree.body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_") and not _says(node)
    ]
    assert found == [], "the contracts are the documentation"


def _says(node: ast.ClassDef) -> bool:
    """A docstring, or fields that a name alone explains: a class of at most four members."""
    return ast.get_docstring(node) is not None or len(node.body) <= 6


@pytest.mark.parametrize(
    "path", sorted((PACKAGE / "operations" / "kinds").glob("[a-z]*.py")), ids=lambda p: p.stem
)
def test_every_operation_kind_has_cases(path: Path) -> None:
    from rollout_kit.operations.registry import KINDS

    if path.stem not in KINDS:
        pytest.fail(f"{path.stem} is not in the registry: kinds/ holds kinds only")
    named = [p for p in (ROOT / "tests").rglob("test_*.py") if path.stem in p.read_text()]
    assert named, f"no test names {path.stem}"

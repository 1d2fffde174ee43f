"""Programs are adopted by copying them: they may lean on the stack contract and on nothing else of ours."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.infra.rendering import INFRA

FILES = sorted(INFRA.glob("*/**/*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(INFRA)))
def test_a_program_imports_only_the_stack_contract(path: Path) -> None:
    allowed = "rollout_kit.model.stack_contract"
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        else:
            continue
        ours = [name for name in names if name.partition(".")[0] in ("rollout_kit", "tests")]
        assert all(name == allowed for name in ours), ours


def test_there_are_programs_to_look_at() -> None:
    assert {path.relative_to(INFRA).parts[0] for path in FILES} >= {"small-cluster"}

"""One table of exit codes, and nothing beside it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rollout_kit.cli.errors import of_trouble
from rollout_kit.cli.exit_codes import AFTER_WRITES, ExitCode, markdown_table
from rollout_kit.ports.errors import Trouble

ROOT = Path(__file__).parents[2]


def test_the_table_is_the_designs() -> None:
    assert {code.name: code.value for code in ExitCode} == {
        "SUCCESS": 0,
        "FAILURE": 1,
        "USAGE": 2,
        "NETWORK": 3,
        "AUTH": 4,
        "NOT_FOUND": 5,
        "SERVER": 6,
        "TIMEOUT": 7,
        "INCOMPATIBLE": 8,
        "ROLLED_BACK": 10,
        "RESIDUE": 11,
        "PAUSED": 12,
        "POLICY": 13,
        "STALE": 14,
        "LOCKED": 15,
        "INTERRUPTED": 16,
        "PENDING": 20,
    }


def test_after_the_first_intent_only_these_are_left() -> None:
    assert sorted(AFTER_WRITES) == [0, 1, 10, 11, 12, 13, 15, 16]


def test_every_code_says_what_it_means() -> None:
    rows = markdown_table().splitlines()

    assert rows[:2] == ["| code | meaning |", "|---:|---|"]
    assert [int(row.split("|")[1]) for row in rows[2:]] == [code.value for code in ExitCode]
    assert all(len(code.meaning) > 5 for code in ExitCode)


@pytest.mark.parametrize("trouble", list(Trouble))
def test_trouble_on_the_wire_has_its_code(trouble: Trouble) -> None:
    expected = {
        Trouble.NETWORK: 3,
        Trouble.AUTH: 4,
        Trouble.NOT_FOUND: 5,
        Trouble.SERVER: 6,
        Trouble.TIMEOUT: 7,
        Trouble.INCOMPATIBLE: 8,
        Trouble.OTHER: 1,
    }
    assert of_trouble(trouble.value) == expected[trouble]


def test_no_other_module_of_the_command_line_writes_a_code_as_a_number() -> None:
    found = [
        f"{path.name}: {line.strip()}"
        for path in (ROOT / "rollout_kit" / "cli").rglob("*.py")
        if path.name != "exit_codes.py"
        for line in path.read_text().splitlines()
        if re.search(r"sys\.exit\(\d|return \d+$|ExitCode\(\d", line)
    ]
    assert found == []


def test_the_readme_shows_this_table_where_it_shows_one() -> None:
    readme = (ROOT / "README.md").read_text()
    if "| code | meaning |" in readme:
        assert markdown_table() in readme

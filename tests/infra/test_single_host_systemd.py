"""`infra/single-host` and what systemd answers: its control tool is played by a script here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.infra.applying import Applied
from tests.infra.rendering import render

PROGRAM = "single-host"
CONTROL = """#!/bin/sh
echo "$*" >> {folder}/asked
[ "$1" = show ] || exit 0
printf 'ActiveState=%s\\nSubState=x\\nResult=exit-code\\nExecMainStatus=7\\n' "$(head -n 1 {folder}/states)"
[ "$(wc -l < {folder}/states)" -eq 1 ] || sed -i 1d {folder}/states
"""


class Machine:
    """Answers each look at a unit with the next of `states`, the last one for ever."""

    def __init__(self, folder: Path, *states: str) -> None:
        self._folder = folder
        self._stack = Applied(PROGRAM)
        (folder / "states").write_text("".join(f"{state}\n" for state in states))
        self._control = folder / "systemctl"
        self._control.write_text(CONTROL.format(folder=folder))
        self._control.chmod(0o755)

    def start_scheduler(self) -> None:
        config: dict[str, Any] = {
            "single-host:units_folder": str(self._folder),
            "single-host:control": [str(self._control)],
            "fleet:nodes": {},
            "fleet:maintenance": {},
            "fleet:scheduler": {"image": "server:1"},
        }
        self._stack.update(render(PROGRAM, config))

    def asked(self) -> list[str]:
        return [line.split()[0] for line in (self._folder / "asked").read_text().splitlines()]


def test_a_unit_that_is_up_and_stays_so_is_done(tmp_path: Path) -> None:
    machine = Machine(tmp_path, "active")

    machine.start_scheduler()

    assert machine.asked() == ["daemon-reload", "enable", "show", "show"]
    assert "RestartSec=2" in (tmp_path / "scheduler.service").read_text()


def test_a_unit_that_was_up_only_for_its_first_moment_fails_with_what_systemd_says_of_it(
    tmp_path: Path,
) -> None:
    """systemd calls a program active once it was begun, and begins one that ends over and over."""
    machine = Machine(tmp_path, "active", "activating")

    with pytest.raises(
        RuntimeError, match=r"scheduler does not stay up: ActiveState=activating"
    ) as no:
        machine.start_scheduler()

    assert "Result=exit-code | ExecMainStatus=7" in str(no.value)

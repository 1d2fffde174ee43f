"""Programs that a language host runs, in a folder of their own: one real step, a crash, a missing host.

With the real CLI alone. The host is Python's; to driver and CLI it is one like any other.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from rollout_kit.drivers.pulumi import api
from rollout_kit.drivers.pulumi.api import Kind, Outcome
from tests.drivers.pulumi.lab import PROGRAM, Lab, until
from tests.standin.fixtures import Cli, real_or_standin  # noqa: F401

pytestmark = [
    pytest.mark.crash,
    pytest.mark.processes,
    pytest.mark.parametrize(
        "real_or_standin", [pytest.param("real", marks=pytest.mark.real_pulumi)], indirect=True
    ),
]

HOST = "pulumi-language-python"
A1 = {"a": {"value": 1}, "b": {"value": 1}}
A2 = {"a": {"value": 2}, "b": {"value": 1}}
SLOW = {**A1, "slow": {"value": 1, "createSleep": 4}}


@dataclass
class Folder(Lab):
    """The same stack; its program is a folder that only a language host runs."""

    @property
    def stack(self) -> api.Stack:
        return api.Stack(
            program=api.Program(path=str(self.cli.folder / "program")),
            name="dev",
            project="proj",
            folder=str(self.cli.folder / "ours"),
        )

    def write(self, runtime: object) -> None:
        folder = Path(self.stack.program.path)
        folder.mkdir()
        (folder / "Pulumi.yaml").write_text(yaml.safe_dump({"name": "proj", "runtime": runtime}))
        (folder / "__main__.py").write_text(PROGRAM.read_text() + "\n\nmain()\n")


@pytest.fixture
def lab(real_or_standin: Cli) -> Iterator[Folder]:  # noqa: F811
    lab = Folder(real_or_standin)
    lab.up(A1)
    yield lab
    for child in lab.begun:
        child.kill()
        child.wait()


def hosted(lab: Folder) -> None:
    if shutil.which(HOST) is None:
        pytest.skip(f"no {HOST} on PATH")
    lab.write({"name": "python", "options": {"virtualenv": sys.prefix}})


def test_a_folder_that_a_language_host_runs_is_changed_as_any_other(lab: Folder) -> None:
    hosted(lab)
    assert lab.change("op-1", A2, a="update").outcome is Outcome.DONE
    result = lab.change("op-2", A1, a="update")
    assert result.outcome is Outcome.DONE, result
    assert [call.command for call in result.calls] == [
        "stack export",
        "preview --refresh",
        "stack export",
        "up",
        "stack export",
    ]
    assert lab.values() == {"a-1": 1, "b-1": 1}
    assert sorted(path.name for path in Path(lab.stack.program.path).glob("Pulumi.*")) == [
        "Pulumi.yaml"
    ]


def test_what_reaches_further_is_refused_there_too(lab: Folder) -> None:
    hosted(lab)
    refused = lab.change("op-1", {"a": {"value": 2}, "b": {"value": 2}}, a="update")
    assert refused.outcome is Outcome.REFUSED
    assert "update Thing b" in refused.sentence
    assert lab.values() == {"a-1": 1, "b-1": 1}


def test_what_a_killed_update_made_unrecorded_is_removed_since_no_host_can_be_told_to_adopt_it(
    lab: Folder,
) -> None:
    hosted(lab)
    child = lab.begin("op-1", SLOW, slow="create")
    until(lambda: "slow-1" in lab.values())
    cli = lab.cli_pid()
    os.kill(child.pid, signal.SIGKILL)
    os.kill(cli, signal.SIGKILL)
    child.wait()
    result = lab.change("op-1", SLOW, slow="create")
    assert result.outcome is Outcome.DONE, result
    assert "Thing slow exists unrecorded, and cannot be adopted" in result.recovered
    assert any(sentence.startswith("deleted Thing slow, which") for sentence in result.recovered)
    assert lab.values() == {"a-1": 1, "b-1": 1, "slow-1": 1}
    assert lab.recorded()["slow"] == ("slow-1", 1)


def test_a_host_that_is_not_installed_has_its_own_sentence_and_nothing_is_sent(
    lab: Folder,
) -> None:
    lab.write("cobol")
    result = lab.change("op-1", A2, a="update")
    assert result.trouble is not None
    assert (result.trouble.kind, result.trouble.name) == (Kind.REFUSED, "missing-language")
    assert "pulumi-language-cobol, is not installed" in result.trouble.message
    assert "give the program as file.py:function" in result.trouble.hint
    assert lab.values() == {"a-1": 1, "b-1": 1}
    assert lab.cli.locks() == []

"""The settings that a program's README has people type, typed."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from pathlib import Path

from tests.infra.rendering import INFRA
from tests.standin.fixtures import Cli

PROGRAM = INFRA / "small-cluster"
SAID = ("--plaintext", "--secret")


def commands(readme: Path) -> list[list[str]]:
    lines = readme.read_text(encoding="utf-8").splitlines()
    return [shlex.split(line) for line in lines if line.startswith("pulumi config set ")]


def test_the_settings_of_small_clusters_readme_are_taken_as_they_stand(
    real_or_standin: Cli,
) -> None:
    """The real CLI refuses a key that sounds like a secret, unless it is told what the value is."""
    shutil.copy(PROGRAM / "Pulumi.yaml", real_or_standin.work)
    typed = commands(PROGRAM / "README.md")
    assert len(typed) > 5
    for command in (["pulumi", "stack", "init", "prod"], *typed):
        ran = subprocess.run(
            command, cwd=real_or_standin.work, check=False, capture_output=True, text=True
        )
        assert ran.returncode == 0, (command, ran.stderr)
    sound_secret = [command for command in typed if "secret" in " ".join(command[:5])]
    assert all(set(SAID) & set(command) for command in sound_secret)

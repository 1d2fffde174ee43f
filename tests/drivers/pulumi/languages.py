"""Programs in other languages, ready to be run by their hosts, where this machine has what that takes."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.standin.fixtures import NO_REAL_CLI, real_executable

PROGRAMS = Path(__file__).parent / "programs"
READY_WITHIN_S = 900.0  # the SDK of Go is compiled once for each cache of builds


@dataclass(frozen=True)
class Language:
    """`tools`: what its host runs. `prepare`: brings its packages, from a cache or over the network."""

    name: str
    tools: tuple[str, ...] = ()
    prepare: tuple[tuple[str, ...], ...] = ()

    @property
    def host(self) -> str:
        return f"pulumi-language-{self.name}"

    def __str__(self) -> str:
        return self.name


LANGUAGES = (
    Language(
        name="nodejs",
        tools=("node", "npm"),
        prepare=(
            (
                *("npm", "install", "--prefer-offline", "--no-audit", "--no-fund"),
                *("--ignore-scripts", "--no-package-lock"),
            ),
        ),
    ),
    Language(
        name="go",
        tools=("go",),
        prepare=(("go", "mod", "tidy"), ("go", "build", "-trimpath", "-o", "fleet", ".")),
    ),
    Language(name="yaml"),
)


def prepared(language: Language, folder: Path) -> Path:
    """Its program in this folder, ready to run. Left out without its host, as without the CLI; where
    the host is and it cannot run, that is a failure."""
    if shutil.which(language.host) is None:
        pytest.skip(f"no {language.host} on PATH")
    for tool in language.tools:
        if shutil.which(tool) is None:
            pytest.fail(f"{language.host} is on PATH and cannot run: no {tool}")
    shutil.copytree(PROGRAMS / language.name, folder)
    for argv in language.prepare:
        ran = subprocess.run(
            argv, check=False, cwd=folder, capture_output=True, text=True, timeout=READY_WITHIN_S
        )
        if ran.returncode != 0:
            pytest.fail(f"`{' '.join(argv)}` brings no packages of {language}: {ran.stderr}")
    return folder


@pytest.fixture(scope="module", params=LANGUAGES, ids=str)
def language(request: pytest.FixtureRequest) -> Language:
    assert isinstance(request.param, Language)
    return request.param


@pytest.fixture(scope="module")
def ready(language: Language, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program with its packages, once for all tests of a language."""
    if real_executable() is None:
        pytest.skip(NO_REAL_CLI)
    return prepared(language, tmp_path_factory.mktemp("language") / "program")


def bring_up(program: Path, fleet: object, **own: str) -> None:
    """As somebody does it with `pulumi up` in the program's folder: these things run."""
    from pulumi import automation

    stack = automation.create_or_select_stack("dev", work_dir=str(program))
    assert isinstance(fleet, dict)
    for key, value in fleet.items():
        stack.set_config(f"fleet:{key}", automation.ConfigValue(json.dumps(value)))
    for key, text in own.items():
        stack.set_config(f"rolled_fleet:{key}", automation.ConfigValue(text))
    stack.up(message="somebody else")

"""`standin`: the stand-in `pulumi` on PATH, with a state, a home and a world of its own.

    from tests.standin.fixtures import standin  # noqa: F401

Tests that only talk to the SDK run against the real CLI as they stand: see `real_or_standin`.
"""

from __future__ import annotations

import gc
import json
import os
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from .engine.providers.lab import world

HERE = Path(__file__).parent
NO_REAL_CLI = "no real pulumi on PATH"
QUIET = [
    # a CLI that is killed takes the SDK's event stream along, and its run of the program as well:
    pytest.mark.filterwarnings("ignore:Error in event stream:UserWarning:pulumi.automation._stack"),
    pytest.mark.filterwarnings(
        "ignore:Exception ignored in. <coroutine object run_in_stack"
        ":pytest.PytestUnraisableExceptionWarning"
    ),
]
"""What the SDK of a killed CLI leaves behind is no news in a log."""
_UNSET = ("PULUMI_ACCESS_TOKEN", "PULUMI_CONFIG_PASSPHRASE_FILE", "STANDIN_FAULTS", "KUBECONFIG")


@dataclass
class Cli:
    """A `pulumi` that is first on PATH, and the folders that it works in."""

    folder: Path
    real: bool = False

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def work(self) -> Path:
        return self.folder / "work"

    @property
    def world_folder(self) -> Path:
        return self.folder / "world"

    def world(self) -> dict[str, dict[str, Any]]:
        """The lab objects that really exist, by id."""
        return world(self.world_folder)

    def checkpoint(self, stack: str = "dev", project: str = "proj") -> dict[str, Any]:
        """The state file's `latest`."""
        path = self.state / ".pulumi" / "stacks" / project / f"{stack}.json"
        return json.loads(path.read_text())["checkpoint"]["latest"]

    def locks(self, stack: str = "dev", project: str = "proj") -> list[Path]:
        folder = self.state / ".pulumi" / "locks" / "organization" / project / stack
        return sorted(folder.glob("*.json"))

    def faults(self, *faults: dict[str, Any]) -> None:
        """What the stand-in does wrong from now on (engine/faults.py); none: nothing any more."""
        path = self.folder / "faults.json"
        path.write_text(json.dumps(faults))
        (self.folder / "faults.json.struck").unlink(missing_ok=True)

    def environment(self) -> dict[str, str]:
        """What the CLI needs to be told."""
        return {
            "PATH": os.pathsep.join([str(self.folder / "bin"), os.environ["PATH"]]),
            "PULUMI_BACKEND_URL": f"file://{self.state}",
            "PULUMI_HOME": str(self.folder / "home"),
            "PULUMI_CONFIG_PASSPHRASE": "a passphrase of tests",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "LAB_WORLD": str(self.world_folder),
            "STANDIN_WORLD": str(self.folder / "cluster.json"),
            "STANDIN_FAULTS": str(self.folder / "faults.json"),
        }


def install(folder: Path) -> Cli:
    """Makes the folders, and `bin` with the executables; nothing is put on PATH."""
    for name in ("bin", "state", "home", "work", "world"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    _wrap(folder / "bin", "pulumi")
    _wrap(folder / "home" / "plugins" / "resource-lab-v1.0.0", "pulumi-resource-lab")
    return Cli(folder)


def _wrap(folder: Path, name: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    wrapper = folder / name
    wrapper.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{HERE / name}" "$@"\n')
    wrapper.chmod(0o755)


def _enter(cli: Cli, patch: pytest.MonkeyPatch) -> None:
    for name in _UNSET:
        patch.delenv(name, raising=False)
    for name, value in cli.environment().items():
        patch.setenv(name, value)


def _bury(before: set[threading.Thread], caplog: pytest.LogCaptureFixture) -> None:
    """The SDK's server of a killed CLI ends by and by, and leaves a half-run coroutine behind.

    Collected later, that may happen inside `ast.parse`, whose depth count it upsets: here and now.
    """
    caplog.get_records("call").clear()  # logged tracebacks hold what has to go
    deadline = time.monotonic() + 10
    while gc.collect() >= 0 and set(threading.enumerate()) - before:
        if time.monotonic() > deadline:
            break
        time.sleep(0.02)


@pytest.fixture
def standin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> Iterator[Cli]:
    """The stand-in, alone on PATH."""
    cli = install(tmp_path / "pulumi")
    _enter(cli, monkeypatch)
    before = set(threading.enumerate())
    yield cli
    _bury(before, caplog)


def real_executable() -> str | None:
    """The real CLI, if this machine has one."""
    found = shutil.which("pulumi")
    return (
        None
        if found is None or "standin" in Path(found).read_bytes()[:400].decode("latin-1")
        else found
    )


@pytest.fixture(params=["standin", pytest.param("real", marks=pytest.mark.real_pulumi)])
def real_or_standin(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> Iterator[Cli]:
    """The same test against both; without a real CLI on PATH its half is left out."""
    cli = install(tmp_path / "pulumi")
    cli.real = request.param == "real"
    if cli.real:
        if real_executable() is None:
            pytest.skip(NO_REAL_CLI)
        (cli.folder / "bin" / "pulumi").unlink()
    _enter(cli, monkeypatch)
    before = set(threading.enumerate())
    yield cli
    _bury(before, caplog)

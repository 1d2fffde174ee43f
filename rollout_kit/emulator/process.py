"""What the entry points share: their arguments, their clock, and ending at once when told to."""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from rollout_kit.emulator.environment import BadEnvironment, settings_from
from rollout_kit.emulator.model.settings import Generation, ServerSettings
from rollout_kit.emulator.sqlite_store import SqliteStore
from rollout_kit.emulator.store import StoreUnavailable

USAGE_ERROR = 2


def parser(purpose: str) -> argparse.ArgumentParser:
    """Arguments that every process of an emulated cluster takes."""
    made = argparse.ArgumentParser(description=purpose)
    made.add_argument("--database", type=Path, required=True, help="SQLite file of the cluster")
    made.add_argument(
        "--generation",
        choices=[generation.value for generation in Generation],
        default=Generation.V2.value,
        help="generation of the server (default: %(default)s)",
    )
    return made


def settings(arguments: argparse.Namespace) -> ServerSettings:
    """This process's settings; a variable that cannot be read ends it with one line."""
    try:
        generation = Generation(arguments.generation)
        return settings_from(os.environ, generation, socket.gethostname())
    except BadEnvironment as error:
        sys.stderr.write(f"error: {error}\n")
        raise SystemExit(USAGE_ERROR) from error


def utc_now() -> datetime:
    return datetime.now(UTC)


def identity() -> str:
    """A name for this process that none before it had."""
    return f"{socket.gethostname()}:{os.getpid()}:{time.monotonic_ns()}"


def stop_at_once(*_: object) -> NoReturn:
    """End without a word to anybody: what is in flight is cut, as the real server does it."""
    os._exit(0)


def end_on_signals() -> None:
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, stop_at_once)


def loop(path: Path, step: Callable[[SqliteStore], None], every_s: float) -> NoReturn:
    """Run `step` every so many seconds for ever; a database that is away is tried again."""
    end_on_signals()
    store = SqliteStore(path, create=False)
    while True:
        began = time.monotonic()
        try:
            step(store)
        except StoreUnavailable as error:
            sys.stderr.write(f"database unavailable: {error}\n")
        time.sleep(max(0.0, every_s - (time.monotonic() - began)))

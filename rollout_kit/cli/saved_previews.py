"""Previews in files: what `preview --save` writes and `apply --preview` is held to."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from rollout_kit import __version__
from rollout_kit.cli.console import Console
from rollout_kit.cli.errors import CommandError
from rollout_kit.cli.exit_codes import ExitCode
from rollout_kit.document.plan import PlanDocument
from rollout_kit.execution.preview import Preview
from rollout_kit.execution.saved_preview import (
    NotASavedPreview,
    SavedPreview,
    from_text,
    saved,
    to_text,
)
from rollout_kit.journal.owner import actor
from rollout_kit.wiring.clock import SystemClock

BYTES_AT_MOST = 64 * 1024 * 1024
AGAIN = "`rollout-kit preview PLAN --save FILE` writes one"


def save(found: Preview, file: str, console: Console) -> None:
    """Write it, whole or not at all. Raises `OSError` where that cannot be."""
    text = to_text(
        saved(
            found,
            made_at=SystemClock().now(),
            made_by=actor(console.environment),
            tool_version=__version__,
            salt=secrets.token_hex(16),
        )
    )
    path = console.folder / file
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        with suppress(OSError):
            beside.unlink()
        raise OSError(error.errno, error.strerror, file) from error
    console.err.line(f"saved: `rollout-kit apply PLAN --preview {file}` holds to it")


def load(file: str, document: PlanDocument, console: Console) -> SavedPreview:
    """The saved preview of this plan's target.

    Raises:
        CommandError: it cannot be read, is something else, or was made of another target.
    """
    try:
        found = from_text(_text(console.folder / file, file))
    except NotASavedPreview as error:
        raise CommandError(ExitCode.USAGE, f"{file} cannot be used: {error}", hint=AGAIN) from error
    target = document.target.name
    if found.target != target:
        raise CommandError(
            ExitCode.USAGE,
            f'{file} is a preview of target "{found.target}"; this plan\'s is "{target}"',
            hint=AGAIN,
        )
    return found


def _text(path: Path, shown: str) -> str:
    try:
        if path.stat().st_size > BYTES_AT_MOST:
            raise NotASavedPreview(f"it has more than {BYTES_AT_MOST} bytes")
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise NotASavedPreview("it is not UTF-8") from error
    except OSError as error:
        raise CommandError(
            ExitCode.USAGE, f"{shown} cannot be read: {error.strerror}", hint="check the path"
        ) from error

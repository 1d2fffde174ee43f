"""A preview of the whole program with some configuration, and where a run of it takes place."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from rollout_kit.drivers.pulumi import failures, program_files, reading, sdk, settings
from rollout_kit.drivers.pulumi.api import Picture, Previewed, Recorded, Stack
from rollout_kit.drivers.pulumi.events import Stream

_GUARD = threading.Lock()
_HEARD: list[TextIO] = []
"""Standard output as it was, once for each preview that is under way."""


@contextmanager
def unheard() -> Iterator[None]:
    """What a program prints in this process goes nowhere: standard output is the tool's own.

    Several previews may be under way at once: the last to end puts it back.
    """
    with _GUARD:
        if not _HEARD:
            _HEARD.append(sys.stdout)
            sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - until the last ends
        else:
            _HEARD.append(_HEARD[0])
    try:
        yield
    finally:
        with _GUARD:
            heard = _HEARD.pop()
            if not _HEARD:
                sys.stdout, unheard_of = heard, sys.stdout
                unheard_of.close()


def preview(
    stack: Stack,
    wanted: Mapping[str, object],
    *,
    refresh: bool,
    baseline: Recorded | None,
    picture: Picture | None,
    timeout_s: float,
) -> Previewed:
    """See `api.preview`."""
    begun_s = time.monotonic()
    cli = reading.cli_of(stack, timeout_s=timeout_s)
    command = sdk.Command(cli, reading.version(stack, cli), reads=True)
    base = baseline or reading.last_settings(stack, cli)
    with reading.place(stack, settings.merged(base.text, wanted)) as (folder, settings_file):
        state = picture or reading.export(stack, cli, folder)
        mask = reading.mask_of(cli)
        with unheard():
            run = sdk.preview(
                workplace(stack, folder, settings_file),
                command,
                mask,
                Stream(mask=mask.text),
                refresh=refresh,
            )
    if run.trouble is not None:
        raise failures.error(run.trouble)
    return Previewed(
        steps=tuple(run.stream.steps.values()),
        drifted=tuple(run.stream.drifted),
        outputs=run.stream.outputs,
        program_digest=program_files.digest(stack.program),
        state_hash=state.hash,
        duration_s=time.monotonic() - begun_s,
        calls=tuple(call.command for call in cli.calls),
    )


def workplace(stack: Stack, folder: str, settings_file: Path) -> sdk.Workplace:
    """Where a run takes place: here, or in the program's folder with our settings file."""
    here = program_files.runs_here(stack.program)
    return sdk.Workplace(
        stack=stack.name,
        folder=folder,
        program=program_files.function(stack.program) if here else None,
        config_file=str(settings_file),
    )

"""A command line in this process: argv in, code and both streams out."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rollout_kit.cli.console import Console
from rollout_kit.cli.main import main
from rollout_kit.reporters.text import Printer


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str


def rollout_kit(
    *argv: str,
    folder: Path,
    environment: Mapping[str, str] | None = None,
    colour: bool = False,
    interactive: bool = False,
) -> Ran:
    out, err = io.StringIO(), io.StringIO()
    console = Console(
        out=Printer(out, colour=colour),
        err=Printer(err, colour=colour),
        err_stream=err,
        environment={"ROLLOUT_KIT_ACTOR": "ada", **(environment or {})},
        folder=folder,
        colour=colour,
        live=False,
        interactive=interactive,
    )
    code = main(list(argv), console)
    return Ran(code=code, out=out.getvalue(), err=err.getvalue())

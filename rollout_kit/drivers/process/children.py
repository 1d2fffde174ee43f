"""Starting the driver's children: plain Python, no site-packages, in a session of their own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

_ROOT = str(Path(__file__).resolve().parents[3])


def argv(module: str, *arguments: str) -> list[str]:
    """Run `main(arguments)` of a module of this package, without the cost of `site`."""
    code = (
        f"import sys; sys.path.insert(0, {_ROOT!r});"
        f" from rollout_kit.drivers.process.{module} import main; main(sys.argv[1:])"
    )
    return [sys.executable, "-I", "-S", "-c", code, *arguments]


class Children:
    """Children begun by this process; they outlive it."""

    def __init__(self) -> None:
        self._begun: list[subprocess.Popen[bytes]] = []

    def supervise(
        self, arguments: Sequence[str], lock: int, environment: Mapping[str, str], log: Path
    ) -> None:
        """Start a supervisor that takes over the lock of its key."""
        self._begun = [child for child in self._begun if child.poll() is None]
        act, work, *rest = arguments
        with log.open("ab") as errors:
            self._begun.append(
                subprocess.Popen(
                    argv("supervisor", act, work, str(lock), *rest),
                    stdin=subprocess.DEVNULL,
                    stdout=errors,
                    stderr=errors,
                    env=dict(environment),
                    pass_fds=(lock,),
                    start_new_session=True,
                )
            )

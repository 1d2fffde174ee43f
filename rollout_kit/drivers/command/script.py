"""Running the script for an answer: one process, its end awaited, each way to fail in its own words."""

from __future__ import annotations

import errno
import json
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from rollout_kit.drivers.command.contract import VERSION, Json, answered
from rollout_kit.drivers.command.drain import Drain
from rollout_kit.drivers.work.folder import last_lines
from rollout_kit.ports.errors import OutsideError, Refused, Trouble, Unavailable

ANSWERS_WITHIN_S = 60.0
"""A reading that takes longer is given up: its processes are killed."""
ANSWER_AT_MOST = 16 * 1024 * 1024
SAID_AT_MOST = 64 * 1024


class Script:
    """The user's script, as the plan names it. `mask` takes secret values out of what it prints."""

    def __init__(
        self,
        argv: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        mask: Callable[[str], str],
    ) -> None:
        self.argv = tuple(argv)
        self.folder = folder.absolute()
        self.name = " ".join(argv)
        self._environment = environment
        self._mask = mask

    def ask(self, action: str, request: str, within_s: float = ANSWERS_WITHIN_S) -> Json:
        """Its answer, checked against the contract.

        Raises Refused: it cannot be started. Unavailable: it failed or took too long.
        Incompatible: it answered something else.
        """
        output = self.run(action, request, within_s)
        return answered(action, self._mask(output), self.name)

    def run(self, action: str, request: str, within_s: float = ANSWERS_WITHIN_S) -> str:
        """What it printed on standard output. Raises Refused or Unavailable."""
        with TemporaryFile() as question:
            question.write(request.encode())
            question.seek(0)
            process = self._started(action, question)
        with process:
            output = Drain(process.stdout, ANSWER_AT_MOST, too_much=partial(_kill, process))
            errors = Drain(process.stderr, SAID_AT_MOST)
            in_time = _ended(process, (output, errors), time.monotonic() + within_s)
            if not in_time:
                _kill(process)
        if output.overflowed:
            raise self._killed(action, f"printed more than {ANSWER_AT_MOST} bytes", Trouble.SERVER)
        if not in_time:
            raise self._killed(action, f"gave no answer within {within_s:g} s", Trouble.TIMEOUT)
        if process.returncode != 0:
            raise self._failed(action, process.returncode, errors.text)
        return output.text

    def _started(self, action: str, question: IO[bytes]) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                [*self.argv, action],
                cwd=self.folder,
                env=dict(self._environment),
                stdin=question,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            raise self._cannot_start(error) from error

    def _killed(self, action: str, did: str, trouble: Trouble) -> Unavailable:
        return Unavailable(
            f"`{self.name} {action}` {did}",
            why="It was killed, with all that it had started.",
            hint=self._by_hand(action),
            trouble=trouble,
        )

    def _by_hand(self, action: str) -> str:
        if action not in {"describe", "observe"}:
            return f"Look at what it printed; it ran in {self.folder}."
        request = json.dumps({"contract": VERSION, "action": action})
        command = shlex.join([*self.argv, action])
        return f"By hand: cd {shlex.quote(str(self.folder))} && echo '{request}' | {command}"

    def _failed(self, action: str, code: int, errors: str) -> OutsideError:
        ended = f"was ended by signal {-code}" if code < 0 else f"ended with exit status {code}"
        said = last_lines(self._mask(errors)).strip()
        return Unavailable(
            f"`{self.name} {action}` {ended}",
            why=f"It said: {said}" if said else "It said nothing on standard error.",
            hint=self._by_hand(action),
            trouble=Trouble.SERVER,
        )

    def _cannot_start(self, error: OSError) -> Refused:
        program = self.argv[0]
        match error.errno:
            case errno.ENOENT if not self.folder.is_dir():
                what, hint = f"the folder {self.folder} is not there", "It is the plan's."
            case errno.ENOENT if (self.folder / program).exists():
                what = f"what the first line of {program} names to run it is not there"
                hint = "Its first line is `#!` and the path of a program, such as `#!/bin/sh`."
            case errno.ENOENT:
                what = f"there is no program {program}"
                hint = f"A path with a slash starts at {self.folder}; a bare name is looked up in PATH."
            case errno.EACCES | errno.EPERM:
                what, hint = f"{program} may not be executed", f"chmod +x {program}"
            case errno.ENOEXEC:
                what = f"{program} is no program that the system can start"
                hint = (
                    "A script begins with `#!` and the path of what runs it, such as `#!/bin/sh`."
                )
            case _:
                what, hint = f"{program} could not be started: {error.strerror}", ""
        return Refused(
            what,
            why="The command driver asks this script about the fleet, and for each change.",
            hint=hint,
            trouble=Trouble.NOT_FOUND,
        )


def _ended(process: subprocess.Popen[bytes], streams: Iterable[Drain], until_s: float) -> bool:
    """Whether it has closed its streams and ended by then, on the monotonic clock."""
    if not all(stream.ended(until_s) for stream in streams):
        return False
    try:
        process.wait(max(0.0, until_s - time.monotonic()))
    except subprocess.TimeoutExpired:
        return False
    return True


def _kill(process: subprocess.Popen[bytes]) -> None:
    """It, and all that it has started in its group."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)

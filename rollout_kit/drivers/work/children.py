"""Starting the driver's children: plain Python, no site-packages, in a session of their own."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from rollout_kit.drivers.work.supervisor import WHOLE

SUPERVISOR = "rollout_kit.drivers.work.supervisor"
_ROOT = str(Path(__file__).resolve().parents[3])


def argv(module: str, *arguments: str) -> list[str]:
    """Run `main(arguments)` of one of our modules, by its full name, without the cost of `site`."""
    code = (
        f"import sys; sys.path.insert(0, {_ROOT!r}); from {module} import main; main(sys.argv[1:])"
    )
    return [sys.executable, "-I", "-S", "-c", code, *arguments]


class _Spare:
    """A child that has read its code and waits for its work. It ends when nobody can give it any."""

    def __init__(self, module: str, environment: Mapping[str, str]) -> None:
        self._ours, theirs = socket.socketpair()
        self.environment = dict(environment)
        with theirs:
            self.process = subprocess.Popen(
                argv(module, str(theirs.fileno())),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=self.environment,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )

    def __del__(self) -> None:
        self._ours.close()

    def give(self, arguments: Sequence[str], lock: int, log: Path) -> bool:
        """Hand it its work and its lock; False when it is gone."""
        with log.open("ab") as errors, self._ours as line:
            try:
                socket.send_fds(line, [b"%"], [lock, errors.fileno()])
                line.sendall("\0".join([*arguments, WHOLE]).encode())
            except OSError:
                return False
        return True


class Children:
    """Children begun by this process; they outlive it."""

    def __init__(self, module: str = SUPERVISOR) -> None:
        """`module`: the supervisor's, whose `main` knows the acts that are begun."""
        self._module = module
        self._begun: list[subprocess.Popen[bytes]] = []
        self._spare: list[_Spare] = []  # one at most; who takes it out is its only owner

    def prepare(self, environment: Mapping[str, str]) -> None:
        """Have a child ready: what is stopped soon is then not gone for as long as Python starts."""
        if not self._spare:
            self._spare.append(_Spare(self._module, environment))

    def supervise(
        self, arguments: Sequence[str], lock: int, environment: Mapping[str, str], log: Path
    ) -> None:
        """Start a supervisor that takes over the lock of its key."""
        self._begun = [child for child in self._begun if child.poll() is None]
        act, work, *rest = arguments
        if self._given_to_spare(arguments, lock, environment, log):
            return
        with log.open("ab") as errors:
            self._begun.append(
                subprocess.Popen(
                    argv(self._module, act, work, str(lock), *rest),
                    stdin=subprocess.DEVNULL,
                    stdout=errors,
                    stderr=errors,
                    env=dict(environment),
                    pass_fds=(lock,),
                    start_new_session=True,
                )
            )

    def _given_to_spare(
        self, arguments: Sequence[str], lock: int, environment: Mapping[str, str], log: Path
    ) -> bool:
        try:
            spare = self._spare.pop()
        except IndexError:
            return False
        self._begun.append(spare.process)
        return spare.environment == environment and spare.give(arguments, lock, log)

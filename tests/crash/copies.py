"""One rollout, and at some points a copy of its process that dies there: what comes before is paid once."""

from __future__ import annotations

import os
import traceback
import warnings
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from tests.crash.kills import Killed, Points


@dataclass(slots=True)
class _Copies:
    """`tell`: in a copy, where it says what it found wrong."""

    fatal: Collection[int]
    died: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    tell: int | None = None

    def at(self, number: int, name: str) -> bool:
        """Whether this process dies here: a copy does, and the original hears what came of it."""
        if number not in self.fatal or self.tell is not None:
            return False
        hear, tell = os.pipe()
        with warnings.catch_warnings():
            # Other threads are those of the test runner, whom a copy leaves alone.
            warnings.simplefilter("ignore", DeprecationWarning)
            process = os.fork()
        if process == 0:
            os.close(hear)
            self.tell = tell
            return True
        os.close(tell)
        with os.fdopen(hear, encoding="utf-8") as said:
            found = said.read()
        _, status = os.waitpid(process, 0)
        self.died.append(name)
        if status:
            self.wrong.append(f"killed {name}: {found or f'ended with status {status}'}")
        return False


def at_each(
    fatal: Collection[int],
    rollout: Callable[[Points], object],
    goes_on: Callable[[], object],
) -> list[str]:
    """Carry out `rollout`; at each fatal point (its number from 0) a copy dies, and then does `goes_on`.

    Returns the points died at. The world is in memory: a copy has it for itself.

    Raises:
        AssertionError: what was found wrong in copies, in all of them.
    """
    copies = _Copies(fatal)
    try:
        try:
            rollout(Points(fatal=copies.at))
            assert copies.tell is None, "nobody died"
        except Killed:
            goes_on()
    except BaseException:
        if copies.tell is None:
            raise
        os.write(copies.tell, traceback.format_exc().encode())
        os._exit(1)
    if copies.tell is not None:
        os._exit(0)
    assert not copies.wrong, "\n".join(copies.wrong)
    return copies.died

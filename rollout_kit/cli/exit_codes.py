"""Every exit code of every command. The one table: code, documentation and tests read it."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What a process ends with. `meaning` is for people; `after_writes`: see `AFTER_WRITES`."""

    meaning: str
    after_writes: bool

    def __new__(cls, number: int, meaning: str, after_writes: bool = False) -> ExitCode:
        code = int.__new__(cls, number)
        code._value_ = number
        code.meaning = meaning
        code.after_writes = after_writes
        return code

    SUCCESS = 0, "success, or nothing to do", True
    FAILURE = 1, "failure; aborted; preview found a blocker", True
    USAGE = 2, "wrong arguments, or an invalid plan"
    NETWORK = 3, "the network: no connection, a broken one, TLS"
    AUTH = 4, "authentication or permission"
    NOT_FOUND = 5, "not found: namespace, queue, build id, rollout"
    SERVER = 6, "the server failed"
    TIMEOUT = 7, "no answer in time"
    INCOMPATIBLE = 8, "incompatible versions or protocols, or an answer outside the contract"
    ROLLED_BACK = 10, "failed, and everything was put back", True
    RESIDUE = 11, "rolled back incompletely or with residue; what is left is listed", True
    PAUSED = 12, "paused: an approval, a hold, or nothing could be measured", True
    POLICY = 13, "a policy refuses, or an update would leave its announced radius", True
    STALE = 14, "plan or fleet are no longer what the saved preview saw"
    LOCKED = 15, "another rollout holds the target", True
    INTERRUPTED = 16, "interrupted; the last line says how to resume", True
    PENDING = 20, "changes are pending (`preview --exit-code`)"


AFTER_WRITES = frozenset(code for code in ExitCode if code.after_writes)
"""Once a rollout has written its first intent, it ends with one of these."""


def markdown_table() -> str:
    """The table as the README shows it."""
    rows = [f"| {code.value} | {code.meaning} |" for code in ExitCode]
    return "\n".join(["| code | meaning |", "|---:|---|", *rows]) + "\n"

"""What a program that ended by itself left behind: its exit status, and the last lines of its log."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rollout_kit.drivers.process.state import StateFolder
from rollout_kit.drivers.work import records, roles
from rollout_kit.drivers.work.folder import last_lines, tail
from rollout_kit.model.situation import ProgramEnd
from rollout_kit.ports.infra import JobState

if TYPE_CHECKING:
    from rollout_kit.drivers.work.records import Launch


def ended(state: StateFolder, resource: str) -> ProgramEnd | None:
    """Of a resource whose last change succeeded: what is to run and has ended. Nobody restarts it."""
    desired = state.desired(resource)
    if desired is None or state.status(desired["key"]).state is not JobState.SUCCEEDED:
        return None
    gone = [
        launch
        for place in desired["places"]
        if (launch := place["launch"]) is not None and roles.holder(place["role"]) is None
    ]
    return _end(gone[0], len(gone)) if gone else None


def _end(launch: Launch, count: int) -> ProgramEnd:
    status, after_ms = _noted(launch["role"])
    return ProgramEnd(
        count=count,
        exit_status=status,
        after_s=None if after_ms is None else after_ms / 1000,
        last_lines=last_lines(tail(Path(launch["log"]))),
    )


def _noted(role: str) -> tuple[int | None, int | None]:
    """Exit status and milliseconds, where somebody was there to be told, and of this launch."""
    launched, noted = records.read(role + ".json"), records.read(role + ".ended")
    if launched is None or noted is None or noted["pid"] != launched["pid"]:
        return None, None
    return noted["exit_status"], noted["after_ms"]

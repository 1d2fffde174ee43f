"""The stand-in, and the real CLI where there is one, against recordings of the real one."""

from __future__ import annotations

import pytest

from . import recordings, situations
from .fixtures import QUIET, Cli, real_or_standin  # noqa: F401
from .kubernetes_situations import PLAYED as ON_A_CLUSTER
from .replay import Replay

pytestmark = [
    pytest.mark.processes,
    *QUIET,
]


ORDINARY = {
    "basics/stack-create-or-select-new",
    "basics/stack-missing",
    "preview/mixed",
    "up/create-fails",
    "up/success",
}
"""Played in every run; the others with whole rollouts, for together they take minutes."""


def test_every_recording_is_played_or_left_out_for_a_reason() -> None:
    reasons = tuple(situations.NOT_PLAYED)
    found = recordings.names()
    played = {*situations.PLAYED, *(f"kubernetes/{name}" for name in ON_A_CLUSTER)}

    assert [name for name in found if name not in played and not name.startswith(reasons)] == []
    assert [name for name in played if name not in found] == []
    assert [one for one in reasons if not any(name.startswith(one) for name in found)] == []


@pytest.mark.parametrize(
    "name",
    [
        name if name in ORDINARY else pytest.param(name, marks=pytest.mark.crash)
        for name in sorted(situations.PLAYED)
    ],
)
def test_it_goes_as_it_was_recorded(name: str, real_or_standin: Cli) -> None:  # noqa: F811
    replay = Replay(real_or_standin, exports=not name.startswith(("signals/", "recovery/")))
    replay.meanwhile = situations.MEANWHILE.get(name, {})
    replay.calls = situations.CALLS.get(name, {})
    try:
        replay.prepare(situations.PLAYED[name])
        replay.play(recordings.situation(name)["steps"])
    finally:
        replay.end()

    differences = "\n".join(replay.differences)
    one = situations.DIFFERENT_THERE if real_or_standin.real else situations.DIFFERENT_HERE
    known = situations.DIFFERENT | one
    if name in known:
        assert differences, f"{name} is reproduced now: take it off the list"
        return
    assert not differences, f"\n{differences}"

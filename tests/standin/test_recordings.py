"""The stand-in, and the real CLI where there is one, against recordings of the real one."""

from __future__ import annotations

import pytest

pytest.importorskip("pulumi.automation")

from . import recordings, situations
from .fixtures import Cli, real_or_standin  # noqa: F401
from .replay import Replay

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(
        not recordings.FOLDER.exists(), reason="no recordings of the pulumi CLI here"
    ),
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

    assert [n for n in found if n not in situations.PLAYED and not n.startswith(reasons)] == []
    assert [n for n in situations.PLAYED if n not in found] == []
    assert [one for one in reasons if not any(n.startswith(one) for n in found)] == []


@pytest.mark.parametrize(
    "name",
    [
        name if name in ORDINARY else pytest.param(name, marks=pytest.mark.crash)
        for name in sorted(situations.PLAYED)
    ],
)
def test_it_goes_as_it_was_recorded(name: str, real_or_standin: Cli) -> None:  # noqa: F811
    replay = Replay(real_or_standin, exports=not name.startswith(("signals/", "recovery/")))
    replay.prepare(situations.PLAYED[name])
    replay.play(recordings.situation(name)["steps"])

    differences = "\n".join(replay.differences)
    known = situations.DIFFERENT | ({} if real_or_standin.real else situations.DIFFERENT_HERE)
    if name in known:
        assert differences, f"{name} is reproduced now: take it off the list"
        return
    assert not differences, f"\n{differences}"

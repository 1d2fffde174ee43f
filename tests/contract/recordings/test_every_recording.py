"""The 0.2.x emulator is held to every exchange that was recorded with a real server."""

from __future__ import annotations

import pytest

from rollout_kit.emulator.model.moments import to_us
from tests.contract.recordings import exchange, folder
from tests.contract.recordings.catalogue import NOT_REPRODUCED, TIMELINES, given_for
from tests.contract.recordings.given import moment
from tests.recordings import FOLDER, demand

NAMES = folder.names()
EXCHANGES = [name for name in NAMES if name not in NOT_REPRODUCED and name not in TIMELINES]


def test_the_recordings_are_there() -> None:
    demand()
    assert NAMES, f"{FOLDER} holds no recording"


def test_every_recording_is_reproduced_or_named_with_its_reason() -> None:
    demand()
    unhandled = [name for name in EXCHANGES if given_for(name) is None]
    assert unhandled == []
    assert sorted({*TIMELINES, *NOT_REPRODUCED} - {*NAMES}) == []
    assert not set(TIMELINES) & set(NOT_REPRODUCED)


def test_the_list_of_what_is_not_reproduced_stays_short() -> None:
    assert len(NOT_REPRODUCED) <= 3
    assert all(len(reason) > 40 for reason in NOT_REPRODUCED.values())


@pytest.mark.parametrize("name", EXCHANGES)
def test_the_emulator_answers_as_the_server_did(name: str) -> None:
    recording = folder.load(name)
    given = given_for(name)
    assert given is not None, f"no given state for {name}: add one to the catalogue"
    at = moment(given.at) if given.at else exchange.when(recording)
    handle = exchange.node(given.node, given.built(), lambda: at)
    answer = exchange.send(handle, recording["request"])
    found = exchange.mismatches(recording["response"], answer, given.undetermined)
    assert found == [], "\n".join([f"{name} at {to_us(at)}", *found])

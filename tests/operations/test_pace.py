"""How soon to look again: what was waited so far says it."""

from __future__ import annotations

import pytest

from rollout_kit.operations.api import Context
from rollout_kit.operations.pace import PART_OF_A_PROBE, pace


@pytest.mark.parametrize(
    ("waited_s", "next_look_s"), [(0.0, 0.01), (0.1, 0.01), (2.0, 0.1), (20.0, 1.0), (3600.0, 1.0)]
)
def test_a_wait_is_longer_than_it_had_to_be_by_a_twentieth_at_most(
    waited_s: float, next_look_s: float
) -> None:
    assert pace(Context(now_s=7.0 + waited_s, since_s=7.0, key="")) == pytest.approx(next_look_s)


def test_a_probe_is_asked_twice_as_often() -> None:
    assert pace(Context(now_s=9.0, since_s=7.0, key=""), PART_OF_A_PROBE) == pytest.approx(0.05)

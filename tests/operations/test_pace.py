"""How soon to look again: what was waited so far says it."""

from __future__ import annotations

import pytest

from rollout_kit.operations.api import Context
from rollout_kit.operations.pace import pace, prompt


def waited(seconds: float) -> Context:
    return Context(now_s=7.0 + seconds, since_s=7.0, key="")


@pytest.mark.parametrize(
    ("waited_s", "next_look_s"), [(0.0, 0.05), (0.5, 0.05), (2.0, 0.2), (10.0, 1.0), (3600.0, 1.0)]
)
def test_a_wait_takes_a_tenth_longer_than_it_had_to_at_most(
    waited_s: float, next_look_s: float
) -> None:
    assert pace(waited(waited_s)) == pytest.approx(next_look_s)


@pytest.mark.parametrize(
    ("waited_s", "next_look_s"),
    [(0.0, 0.005), (0.2, 0.005), (2.0, 0.05), (40.0, 1.0), (3600.0, 1.0)],
)
def test_while_a_node_is_out_it_takes_a_fortieth_longer(
    waited_s: float, next_look_s: float
) -> None:
    assert prompt(waited(waited_s)) == pytest.approx(next_look_s)

"""When a fleet is as it was."""

from __future__ import annotations

import pytest

from rollout_kit.model.equivalence import equivalent
from rollout_kit.model.observation import Absent, FactValue

BEFORE: dict[str, FactValue] = {"node/api-1/attached": True, "node/api-1/image": "old"}


def test_what_is_as_it_was_differs_in_nothing() -> None:
    assert equivalent(BEFORE, dict(BEFORE)) == ()


@pytest.mark.parametrize(
    ("now", "found"),
    [
        ({"node/api-1/image": "old"}, Absent.NOT_READ),
        ({**BEFORE, "node/api-1/attached": Absent.NO_ANSWER}, Absent.NO_ANSWER),
        ({**BEFORE, "node/api-1/attached": False}, False),
    ],
    ids=["not there", "no answer", "another"],
)
def test_what_nobody_sees_restored_is_a_difference(
    now: dict[str, FactValue], found: FactValue
) -> None:
    (difference,) = equivalent(BEFORE, now)
    assert (difference.fact, difference.found) == ("node/api-1/attached", found)
    assert equivalent(BEFORE, now, ignored=("node/api-1/",)) == ()


def test_what_the_rollout_brought_is_no_difference() -> None:
    assert equivalent(BEFORE, {**BEFORE, "cohort/d/q/new/drain_intent": "draining"}) == ()

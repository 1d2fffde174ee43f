"""How a fact that is not as it was expected is told."""

from __future__ import annotations

import pytest

from rollout_kit.model.observation import Absent, Difference, FactValue

SHAPE = "standalone_server/server_http_node/api_ingress+matching"
BEFORE = f"{SHAPE}/limits=5,partition=connection,queue,shape=in_worker"


@pytest.mark.parametrize(
    ("fact", "expected", "found", "said"),
    [
        ("version", "2.0.0", Absent.NO_ANSWER, 'expected "2.0.0", found no answer'),
        ("attached", True, False, "expected yes, found no"),
        ("topology", BEFORE, Absent.NO_ANSWER, f'expected "{SHAPE}", found no answer'),
        (
            "topology",
            BEFORE,
            BEFORE.replace("5", "50").replace("matching", "matching+history"),
            'expected "api_ingress+matching, limits=5",'
            ' found "api_ingress+matching+history, limits=50"',
        ),
        ("topology", None, BEFORE, f'expected none, found "{BEFORE}"'),
        (
            "spec",
            "0123456789abcdef",
            "fedcba9876543210",
            "expected digest 0123456789ab, found fedcba987654",
        ),
    ],
)
def test_a_difference_says_both_values_and_of_long_ones_what_differs(
    fact: str, expected: FactValue, found: FactValue, said: str
) -> None:
    difference = Difference(fact=f"node/api-1/{fact}", expected=expected, found=found)
    assert difference.sentence == f"node/api-1/{fact}: {said}"

"""Two protocol versions live together only where each side takes the lower one."""

from __future__ import annotations

import pytest

from rollout_kit.operations.skew import Protocols, overlap


def node(name: str, worker: str, *, lower: bool) -> Protocols:
    return Protocols(
        holder=name, control_plane="2", worker_protocol=worker, accepts_lower_minors=lower
    )


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [(True, True, True), (True, False, False), (False, True, False), (False, False, False)],
)
def test_other_minors_need_both_sides(one: bool, other: bool, together: bool) -> None:
    said = overlap(node("a", "1.18", lower=one), node("b", "1.19", lower=other))
    assert (said == "") is together

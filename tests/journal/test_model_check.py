"""Every interleaving of two writers up to a bound: lock, fence and journal hold in each of its worlds.

The model stands in `lock_model`. That it is a model of *this* program is tested at the end: the real
lock and journal are driven through its paths, step by step, and must come to the same.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from .lock_model import Act, Rules, search, stuck

STORES = {
    "file": Rules(),
    "objects": Rules(object_store=True),
}
OVER = pytest.mark.parametrize("rules", STORES.values(), ids=STORES)


def names(path: tuple[Act, ...]) -> list[str]:
    return [act.name for act in path]


@OVER
def test_no_order_of_steps_breaks_lock_or_journal(
    rules: Rules, record_property: pytest.RecordProperty
) -> None:
    found = search(rules)

    record_property("worlds", found.states)
    record_property("steps", found.transitions)
    assert (found.violation, found.path) == ("", ())
    assert found.states > 5_000, "the search was not cut short"


@OVER
def test_from_everywhere_somebody_can_go_on_without_being_forced(rules: Rules) -> None:
    """A holder that crashed, in whatever it was doing, is followed by the next who looks."""
    worlds = search(rules).worlds

    without = [world for world in stuck(worlds, rules) if world.starts < rules.starts]

    assert without == []


def test_a_lock_forced_open_costs_no_record_and_no_effect_its_intent() -> None:
    found = search(Rules(forced=1))

    assert (found.violation, found.path) == ("", ())
    assert any(world.forced for world in found.worlds)


@pytest.mark.crash
@pytest.mark.parametrize(
    "rules",
    [
        Rules(starts=3, records=4),
        Rules(starts=3, records=4, forced=1),
        Rules(starts=3, object_store=True),
        Rules(ttl=4, drift=2),
        Rules(ttl=4, drift=2, object_store=True),
    ],
    ids=["third-process", "third-process-forced", "third-process-objects", "long", "long-objects"],
)
def test_nor_does_a_wider_search_find_one(
    rules: Rules, record_property: pytest.RecordProperty
) -> None:
    found = search(rules)

    record_property("worlds", found.states)
    assert (found.violation, found.path) == ("", ())
    assert found.states > 20_000


# --- a check that can fail --------------------------------------------------------------------------


@OVER
@pytest.mark.parametrize(
    ("safeguard", "violations"),
    [
        ("compares_fence", {"a record of an old fence after one of a newer"}),
        ("compares_predecessor", {"two records with one sequence", "a record was written over"}),
        ("half_ttl", {"two that believe they may act"}),
        ("swaps", {"two that believe they may act", "two holders with one fence"}),
        ("intent_first", {"an effect that no record announced"}),
    ],
)
def test_each_safeguard_is_needed(rules: Rules, safeguard: str, violations: set[str]) -> None:
    found = search(replace(rules, **{safeguard: False}))

    assert found.violation in violations, safeguard
    assert len(found.path) <= 16, "the shortest way is told"


def test_without_the_fence_a_writer_that_slept_before_it_read_writes_after_its_successor() -> None:
    """The story that the fence comparison is there for, as the search itself finds it."""
    path = search(Rules(compares_fence=False)).path

    sleeper = path[-1].who
    assert path[-1].name == "append"
    assert Act("append", 1 - sleeper) in path
    late = path.index(Act("read", sleeper))
    assert path.index(Act("append", 1 - sleeper)) < late, "it read everything, under an old fence"


def test_clocks_that_differ_by_more_than_half_a_ttl_within_one_are_not_promised() -> None:
    found = search(Rules(drift=2))

    assert found.violation == "two that believe they may act"
    assert names(found.path).count("tick") >= 2


def test_a_lock_that_never_expires_leaves_everybody_waiting_for_the_dead() -> None:
    rules = Rules(expires=False)
    worlds = search(rules).worlds

    assert any(world.starts < rules.starts for world in stuck(worlds, rules))

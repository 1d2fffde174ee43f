"""Every interleaving of two writers up to a bound: lock, fence and journal hold in each of its worlds.

The model stands in `lock_model`. That it is a model of *this* program is tested at the end: the real
lock and journal are driven through its paths, step by step, and must come to the same.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from unittest import mock

import pytest

from rollout_kit.journal.objects import MemoryObjects

from . import stepped
from .lock_model import FIRST, NEVER, Act, Rules, Stage, World, search, steps, stuck
from .lock_model import Path as Way
from .stepped import TICK_S, RealWorld

STORES = {
    "file": Rules(),
    "objects": Rules(object_store=True),
}
OVER = pytest.mark.parametrize("rules", STORES.values(), ids=STORES)


searched = cache(search)


def names(path: tuple[Act, ...]) -> list[str]:
    return [act.name for act in path]


@OVER
def test_no_order_of_steps_breaks_lock_or_journal(
    rules: Rules, record_property: Callable[[str, object], None]
) -> None:
    found = searched(rules)

    record_property("worlds", found.states)
    record_property("steps", found.transitions)
    assert (found.violation, found.path) == ("", ())
    assert found.states > 5_000, "the search was not cut short"


@OVER
def test_from_everywhere_somebody_can_go_on_without_being_forced(rules: Rules) -> None:
    """A holder that crashed, in whatever it was doing, is followed by the next who looks."""
    worlds = searched(rules).worlds

    without = [world for world in stuck(worlds, rules) if world.starts < rules.starts]

    assert without == []


@pytest.mark.crash
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
    rules: Rules, record_property: Callable[[str, object], None]
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


# --- the model is a model of this program -----------------------------------------------------------


@pytest.fixture(autouse=True)
def _no_plug_is_pulled() -> object:
    with mock.patch("os.fsync"):
        yield


def seen(world: World) -> object:
    """What of a world can be held against the real one."""
    return (
        (world.fence, world.free),
        world.journal,
        [
            (writer.stage, writer.fence, writer.age)
            if writer.stage is Stage.HOLDING
            else (writer.stage,)
            for writer in world.writers
        ],
    )


def really(world: RealWorld, ttl: int) -> object:
    return (
        world.lock(),
        world.journal(),
        [
            (writer.stage, writer.held.fence(), min(ttl, round(writer.age_s / TICK_S)))
            if writer.held
            else (writer.stage,)
            for writer in world.writers
        ],
    )


def walk(rules: Rules, luck: random.Random, length: int) -> list[tuple[Act, World]]:
    """Some way through the model, with more writing in it than waiting."""
    world, way = FIRST, []
    for _ in range(length):
        choices = list(steps(world, rules))
        weights = [{"crash": 0.3, "tick": 1.5, "append": 4.0}.get(a.name, 1.0) for a, _ in choices]
        if not choices:
            break
        act, world = luck.choices(choices, weights)[0]
        way.append((act, world))
    return way


def disagreement(seed: int, folder: Path | None) -> tuple[Act, ...]:
    """The way to the first step at which model and reality differ; empty where they do not."""
    rules = Rules(starts=5, records=6, forced=1, object_store=folder is None)
    luck = random.Random(seed)
    for number in range(3):
        real = RealWorld(MemoryObjects() if folder is None else folder / str(number))
        way = walk(rules, luck, 60)
        for taken, (act, world) in enumerate(way, start=1):
            real.take(act)
            if really(real, rules.ttl) != seen(world):
                real.close()
                return tuple(a for a, _ in way[:taken])
        real.close()
    return ()


@pytest.mark.parametrize("seed", range(40))
def test_the_real_lock_and_journal_go_the_models_ways(seed: int, tmp_path: Path) -> None:
    assert disagreement(seed, tmp_path) == ()
    assert disagreement(seed, None) == (), "over objects, with answers lost and records late"


def test_a_lock_that_expires_too_early_is_not_the_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stepped, "TIMING", replace(stepped.TIMING, ttl_s=TICK_S))

    found = [disagreement(seed, tmp_path / str(seed)) for seed in range(6)]

    assert any(found)


@pytest.mark.parametrize("safeguard", ["compares_fence", "compares_predecessor"])
def test_where_a_model_without_the_safeguard_goes_wrong_the_real_one_does_not(
    safeguard: str, tmp_path: Path
) -> None:
    way: Way = search(replace(Rules(), **{safeguard: False})).path
    real = RealWorld(tmp_path)
    for act in way:
        real.take(act)

    assert way[-1].name == "append"
    assert [sequence for sequence, _ in real.journal()] == list(range(len(real.journal())))
    assert (fences := [fence for _, fence in real.journal()]) == sorted(fences)
    real.close()


def test_who_slept_before_it_read_is_told_that_it_lost(tmp_path: Path) -> None:
    way = search(Rules(compares_fence=False)).path
    real = RealWorld(tmp_path)
    for act in way:
        real.take(act)

    assert real.writers[way[-1].who].stage is Stage.GONE
    real.close()


def test_the_ways_go_through_all_that_the_model_knows() -> None:
    """Else the agreement would be one about little."""
    luck, taken, journals = random.Random(0), set(), set()
    for number in range(120):
        rules = Rules(starts=5, records=6, forced=1, object_store=number % 2 == 1)
        way = walk(rules, luck, 60)
        taken |= {act.name for act, _ in way}
        journals |= {tuple(fence for _, fence in world.journal) for _, world in way}

    assert taken == {
        "tick",
        "force",
        "look",
        "poll",
        "crash",
        "renew",
        "renewed",
        "read",
        "append",
        "check",
        "send",
        "release",
        "land",
        "answer",
        "arrive",
    }
    assert any(len(set(fences)) >= 3 for fences in journals), "three holders wrote to one journal"
    assert NEVER not in {fence for fences in journals for fence in fences}

"""What a plan would change is read by previews one after the other: their time grows with the plan."""

from __future__ import annotations

import pytest

from rollout_kit.emulator.model.settings import Generation
from rollout_kit.model.operation import Announcement
from rollout_kit.ports.errors import InFlight
from rollout_kit.ports.infra import Answers, InfraChange
from rollout_kit.simulation.world import World
from rollout_kit.wiring import announcing
from tests.safety.plans import SCHEMA, api, read, small

Changes = tuple[tuple[str, InfraChange], ...]


def _announced_after(
    world: World, monkeypatch: pytest.MonkeyPatch, *, a_change_s: float
) -> tuple[int, str]:
    """How many announcements there are, and why there are none, where each preview takes so long."""
    document = read(world, SCHEMA, api())
    readers, _ = world.outside(document)
    began_s = world.clock.monotonic_s()

    def announce(changes: Changes) -> tuple[Announcement, ...]:
        if world.clock.monotonic_s() - began_s < a_change_s * len(changes):
            raise InFlight(f"the preview of {len(changes)} changes is under way")
        return tuple(
            Announcement(operation=name, resources=(), kinds=(), changed=()) for name, _ in changes
        )

    monkeypatch.setattr(world.fleet, "announce", announce)
    monkeypatch.setattr(world.fleet, "answers", lambda: frozenset(Answers))
    found = announcing.announced(world.preview(document), readers, world.clock)
    return len(found.announced), found.not_read.get(announcing.UNANNOUNCED, "")


def test_a_long_plan_is_not_given_up_while_its_previews_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ten minutes for all of them were too few for a fleet of a hundred nodes."""
    count, why = _announced_after(small(Generation.V2), monkeypatch, a_change_s=100.0)
    assert (count > 6, why) == (True, "")


def test_one_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    count, why = _announced_after(small(Generation.V2), monkeypatch, a_change_s=1000.0)
    assert count == 0
    assert "is under way" in why

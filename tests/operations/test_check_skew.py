"""Rule 2: everything alive shows `from` or `to`, and what will live together can talk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from rollout_kit.document.terms import Identity
from rollout_kit.model.operation import ChangeKind, Done, Failed, Waiting
from rollout_kit.operations.skew import ServerChange, adjacency, judge_skew
from rollout_kit.ports.infra import ProcessSpec
from tests.operations.ports import NEW, OLD, SILENT, Fleet, Run, fleet, operation

CHANGE = ServerChange(
    from_="0.2.9",
    to="0.2.10",
    image=NEW,
    identity=Identity.VERSION,
    control_plane=("2",),
    worker_protocol=("1.20",),
)


def whole() -> Fleet:
    world = fleet(
        scheduler=ProcessSpec(image=OLD),
        scheduler_alive=1,
        maintenance={"repair/loop": ProcessSpec(image=OLD)},
    )
    world.nodes["api-3"].spec = replace(world.nodes["api-3"].spec, image=NEW)
    return world


def judged(world: Fleet, change: ServerChange = CHANGE) -> Run:
    return Run(fleet=world, op=operation("check_skew", change))


def test_a_fleet_half_way_may_go_on() -> None:
    run = judged(whole())
    change = run.preview()
    assert (change.kind, change.not_judged) == (ChangeKind.CHECK, ())
    assert run.verify() == Done(sentence="everything alive may live side by side")


def _other_version(world: Fleet) -> None:
    world.nodes["api-2"].version = "0.2.7"


def _other_scheduler(world: Fleet) -> None:
    world.scheduler = ProcessSpec(image="server:0.2.7")


def _other_maintenance(world: Fleet) -> None:
    world.maintenance["repair/loop"] = ProcessSpec(image="server:0.2.7")


def _other_control_plane(world: Fleet) -> None:
    world.nodes["api-2"].control_plane = "3"


def _other_worker_protocol(world: Fleet) -> None:
    world.nodes["api-2"].worker_protocol = "2.1"


@pytest.mark.parametrize(
    ("break_it", "refusal"),
    [
        (_other_version, 'node api-2 shows "0.2.7", neither from 0.2.9 nor to 0.2.10'),
        (_other_scheduler, 'scheduler runs image "server:0.2.7", neither that of 0.2.10'),
        (_other_maintenance, 'maintenance repair/loop runs image "server:0.2.7"'),
        (_other_control_plane, "api-1 speaks control plane 2, api-2 3"),
        (_other_worker_protocol, "api-1 speaks worker protocol 1.19, api-2 2.1"),
    ],
)
def test_rule_2_blocks_before_the_first_write_and_fails_at_run_time(
    break_it: Callable[[Fleet], None], refusal: str
) -> None:
    world = whole()
    break_it(world)
    run = judged(world)
    change = run.preview()
    assert change.kind is ChangeKind.BLOCKED
    assert refusal in change.sentence
    said = run.verify()
    assert isinstance(said, Failed)
    assert refusal in said.reason


@pytest.mark.parametrize(
    ("changed", "refusal"),
    [
        ({"to": "0.4.0"}, "0.2.9 and 0.4.0 are not adjacent"),
        ({"to": "2.0.0"}, "0.2.9 and 2.0.0 are not adjacent"),
        ({"control_plane": ("3",)}, "0.2.10 speaks control plane 3, api-1 2"),
        ({"worker_protocol": ("2.0",)}, "0.2.10 speaks worker protocol 2.0, api-1 1.19"),
        ({"workers": {"orders@new": "1.20"}}, "orders@new speaks worker protocol 1.20, which node"),
    ],
)
def test_what_the_release_declares_is_judged_too(changed: dict[str, object], refusal: str) -> None:
    change = replace(CHANGE, **changed)  # type: ignore[arg-type]
    seen = judged(whole()).look()
    refusals = judge_skew(seen.observation, seen.situation, change).refusals
    assert any(text.startswith(refusal) for text in refusals)


def test_what_nobody_declared_or_read_is_named_not_passed_over() -> None:
    world = whole()
    world.driver_fails = SILENT
    seen = judged(world).look()
    change = replace(CHANGE, worker_protocol=None, workers={"orders@new": None})
    assert judge_skew(seen.observation, seen.situation, change).not_judged == (
        "scheduler: connection refused",
        "protocols of 0.2.10: not declared, so its first node is looked at first",
        "the protocol of orders@new: not declared",
    )


def test_a_node_that_gives_no_answer_is_waited_for() -> None:
    world = whole()
    world.nodes["api-2"].fails = SILENT
    said = judged(world).verify()
    assert isinstance(said, Waiting)
    assert "node/api-2/version" in said.progress


def test_what_is_refused_only_because_a_node_is_silent_is_waited_for() -> None:
    """The image of `from` is known by the node that shows `from`: here by the silent one alone."""
    world = whole()
    world.nodes["api-1"].version = "0.2.10"
    world.nodes["api-1"].spec = replace(world.nodes["api-1"].spec, image="server:0.2.10")
    world.nodes["api-2"].fails = SILENT
    run = judged(world)
    seen = run.look()
    skew = judge_skew(seen.observation, seen.situation, CHANGE)
    assert skew.refusals == ()
    assert any('runs image "server:0.2.9"' in text for text in skew.unproved)
    assert run.preview().kind is ChangeKind.CHECK, "a refusal there would end the rollout at once"
    said = run.verify()
    assert isinstance(said, Waiting)
    assert "node/api-2/version" in said.progress


def test_by_infra_identity_the_image_alone_tells() -> None:
    change = replace(CHANGE, identity=Identity.INFRA, from_image=OLD)
    world = whole()
    world.nodes["api-1"].version = "2.0.0"
    assert isinstance(judged(world, change).verify(), Done)
    seen = judged(world).look()
    undeclared = replace(change, from_image=None)
    refusals = judge_skew(seen.observation, seen.situation, undeclared).refusals
    assert "not known: declare from_image" in refusals[0]


@pytest.mark.parametrize(
    ("from_", "to", "fine"),
    [
        ("0.2.9", "0.2.10", True),
        ("2.3.1", "2.4.0", True),
        ("2.4.0", "2.3.1", True),
        ("2.3.1", "2.5.0", False),
        ("2.9.0", "3.0.0", False),
        ("build-7", "build-9", True),
        ("v2.3.1", "2.4.0-rc.1", True),
    ],
)
def test_adjacent_is_the_same_major_and_at_most_one_minor_apart(
    from_: str, to: str, fine: bool
) -> None:
    assert (adjacency(from_, to) == "") is fine

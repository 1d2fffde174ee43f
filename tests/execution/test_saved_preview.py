"""A saved preview names what has moved since, compares only what was read, and holds no secret."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from rollout_kit.document.plan import PlanDocument
from rollout_kit.emulator.model.settings import Generation
from rollout_kit.execution.preview import Preview
from rollout_kit.execution.saved_preview import (
    NotASavedPreview,
    SavedPreview,
    from_text,
    saved,
    to_text,
)
from rollout_kit.execution.stale import Staleness, compare
from rollout_kit.model.observation import Absent, Observation
from rollout_kit.ports.errors import Unavailable
from rollout_kit.ports.infra import CohortSpec
from rollout_kit.simulation.world import NEW, OLD, World, cohort
from rollout_kit.transport.messages import Request
from tests.safety.plans import SCHEDULER, SCHEMA, api, canary, drain, read, small, worker

BOTH = pytest.mark.parametrize("generation", list(Generation), ids=lambda g: g.value)
COHORT = f"cohort/default/orders/{OLD}"


def keep(world: World, found: Preview) -> SavedPreview:
    """Through its file, as people use it."""
    made = saved(found, made_at=world.clock.now(), made_by="ann", tool_version="1", salt="ab")
    return from_text(to_text(made))


def plan(world: World, **more: str) -> PlanDocument:
    return read(world, SCHEMA, api(**more), SCHEDULER, canary("orders"), drain("orders"))


def since(world: World, document: PlanDocument, change: Callable[[], object]) -> Staleness:
    """What a preview before the change has to say after it."""
    before = keep(world, world.preview(document))
    change()
    return compare(before, world.preview(document))


def facts(stale: Staleness) -> list[tuple[str, str, str]]:
    return [(moved.what, moved.was, moved.now) for moved in stale.facts]


@BOTH
def test_nothing_has_moved_while_only_figures_tick(generation: Generation) -> None:
    world = small(generation)
    document = plan(world)

    def tick() -> None:
        world.start("one", "long", "orders")
        world.clock.sleep(30.0)

    assert not since(world, document, tick)


def drained(world: World) -> None:
    world.control("POST", "/api/task-queues/orders/build-ids/drain", {"build_id": OLD})


def detached(world: World) -> None:
    world.fleet.nodes["api-2"].attached = False


def replaced(world: World) -> None:
    world.fleet.start_node("api-2", replace(world.fleet.nodes["api-2"].spec, image="server:new"))
    world.clock.sleep(2.0)


def reconfigured(world: World) -> None:
    spec = world.fleet.nodes["api-2"].spec
    environment = {**spec.environment, "LOG_LEVEL": "debug"}
    world.fleet.start_node("api-2", replace(spec, environment=environment))
    world.clock.sleep(2.0)


def scaled(world: World) -> None:
    world.fleet.start_cohort(cohort("orders", OLD), CohortSpec(image="orders:old", replicas=3))


def rescheduled(world: World) -> None:
    assert world.fleet.scheduler is not None
    world.fleet.scheduler = replace(world.fleet.scheduler, image="server:new")


def deployed(world: World) -> None:
    world.fleet.start_cohort(cohort("orders", NEW), CohortSpec(image="orders:new", replicas=1))


@BOTH
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (drained, (f"{COHORT}/drain_intent", '"active"', '"draining"')),
        (detached, ("node/api-2/attached", "yes", "no")),
        (replaced, ("node/api-2/image", '"server:old"', '"server:new"')),
        (scaled, (f"{COHORT}/replicas", "1", "3")),
        (rescheduled, ("scheduler/image", '"server:old"', '"server:new"')),
        (deployed, (f"cohort/default/orders/{NEW}/replicas", "not there", "1")),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_somebody_changed_is_told_with_what_it_was(
    generation: Generation, change: Callable[[World], None], expected: tuple[str, str, str]
) -> None:
    world = small(generation)
    stale = since(world, plan(world), lambda: change(world))
    assert expected in facts(stale)
    assert stale.digest == ()
    assert ": was ".join(expected[:2]) in "\n".join(one.sentence for one in stale.moved)
    assert stale.sentence.startswith("the fleet has moved since the preview saved by ann at 2026-")


def test_an_environment_is_compared_name_by_name_and_shows_no_value() -> None:
    world = small(Generation.V2)
    stale = since(world, plan(world), lambda: reconfigured(world))
    assert [(one.what, one.was) for one in stale.facts] == [
        ("node/api-2/environment/LOG_LEVEL", "not there")
    ]
    assert "debug" not in stale.facts[0].now


def test_a_capability_that_the_server_no_longer_shows_counts() -> None:
    world = small(Generation.V2)
    document = plan(world)
    found = world.preview(document)
    before = keep(world, found)
    assert found.seen is not None
    lost = found.seen.observation.with_facts({"capability/promote": False})
    stale = compare(before, replace(found, seen=replace(found.seen, observation=lost)))
    assert facts(stale) == [("capability/promote", "yes", "no")]


def test_another_plan_is_told_by_its_digest_and_by_the_operations_that_differ() -> None:
    world = small(Generation.V2)
    before = keep(world, world.preview(plan(world)))
    longer = compare(before, world.preview(plan(world, bake="9s")))
    assert longer.facts == ()
    assert longer.digest[0].what == "plan digest"
    assert longer.digest[0].was == before.digest[:12]
    moved = {one.what: (one.was, one.now) for one in longer.operations}
    assert set(moved) == {"operation api/api-1/bake", "operation api/api-2/bake"}
    fewer = compare(before, world.preview(read(world, SCHEMA, api(), SCHEDULER)))
    assert ("operation drain/orders/drain", "update", "not there") in [
        (one.what, one.was, one.now) for one in fewer.operations
    ]
    assert longer.sentence.startswith("the plan has moved since")


def test_a_comment_that_moves_the_steps_down_changes_no_operation() -> None:
    world = small(Generation.V2)
    document = plan(world)
    before = keep(world, world.preview(document))
    found = world.preview(document)
    steps = tuple(
        replace(
            step,
            operations=tuple(
                replace(item, operation=replace(item.operation, line=item.operation.line + 3))
                for item in step.operations
            ),
        )
        for step in found.steps
    )
    assert not compare(before, replace(found, steps=steps))


@BOTH
def test_a_preview_with_the_operator_token_alone_is_compared_only_in_what_it_read(
    generation: Generation,
) -> None:
    world = small(generation)
    document = plan(world)
    world.admin = False
    before = keep(world, world.preview(document))
    assert "node/api-1/provenance" in before.unread
    world.admin = True
    assert not compare(before, world.preview(document))
    drained(world)
    stale = compare(before, world.preview(document))
    assert (f"{COHORT}/drain_intent", '"active"', '"draining"') in facts(stale)


@BOTH
@pytest.mark.parametrize("silent", ["when saved", "when applied"])
def test_what_gave_no_answer_on_one_side_is_not_compared(
    generation: Generation, silent: str
) -> None:
    world = small(generation)
    document = plan(world)
    answering = world.before_request

    def mute(request: Request) -> None:
        if "api-2" in request.url:
            raise Unavailable("no answer")

    if silent == "when saved":
        world.before_request = mute
    before = keep(world, world.preview(document))
    world.before_request = answering if silent == "when saved" else mute
    stale = compare(before, world.preview(document))
    assert not [moved for moved in stale.facts if moved.what.startswith("node/api-2")]
    assert not stale.digest


def test_a_driver_that_did_not_answer_makes_no_cohort_of_its_own_a_newcomer() -> None:
    world = small(Generation.V2)
    document = plan(world)
    found = world.preview(document)
    assert found.seen is not None
    from_driver = ("image", "attached", "spec", "spec_json", "replicas", "running")
    unread = {
        fact: Absent.NOT_READ if fact.rpartition("/")[2] in from_driver else value
        for fact, value in found.seen.facts.items()
    }
    seen = replace(found.seen, observation=Observation(facts=unread))
    before = keep(world, replace(found, seen=seen))
    deployed(world)
    assert not [one for one in compare(before, world.preview(document)).facts if NEW in one.what]


@BOTH
def test_other_teams_queues_are_not_held_against_a_preview(generation: Generation) -> None:
    world = small(generation)
    world.team("payments", "orders", OLD)
    alone = "independent_queues: [mail]"
    world.fleet.start_cohort(cohort("mail", OLD), CohortSpec(image="orders:old", replicas=1))
    world.clock.sleep(2.0)
    document = read(world, SCHEMA, api(), release=alone, workers=(worker("orders"),))

    def theirs() -> None:
        for queue, namespace in (("orders", "payments"), ("mail", "default")):
            path = f"/api/task-queues/{queue}/build-ids/drain"
            world.control("POST", path, {"build_id": OLD}, namespace=namespace)

    assert not since(world, document, theirs)


def test_no_value_of_an_environment_is_in_the_file() -> None:
    world = small(Generation.V2)
    spec = world.fleet.nodes["api-1"].spec
    canary_value = "canary-literal-5f2"
    environment = {**spec.environment, "DB_PASSWORD": canary_value}
    world.fleet.start_node("api-1", replace(spec, environment=environment))
    assert world.fleet.scheduler is not None
    world.fleet.scheduler = replace(world.fleet.scheduler, environment=environment)
    world.clock.sleep(2.0)
    found = world.preview(plan(world))
    assert found.seen is not None
    assert canary_value in str(found.seen.facts), "the look itself does see it"
    made = saved(found, made_at=world.clock.now(), made_by="ann", tool_version="1", salt="ab")
    text = to_text(made)
    assert canary_value not in text
    assert "node/api-1/environment/DB_PASSWORD" in text
    again = replace(made, salt="another")
    assert to_text(again) != text


def newer(body: dict[str, object]) -> str:
    return json.dumps({**body, "format": 2, "tool_version": "9.1"})


@pytest.mark.parametrize(
    ("spoiled", "said"),
    [
        (lambda _: "version: 1\nname: x\n", "no JSON"),
        (lambda _: "[]", "no saved preview"),
        (lambda _: '{"type": "preview", "schema_version": 1}', "no saved preview"),
        (newer, "format 2, made by rollout-kit 9.1; this version reads 1"),
        (lambda body: json.dumps({**body, "digest": "0" * 64}), "changed after it was saved"),
        (lambda body: json.dumps(body)[:-200], "no JSON"),
    ],
    ids=["yaml", "list", "preview as JSON", "newer", "edited", "cut"],
)
def test_what_is_no_saved_preview_is_told_apart(
    spoiled: Callable[[dict[str, object]], str], said: str
) -> None:
    world = small(Generation.V2)
    found = world.preview(plan(world))
    made = saved(found, made_at=world.clock.now(), made_by="ann", tool_version="1", salt="ab")
    with pytest.raises(NotASavedPreview, match=said):
        from_text(spoiled(json.loads(to_text(made))))

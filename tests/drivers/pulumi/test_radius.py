"""What a change may touch: its own resources, in its own way, and what was announced of them."""

from __future__ import annotations

import pytest

from rollout_kit.drivers.pulumi.allowing import root
from rollout_kit.drivers.pulumi.api import Step
from rollout_kit.drivers.pulumi.contract import given_or_refused
from rollout_kit.drivers.pulumi.radius import Said, beyond, may, short, step_in_words
from rollout_kit.model.operation import Announcement
from rollout_kit.model.stack_contract import Given
from rollout_kit.ports.infra import (
    CohortSpec,
    InfraChange,
    ProcessSpec,
    RemoveCohort,
    ReplaceNode,
    SetAttached,
    SetCohort,
    SetScheduler,
)
from tests.drivers.pulumi.fleet_output import (
    FOREIGN,
    NEW,
    NEXT,
    ORDERS,
    SCHEDULER,
    STACK,
    cohort_urn,
    node_urns,
    output,
)

SPEC = ProcessSpec(image=NEW)
SET_1, PATCH_1 = node_urns("api-1")
SET_2, PATCH_2 = node_urns("api-2")
REPLACE_1 = ReplaceNode(node="api-1", spec=SPEC)
DETACH_1 = SetAttached(node="api-1", attached=False)
NEW_COHORT = SetCohort(cohort=NEXT, spec=CohortSpec(image="orders:2", replicas=3))


def _given(*cohorts: object) -> Given:
    return given_or_refused(output(("api-1", "api-2"), *cohorts), "x")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "step", "inside"),
    [
        (REPLACE_1, Step(urn=SET_1, op="replace", reasons=("image",)), True),
        (REPLACE_1, Step(urn=SET_1, op="delete"), True),
        (REPLACE_1, Step(urn=PATCH_1, op="replace"), True),
        (REPLACE_1, Step(urn=PATCH_1, op="delete"), False),
        (REPLACE_1, Step(urn=SET_2, op="update"), False),
        (REPLACE_1, Step(urn=PATCH_2, op="update"), False),
        (REPLACE_1, Step(urn=FOREIGN, op="update"), False),
        (REPLACE_1, Step(urn=FOREIGN, op="same"), True),
        (REPLACE_1, Step(urn=root(STACK), op="update"), True),
        (DETACH_1, Step(urn=PATCH_1, op="update"), True),
        (DETACH_1, Step(urn=PATCH_1, op="replace"), False),
        (DETACH_1, Step(urn=SET_1, op="update"), False),
        (SetScheduler(spec=None), Step(urn=SCHEDULER, op="update"), True),
        (SetScheduler(spec=None), Step(urn=SET_1, op="update"), False),
        (NEW_COHORT, Step(urn=cohort_urn(NEXT), op="create"), True),
        (NEW_COHORT, Step(urn=cohort_urn(ORDERS), op="update"), False),
        (RemoveCohort(cohort=ORDERS), Step(urn=cohort_urn(ORDERS), op="delete"), True),
        (RemoveCohort(cohort=ORDERS), Step(urn=cohort_urn(ORDERS), op="replace"), False),
        (RemoveCohort(cohort=NEXT), Step(urn=cohort_urn(ORDERS), op="delete"), False),
    ],
)
def test_a_change_reaches_its_own_resources_in_its_own_way(
    change: InfraChange, step: Step, inside: bool
) -> None:
    found = beyond(change, _given(ORDERS), _given(ORDERS, NEXT), (step,))
    assert found == (() if inside else (step,))


def test_what_a_new_thing_claims_of_another_one_stays_the_other_ones() -> None:
    fleet = output(("api-1", "api-2"), NEXT)
    fleet["cohorts"][NEXT.path]["resources"].append(SET_2)  # type: ignore[index]
    fleet["nodes"]["api-2"]["resources"] = []  # type: ignore[index]
    after = given_or_refused(fleet, "x")
    steps = (Step(urn=cohort_urn(NEXT), op="create"), Step(urn=SET_2, op="delete"))
    assert beyond(NEW_COHORT, _given(), after, steps) == steps[1:]


def test_the_plan_can_allow_what_lies_beyond() -> None:
    steps = (Step(urn=FOREIGN, op="update"), Step(urn=SET_2, op="update"))
    allowed = ("urn:pulumi:prod::*:Service::front",)
    given = _given()
    assert beyond(REPLACE_1, given, given, steps, allowed=allowed) == steps[1:]


def _may(
    change: InfraChange, announced: Announcement | None, **more: object
) -> dict[str, tuple[str, ...]]:
    allowed = more.pop("allowed", ())
    said = Said(here=announced, **more)  # type: ignore[arg-type]
    found = may(change, _given(ORDERS), said, stack=STACK, allowed=allowed)  # type: ignore[arg-type]
    return {item.urn: item.ops for item in found if item.urn != root(STACK)}


def _announced(*steps: tuple[str, str], creates: tuple[str, ...] = ()) -> Announcement:
    return Announcement(
        operation="o",
        resources=tuple(urn for urn, _ in steps),
        kinds=tuple(op for _, op in steps),
        changed=(),
        creates=creates,
    )


def test_a_replacement_has_to_have_been_announced() -> None:
    only_update = _announced((SET_1, "update"))
    assert _may(REPLACE_1, only_update) == {PATCH_1: ("update",), SET_1: ("update",)}
    replaced = _announced((SET_1, "replace"))
    assert "replace" in _may(REPLACE_1, replaced)[SET_1]


@pytest.mark.parametrize("undoing", [False, True])
def test_a_replacement_that_was_cut_off_between_its_halves_may_be_finished(undoing: bool) -> None:
    """The old one is deleted, and recorded to be: what is left of it reads as a creation."""
    announced = _announced((SET_1, "replace"))
    ops = _may(REPLACE_1, announced, undoing=undoing)[SET_1]
    assert ops == ("create", "replace", "update")
    assert _may(REPLACE_1, announced, undoing=undoing)[PATCH_1] == ("create", "update")
    by_plan = _may(DETACH_1, announced, allowed=("*",), rollout=(announced,), undoing=undoing)
    assert by_plan[SET_1] == ("create", "replace", "update")


def test_without_any_announcement_a_node_may_be_started_anew_and_nothing_else() -> None:
    assert _may(REPLACE_1, None) == {
        PATCH_1: ("update",),
        SET_1: ("create", "replace", "update"),
    }
    assert _may(DETACH_1, None) == {PATCH_1: ("update",)}
    assert _may(NEW_COHORT, None) == {}


def test_a_removal_may_delete_its_own_and_nothing_else() -> None:
    assert _may(RemoveCohort(cohort=ORDERS), None) == {cohort_urn(ORDERS): ("delete", "update")}
    assert _may(RemoveCohort(cohort=NEXT), None) == {}


def test_what_is_created_goes_by_the_names_that_were_announced() -> None:
    named = cohort_urn(NEXT)
    announced = _announced((named, "create"), (FOREIGN, "create"), creates=(named,))
    assert _may(NEW_COHORT, announced) == {named: ("create", "update")}
    by_plan = _may(NEW_COHORT, announced, allowed=("*:Service::front",), rollout=(announced,))
    assert by_plan[FOREIGN] == ("create", "update")


def test_an_undo_may_do_the_opposite_of_what_was_announced() -> None:
    named = cohort_urn(NEXT)
    announced = _announced((named, "create"), creates=(named,))
    back = _may(NEW_COHORT, announced, undoing=True)
    assert back == {named: ("create", "delete", "update")}


def test_what_was_announced_of_somebody_elses_resource_is_not_allowed_by_that() -> None:
    announced = _announced((SET_1, "replace"), (FOREIGN, "update"))
    assert FOREIGN not in _may(REPLACE_1, announced)


def test_people_read_type_and_name() -> None:
    nested = "urn:pulumi:prod::orders::lab:index:Comp$lab:index:Thing::a::b"
    assert short(nested) == "Thing a::b"
    step = Step(urn=SET_1, op="replace", changed=("spec", "image"), reasons=("image",))
    assert step_in_words(step) == "replace StatefulSet api-1 (image)"


def test_what_the_plan_allows_beside_may_move_again_with_every_later_operation() -> None:
    first = _announced((PATCH_1, "update"), (FOREIGN, "update"))
    own = _announced((SET_1, "replace"))
    later = _may(REPLACE_1, own, allowed=("*:Service::front",), rollout=(first, own))
    assert later[FOREIGN] == ("update",)
    assert FOREIGN not in _may(REPLACE_1, own, rollout=(first, own))


def test_a_pattern_of_the_plan_knows_the_star_alone() -> None:
    """A resource called `front[0]` was not matched by its own URN."""
    odd = "urn:pulumi:prod::orders::kubernetes:core/v1:Service::front[0]"
    own = _announced((SET_1, "replace"), (odd, "update"))
    assert _may(REPLACE_1, own, allowed=(odd,), rollout=(own,))[odd] == ("update",)
    assert odd in _may(REPLACE_1, own, allowed=("*:Service::front[*",), rollout=(own,))
    for other in ("*:Service::front[01]", "*:Service::front???", "*:Service::front"):
        assert odd not in _may(REPLACE_1, own, allowed=(other,), rollout=(own,))

"""What each change of a rollout adds, from previews of the whole way there."""

from __future__ import annotations

import pytest

from rollout_kit.drivers.pulumi.announcing import added, announcements, restlessness, stages
from rollout_kit.drivers.pulumi.api import Previewed, Step
from rollout_kit.drivers.pulumi.contract import given_or_refused
from rollout_kit.model.stack_contract import NodeWanted, SingletonWanted, Wanted
from rollout_kit.ports.errors import Refused
from rollout_kit.ports.infra import (
    CohortSpec,
    ProcessSpec,
    ReplaceNode,
    RunJob,
    SetAttached,
    SetCohort,
    SetScheduler,
)
from tests.drivers.pulumi.fleet_output import (
    FOREIGN,
    NEW,
    NEXT,
    OLD,
    cohort_urn,
    node_urns,
    output,
    previewed,
)

SET, PATCH = node_urns("api-1")
LABEL = Step(urn=PATCH, op="update", changed=("metadata.labels",))
IMAGE = Step(urn=SET, op="replace", changed=("spec.image",), reasons=("spec.image",))
NOW = Wanted(
    nodes={"api-1": NodeWanted(image=OLD), "api-2": NodeWanted(image=OLD)},
    scheduler=SingletonWanted(image=OLD),
)


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ((), (LABEL,), (LABEL,)),
        ((LABEL,), (LABEL, IMAGE), (IMAGE,)),
        ((LABEL, IMAGE), (IMAGE,), (LABEL,)),  # attached again: put back by this stage
        ((LABEL,), (LABEL,), ()),
        ((), (Step(urn=SET, op="same"),), ()),
        # created by the stage before: this one alters what will stand there
        (
            (Step(urn=SET, op="create", changed=("a",)),),
            (Step(urn=SET, op="create", changed=("a", "b")),),
            (Step(urn=SET, op="update", changed=("b",)),),
        ),
        # replaced by the stage before, and once more for another reason
        (
            (IMAGE,),
            (
                Step(
                    urn=SET, op="replace", changed=("spec.image", "x"), reasons=("spec.image", "x")
                ),
            ),
            (Step(urn=SET, op="replace", changed=("x",), reasons=("x",)),),
        ),
        # the engine's halves of a replacement are one
        (
            (),
            (
                Step(urn=SET, op="create-replacement", reasons=("key",)),
                Step(urn=SET, op="replace", changed=("key",)),
                Step(urn=SET, op="delete-replaced"),
            ),
            (Step(urn=SET, op="replace", changed=("key",), reasons=("key",)),),
        ),
        # would have been created, and now is not wanted
        ((Step(urn=SET, op="create"),), (), (Step(urn=SET, op="delete"),)),
        ((Step(urn=SET, op="delete"),), (), (Step(urn=SET, op="create"),)),
    ],
)
def test_a_stage_is_what_the_way_with_it_has_and_the_way_before_has_not(
    before: tuple[Step, ...], after: tuple[Step, ...], found: tuple[Step, ...]
) -> None:
    assert added(before, after) == found


def test_configurations_build_on_each_other_and_name_everything_that_is_known() -> None:
    spec = ProcessSpec(image=NEW, marker="m")
    along = stages(
        (
            ("boot", RunJob(job="bootstrap", image=NEW, revision="0.2.10")),
            ("detach", SetAttached(node="api-1", attached=False)),
            ("replace", ReplaceNode(node="api-1", spec=spec)),
            ("attach", SetAttached(node="api-1", attached=True)),
            ("stop", SetScheduler(spec=None)),
            ("canary", SetCohort(cohort=NEXT, spec=CohortSpec(image="orders:2", replicas=3))),
        ),
        NOW,
    )
    nodes = [stage.values["fleet:nodes"]["api-1"] for stage in along]  # type: ignore[index]
    assert [(node["image"], node["attached"]) for node in nodes] == [
        (OLD, True),
        (OLD, False),
        (NEW, False),
        (NEW, True),
        (NEW, True),
        (NEW, True),
    ]
    assert along[-1].values["fleet:nodes"]["api-2"]["image"] == OLD  # type: ignore[index]
    assert along[4].values["fleet:scheduler"]["running"] is False  # type: ignore[index]
    assert along[3].values["fleet:scheduler"]["running"] is True  # type: ignore[index]
    assert along[0].values["fleet:jobs"]["bootstrap"]["revision"] == "0.2.10"  # type: ignore[index]
    assert list(along[-1].values["fleet:cohorts"]) == [NEXT.path]  # type: ignore[call-overload]


def test_a_node_that_the_stack_does_not_give_is_refused_by_name() -> None:
    with pytest.raises(Refused) as refused:
        stages((("x", SetAttached(node="api-9", attached=False)),), NOW)
    assert refused.value.message == 'the stack gives no node "api-9"; it has: api-1, api-2'


def test_a_whole_cutover_is_announced_step_by_step_with_what_lies_beyond() -> None:
    along = stages(
        (
            ("detach", SetAttached(node="api-1", attached=False)),
            ("replace", ReplaceNode(node="api-1", spec=ProcessSpec(image=NEW))),
            ("attach", SetAttached(node="api-1", attached=True)),
            ("canary", SetCohort(cohort=NEXT, spec=CohortSpec(image="orders:2", replicas=3))),
        ),
        NOW,
    )
    foreign = Step(urn=FOREIGN, op="update", changed=("spec.ports",))
    born = Step(urn=cohort_urn(NEXT), op="create")
    seen: list[Previewed] = [
        previewed(),
        previewed(LABEL),
        previewed(LABEL, IMAGE, foreign),
        previewed(IMAGE, foreign),
        previewed(IMAGE, foreign, born, fleet=output(("api-1", "api-2"), NEXT)),
    ]
    said = announcements(along, seen, given_or_refused(output(), "x"))
    assert [(one.operation, one.resources, one.kinds, one.beyond) for one in said] == [
        ("detach", (PATCH,), ("update",), ()),
        (
            "replace",
            (SET, FOREIGN),
            ("replace", "update"),
            ("update Service front (spec.ports)",),
        ),
        ("attach", (PATCH,), ("update",), ()),
        ("canary", (cohort_urn(NEXT),), ("create",), ()),
    ]
    assert said[1].changed[0] == "replace StatefulSet api-1 (spec.image)"
    assert said[3].creates == (cohort_urn(NEXT),)


def test_a_stack_that_would_change_by_itself_says_so() -> None:
    moved = Step(urn=FOREIGN, op="update")
    assert restlessness(previewed(moved, Step(urn=SET, op="same"))) == (moved,)

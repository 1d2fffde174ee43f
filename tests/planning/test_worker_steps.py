"""worker-canary, promote, drain and restore: which operations, in which order, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rollout_kit.model import codec
from rollout_kit.model.identity import CohortRef
from rollout_kit.model.observation import Absent, cohort_fact
from rollout_kit.model.operation import ChangeKind
from rollout_kit.model.situation import CohortNumbers, Situation
from rollout_kit.operations.cohort_acts import (
    AwaitCohortArguments,
    DeployCohortArguments,
    LeavingArguments,
    PromoteBuildArguments,
)
from rollout_kit.operations.kinds.smoke_runs import SmokeRunsArguments
from rollout_kit.operations.node_acts import ReplaceNodeArguments
from rollout_kit.planning.draft import Stage, staged
from rollout_kit.planning.listing import problems
from rollout_kit.planning.planner import Planning, plan
from tests.planning.fleets import Fleet, Workers, critical, document, newer, older

MAIL = "mail"
WITH_MAIL = (
    "    - {task_queue: critical, from: build-1, to: build-2, image: workers-2, replicas: 6}\n",
    "    - {task_queue: critical, from: build-1, to: build-2, image: workers-2, replicas: 6}\n"
    "    - {task_queue: mail, from: build-1, to: build-2, image: mail-2, replicas: 3}\n",
)


def canary(stages: str, queue: str = "critical", more: str = "") -> str:
    return (
        f"  - {{id: canary, uses: worker-canary, with: {{task_queue: {queue}{more},"
        f" stages: [{stages}]}}}}\n"
    )


def mail(build: str) -> CohortRef:
    return critical(build, queue=MAIL)


def ids(planning: Planning) -> list[str]:
    return [operation.id for operation in planning.plan.operations]


def summaries(planning: Planning) -> list[str]:
    return [problem.summary for problem in planning.problems]


def arguments(planning: Planning, operation_id: str, kind: type) -> object:
    return codec.from_json(kind, planning.plan.operation(operation_id).arguments)


def with_mail(fleet: Fleet) -> Fleet:
    selected = True if critical("build-1") in fleet.cohorts and fleet.markers == {} else None
    return fleet.having({mail("build-1"): Workers(selected=selected, image="mail-1", replicas=3)})


NAMESPACES = ("  namespace: orders\n", "  namespace: orders\n  namespaces: [billing]\n")
SCHEMA = "  - {id: schema, uses: bootstrap, with: {additive: true}}\n"


# --- worker-canary, by selection


def test_a_canary_by_selection_is_smoke_then_everything() -> None:
    steps = canary("{smoke: {workflow_type: ping, count: 4}, bake: 5s}, {share: 100%, bake: 1m}")
    planning = newer().planned(document(steps=steps))
    assert ids(planning) == [
        "canary/critical/deploy",
        "canary/critical/started",
        "canary/smoke-1/critical",
        "canary/smoke-1/bake",
        "canary/share-2/critical/promote",
        "canary/share-2/bake",
        "canary/critical/proved",
    ]
    deploy = arguments(planning, "canary/critical/deploy", DeployCohortArguments)
    assert isinstance(deploy, DeployCohortArguments)
    assert (deploy.image, deploy.replicas, deploy.beside) == ("workers-2", 6, True)
    smoke = arguments(planning, "canary/smoke-1/critical", SmokeRunsArguments)
    assert isinstance(smoke, SmokeRunsArguments)
    assert (smoke.count, smoke.pinned, smoke.node) == (4, True, None)
    proved = arguments(planning, "canary/critical/proved", AwaitCohortArguments)
    assert isinstance(proved, AwaitCohortArguments)
    assert (proved.n, proved.smokes) == (6, ("canary/smoke-1/critical",))


def test_rule_11_where_nothing_is_selected_the_current_build_is_selected_first() -> None:
    fleet = newer().having({critical("build-1"): Workers(selected=False)})
    planning = fleet.planned(document(steps=canary("{share: 100%}")))
    assert ids(planning)[:2] == ["canary/critical/select-current", "canary/critical/deploy"]
    select = arguments(planning, "canary/critical/select-current", PromoteBuildArguments)
    assert isinstance(select, PromoteBuildArguments)
    assert select.cohort == critical("build-1")
    assert problems(planning.problems) == ""


def test_a_current_build_that_nobody_runs_is_not_selected() -> None:
    fleet = newer().having({critical("build-1"): Workers(selected=False, replicas=0)})
    planning = fleet.planned(document(steps=canary("{share: 100%}")))
    assert "canary/critical/select-current" not in ids(planning)


def test_a_build_that_was_drained_before_is_resumed_first() -> None:
    drained = Workers(selected=False, drain_intent="draining", replicas=0)
    fleet = newer().having({critical("build-2"): drained})
    planning = fleet.planned(document(steps=canary("{share: 100%}")))
    assert ids(planning)[:3] == [
        "canary/critical/resume",
        "canary/critical/deploy",
        "canary/critical/started",
    ]
    assert planning.plan.operation("canary/critical/started").follows == (
        "canary/critical/resume",
        "canary/critical/deploy",
    )


def test_a_part_of_the_starts_is_refused_with_the_remedy() -> None:
    planning = newer().planned(document(steps=canary("{share: 20%}, {share: 100%}")))
    (problem,) = planning.problems
    assert problem.summary == "This server has no share of new starts"
    assert "20%" in problem.detail
    assert "`smoke` stage" in problem.hint


@pytest.mark.parametrize(("replicas", "expected"), [("2", 2), ("50%", 3), ("1%", 1)])
def test_per_cent_of_replicas_are_rounded_up(replicas: str, expected: int) -> None:
    steps = canary("{share: 100%}", more=f", replicas: {replicas}")
    planning = newer().planned(document(steps=steps))
    deploy = arguments(planning, "canary/critical/deploy", DeployCohortArguments)
    assert isinstance(deploy, DeployCohortArguments)
    assert deploy.replicas == expected
    assert any(f"with {expected} of 6 workers" in note for note in planning.notes["canary"])


def test_the_first_canary_brings_the_build_to_every_queue_that_its_pins_can_reach() -> None:
    steps = canary("{share: 100%}")
    planning = with_mail(newer()).planned(document(WITH_MAIL, steps=steps))
    assert problems(planning.problems) == ""
    before_starts = ids(planning)[: ids(planning).index("canary/share-1/critical/promote")]
    assert "canary/mail/deploy" in before_starts
    assert "canary/mail/started" in before_starts
    assert "canary/share-1/mail/promote" not in ids(planning), "its own step gives it starts"


def test_a_queue_with_workers_that_nobody_serves_is_refused_and_named() -> None:
    planning = with_mail(newer()).planned(document(steps=canary("{share: 100%}")))
    (problem,) = planning.problems
    assert problem.summary == "Nobody would serve the new build on another queue"
    assert "mail in namespace orders" in problem.detail
    assert "build-2" in problem.hint


def unmeasured(fleet: Fleet, build: str = "build-1") -> Planning:
    """The canary, where `mail` has stale workers of this build that no driver counts."""
    cohort = mail(build)
    fleet = fleet.having({cohort: Workers()})
    stale = CohortNumbers(active=0, draining=0, stale=2, total=2)
    observation = fleet.observation.with_facts({cohort_fact(cohort, "replicas"): None})
    situation = fleet.situation.merged(Situation(cohorts={cohort.path: stale}))
    plan_document = document(steps=SCHEMA + canary("{share: 100%}"))
    return plan(plan_document, observation, situation, fleet.capabilities)


UNTOLD = "Whether the new build is served on another queue cannot be told"


@pytest.mark.parametrize("fleet", [newer(), older()], ids=["2.x", "0.2"])
@pytest.mark.parametrize("build", ["build-1", "build-2"])
def test_rule_14_workers_that_nobody_measured_are_not_none(fleet: Fleet, build: str) -> None:
    (problem,) = (p for p in unmeasured(fleet, build).problems if p.rule == 14)
    assert problem.summary == UNTOLD
    assert "mail in namespace orders has was not measured" in problem.detail
    assert problem.accept == "unmeasured-queues"


def test_a_queue_without_any_worker_is_passed_by() -> None:
    fleet = newer().having({mail("build-1"): Workers(replicas=0)})
    assert problems(fleet.planned(document(steps=canary("{share: 100%}"))).problems) == ""


def test_workers_that_only_an_absent_driver_could_count_are_judged_at_apply() -> None:
    cohort = mail("build-1")
    fleet = newer().having({cohort: Workers()})
    stale = CohortNumbers(active=0, draining=0, stale=2, total=2)
    found = plan(
        document(steps=canary("{share: 100%}")),
        fleet.observation.with_facts({cohort_fact(cohort, "replicas"): Absent.NOT_READ}),
        fleet.situation.merged(Situation(cohorts={cohort.path: stale})),
        fleet.capabilities,
    )
    assert UNTOLD not in summaries(found)
    assert "whether build-2 is served on mail: not read, judged at apply" in found.notes["canary"]


def test_rule_14_queues_that_could_not_be_listed_are_not_none() -> None:
    blind = replace(newer(), unread={"queues/orders": "HTTP 500"})
    (problem,) = blind.planned(document(steps=canary("{share: 100%}"))).problems
    assert problem.summary == "Queues of a namespace cannot be listed"
    assert "orders: HTTP 500" in problem.detail
    other = replace(newer(), unread={"queues/billing": "HTTP 500"})
    assert other.planned(document(steps=canary("{share: 100%}"))).problems == ()


def test_an_independent_queue_is_left_out_by_a_selector() -> None:
    independent = (
        "gates:\n",
        "  independent_queues: [mail]\ngates:\n",
    )
    fleet = with_mail(newer())
    planning = fleet.planned(document(independent, steps=canary("{share: 100%}")))
    assert problems(planning.problems) == ""
    assert not any("mail" in operation for operation in ids(planning))


def test_a_queue_whose_workers_are_gone_needs_nobody() -> None:
    fleet = newer().having({mail("build-1"): Workers(replicas=0, active=0)})
    assert problems(fleet.planned(document(steps=canary("{share: 100%}"))).problems) == ""


def test_two_queues_of_one_canary_are_both_there_before_either_gets_work() -> None:
    planning = with_mail(newer()).planned(
        document(
            WITH_MAIL,
            steps=canary("{smoke: {workflow_type: ping}}, {share: 100%}", "[critical, mail]"),
        )
    )
    order = ids(planning)
    assert problems(planning.problems) == ""
    assert order.index("canary/mail/started") < order.index("canary/smoke-1/critical")
    assert order.index("canary/smoke-1/mail") < order.index("canary/share-2/critical/promote")
    assert order[-2:] == ["canary/critical/proved", "canary/mail/proved"]


def test_an_entry_that_only_declares_gets_nothing_of_the_step() -> None:
    declares = (
        WITH_MAIL[0],
        WITH_MAIL[0]
        + "    - {task_queue: critical, namespace: billing, from: build-1, serves: [x]}\n",
    )
    planning = newer().planned(document(declares, NAMESPACES, steps=canary("{share: 100%}")))
    assert not any("billing" in operation for operation in ids(planning))


# --- worker-canary, by marker


def test_a_canary_by_marker_walks_the_nodes_and_hands_the_scheduler_over_last() -> None:
    steps = canary("{smoke: {workflow_type: ping}}, {share: 50%}, {share: 100%, bake: 1m}")
    planning = three_nodes().planned(document(THREE, steps=SCHEMA + steps))
    assert problems(planning.problems) == ""
    assert [i for i in ids(planning) if i.endswith(("/replace", "/stop", "/bake"))] == [
        "canary/smoke-1/api-1/replace",
        "canary/share-2/api-2/replace",
        "canary/share-2/bake",
        "canary/share-3/api-3/replace",
        "canary/share-3/bake",
        "canary/share-3/scheduler/stop",
    ]
    first = ids(planning)
    group = [i for i in first if i.startswith("canary/smoke-1/")]
    assert group[:5] == [
        "canary/smoke-1/api-1/detach",
        "canary/smoke-1/api-1/replace",
        "canary/smoke-1/api-1/ready",
        "canary/smoke-1/critical",
        "canary/smoke-1/api-1/attach",
    ]
    replaced = arguments(planning, "canary/smoke-1/api-1/replace", ReplaceNodeArguments)
    assert isinstance(replaced, ReplaceNodeArguments)
    assert (replaced.image, replaced.set_marker, replaced.marker) == (None, True, "build-2")
    smoke = arguments(planning, "canary/smoke-1/critical", SmokeRunsArguments)
    assert isinstance(smoke, SmokeRunsArguments)
    assert (smoke.pinned, smoke.node) == (False, "api-1")


THREE = (
    '    - {name: api-2, url: "http://api-2:8080"}\n',
    '    - {name: api-2, url: "http://api-2:8080"}\n    - {name: api-3, url: "http://api-3:8080"}\n',
)


def three_nodes() -> Fleet:
    names = ("api-1", "api-2", "api-3")
    fleet = older()
    return replace(
        fleet,
        images=dict.fromkeys(names, "server-old"),
        markers=dict.fromkeys((*names, "scheduler"), "build-1"),
    )


def test_a_share_of_nodes_is_rounded_up_and_counts_those_that_carry_the_marker() -> None:
    planning = three_nodes().planned(document(THREE, steps=canary("{share: 34%}, {share: 100%}")))
    replaced = [i for i in ids(planning) if i.endswith("/replace")]
    assert replaced == [
        "canary/share-1/api-1/replace",
        "canary/share-1/api-2/replace",
        "canary/share-2/api-3/replace",
    ]


def test_gates_stand_between_the_nodes_of_a_share() -> None:
    steps = (
        "  - {id: canary, uses: worker-canary, gates: [served],"
        " with: {task_queue: critical, stages: [{share: 100%, bake: 1m}]}}\n"
    )
    order = ids(three_nodes().planned(document(THREE, steps=steps)))
    walk = [i for i in order if i.endswith(("/attach", "/served", "/bake"))]
    assert walk[:7] == [
        "canary/share-1/api-1/attach",
        "canary/share-1/api-1/gate/served",
        "canary/share-1/api-2/attach",
        "canary/share-1/api-2/gate/served",
        "canary/share-1/api-3/attach",
        "canary/share-1/bake",
        "canary/share-1/gate/served",
    ]


def test_a_second_smoke_runs_at_a_node_that_carries_the_marker_already() -> None:
    steps = canary("{share: 50%}, {smoke: {workflow_type: ping}}, {share: 100%}")
    planning = older().planned(document(steps=steps))
    smoke = planning.plan.operation("canary/smoke-2/critical")
    assert smoke.group is None
    assert "canary/smoke-2/api-1/detach" not in ids(planning)


def test_one_marker_is_one_build_on_every_queue() -> None:
    two = (
        WITH_MAIL[0],
        WITH_MAIL[1].replace("to: build-2, image: mail-2", "to: build-3, image: mail-2"),
    )
    planning = with_mail(older()).planned(document(two, steps=canary("{share: 100%}")))
    assert "More than one build under one marker" in summaries(planning)


def test_under_one_marker_every_cohort_of_the_release_is_there_before_the_first_node() -> None:
    steps = SCHEMA + canary("{share: 100%}")
    planning = with_mail(older()).planned(document(WITH_MAIL, steps=steps))
    order = ids(planning)
    assert problems(planning.problems) == ""
    assert order.index("canary/mail/started") < order.index("canary/share-1/api-1/detach")


def test_an_independent_queue_is_none_under_markers() -> None:
    independent = ("gates:\n", "  independent_queues: [mail]\ngates:\n")
    planning = with_mail(older()).planned(document(independent, steps=canary("{share: 100%}")))
    assert "Nobody would serve the new build on another queue" in summaries(planning)


# --- promote


PROMOTE = (
    "  - {id: go, uses: promote, with: {task_queue: critical, cohort: build-2}, gates: [served]}\n"
)


def test_promotion_by_selection_is_one_write_and_its_gates() -> None:
    fleet = newer().having({critical("build-2"): Workers(selected=False, image="workers-2")})
    planning = fleet.planned(document(steps=PROMOTE))
    assert ids(planning) == ["go/critical/promote", "go/gate/served"]
    promote = arguments(planning, "go/critical/promote", PromoteBuildArguments)
    assert isinstance(promote, PromoteBuildArguments)
    assert (promote.n, promote.others) == (6, (critical("build-1"),))


def test_promotion_by_marker_is_a_walk() -> None:
    fleet = older().having({critical("build-2"): Workers(image="workers-2")})
    order = ids(fleet.planned(document(steps=PROMOTE)))
    assert [i for i in order if i.endswith(("/replace", "/stop"))] == [
        "go/markers/api-1/replace",
        "go/markers/api-2/replace",
        "go/markers/scheduler/stop",
    ]


def test_promotion_of_a_build_that_no_step_has_brought_is_refused() -> None:
    assert "The build is not there yet" in summaries(newer().planned(document(steps=PROMOTE)))


def test_promotion_resumes_what_drains() -> None:
    drained = Workers(selected=False, image="workers-2", drain_intent="draining")
    planning = newer().having({critical("build-2"): drained}).planned(document(steps=PROMOTE))
    assert ids(planning)[:2] == ["go/critical/resume", "go/critical/promote"]
    assert problems(planning.problems) == ""


# --- drain


def drain(queue: str = "critical", more: str = "") -> str:
    return (
        "  - {id: drain, uses: drain, with: {task_queue: "
        f"{queue}, cohort: build-1, within: 1h{more}}}}}\n"
    )


def test_a_drain_asks_first_writes_then_and_proves_last() -> None:
    planning = newer().planned(document(steps=canary("{share: 100%}") + drain()))
    assert problems(planning.problems) == ""
    acts = [i for i in ids(planning) if i.startswith("drain/")]
    assert acts == [
        "drain/critical/quiesced",
        "drain/critical/drain",
        "drain/critical/lease-free",
        "drain/critical/stop",
        "drain/critical/retired",
    ]
    leaving = arguments(planning, "drain/critical/drain", LeavingArguments)
    assert isinstance(leaving, LeavingArguments)
    assert leaving.cohort == critical("build-1")
    assert critical("build-2") in leaving.others


def test_of_two_queues_nothing_is_stopped_before_both_are_drained() -> None:
    steps = canary("{share: 100%}", "[critical, mail]") + drain("[critical, mail]")
    planning = with_mail(newer()).planned(document(WITH_MAIL, steps=steps))
    order = ids(planning)
    assert order.index("drain/mail/drain") < order.index("drain/critical/stop")


def test_a_drain_knows_which_smoke_runs_vouch_for_the_successor() -> None:
    steps = canary("{smoke: {workflow_type: ping}}, {share: 100%}") + drain()
    planning = newer().planned(document(steps=steps))
    leaving = arguments(planning, "drain/critical/stop", LeavingArguments)
    assert isinstance(leaving, LeavingArguments)
    assert leaving.smokes == ("canary/smoke-1/critical",)


def test_the_plan_carries_what_becomes_of_pinned_runs() -> None:
    steps = canary("{share: 100%}") + drain(more=", pinned_runs: strand")
    planning = newer().planned(document(steps=steps))
    leaving = arguments(planning, "drain/critical/quiesced", LeavingArguments)
    assert isinstance(leaving, LeavingArguments)
    assert leaving.pinned_runs.value == "strand"


def test_a_drain_that_must_be_through_before_its_proof_can_be_is_refused() -> None:
    steps = canary("{share: 100%}") + drain().replace("within: 1h", "within: 59s")
    (problem,) = newer().planned(document(steps=steps)).problems
    assert problem.summary == "Within is shorter than the proof takes"
    assert "stay zero for 1m" in problem.detail
    assert "`within` is 59s" in problem.detail


def test_a_drain_with_nobody_in_its_place_is_blocked_and_names_what_comes_first() -> None:
    planning = newer().planned(document(steps=drain()))
    (stage,) = (s for s in staged_all(newer(), planning) if s.operation.kind == "drain_cohort")
    assert stage.change.kind is ChangeKind.BLOCKED
    assert "critical@build-1 itself is selected" in stage.change.sentence
    assert "`worker-canary`" in stage.change.hint


def test_a_drain_of_the_last_cohort_that_serves_a_carried_marker_is_blocked() -> None:
    fleet = older().having({critical("build-2"): Workers(image="workers-2")})
    planning = fleet.planned(document(steps=drain()))
    (stage,) = (s for s in staged_all(fleet, planning) if s.operation.kind == "drain_cohort")
    assert stage.change.kind is ChangeKind.BLOCKED
    assert "marker of node api-1, node api-2, scheduler" in stage.change.sentence


def staged_all(fleet: Fleet, planning: Planning) -> tuple[Stage, ...]:
    return staged(planning.plan.operations, fleet.observation, fleet.situation)


# --- restore


RESTORE = (
    "  - {id: back, uses: restore, with: {task_queue: critical, good: build-1, bad: build-2}}\n"
)


def test_restore_brings_good_up_gives_it_the_starts_and_takes_bad_away() -> None:
    fleet = newer().having(
        {
            critical("build-1"): Workers(selected=False, replicas=0, drain_intent="draining"),
            critical("build-2"): Workers(selected=True, image="workers-2", replicas=4),
        }
    )
    planning = fleet.planned(document(steps=RESTORE))
    assert ids(planning) == [
        "back/critical/resume",
        "back/critical/deploy",
        "back/critical/started",
        "back/critical/promote",
        "back/critical/quiesced",
        "back/critical/drain",
        "back/critical/lease-free",
        "back/critical/stop",
        "back/critical/retired",
    ]
    deploy = arguments(planning, "back/critical/deploy", DeployCohortArguments)
    assert isinstance(deploy, DeployCohortArguments)
    assert (deploy.image, deploy.replicas) == (None, 4), "the driver's image, as many as there are"


def test_restore_by_marker_walks_back() -> None:
    fleet = older().having(
        {
            critical("build-1"): Workers(replicas=0),
            critical("build-2"): Workers(image="workers-2"),
        }
    )
    fleet = replace(fleet, markers=dict.fromkeys(fleet.markers, "build-2"))
    order = ids(fleet.planned(document(steps=RESTORE)))
    walked = [order.index(f"back/markers/{node}/replace") for node in ("api-1", "api-2")]
    assert order.index("back/critical/started") < min(walked)
    assert max(walked) < order.index("back/critical/quiesced")

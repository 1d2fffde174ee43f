"""Before the first write: each precondition is broken on purpose, and the plan says which and why."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rollout_kit.document.plan import PlanDocument
from rollout_kit.model.identity import QueueRef
from rollout_kit.model.observation import Absent, cohort_fact, node_fact
from rollout_kit.model.operation import ChangeKind
from rollout_kit.model.situation import CohortNumbers, Count, Situation
from rollout_kit.operations.asking import CANNOT
from rollout_kit.operations.queues import NAMESPACES, queue_fact
from rollout_kit.planning.api import Problem
from rollout_kit.planning.draft import staged
from rollout_kit.planning.planner import WHOLE_PLAN, plan
from tests.planning.fleets import (
    FLEET_ENVIRONMENT,
    Fleet,
    Workers,
    arrived,
    critical,
    document,
    newer,
    older,
    run,
)

DRAIN = "{id: drain, uses: drain, with: {task_queue: critical, cohort: build-1, within: 1h}}"
TYPO = (("from: build-1", "from: build-l"), (DRAIN, DRAIN.replace("build-1", "build-l")))
SCHEMA = "  - {id: schema, uses: bootstrap, with: {additive: true}}\n"
API = "  - {id: api, uses: api-cutover}\n"
CANARY = (
    "  - {id: canary, uses: worker-canary, with: {task_queue: critical, stages: [{share: 100%}]}}\n"
)


def refusals(fleet: Fleet, plan: PlanDocument | None = None) -> tuple[Problem, ...]:
    return fleet.planned(plan or document()).problems


def refusal(fleet: Fleet, summary: str, plan: PlanDocument | None = None) -> Problem:
    """The one problem of this summary."""
    found = refusals(fleet, plan)
    named = [problem for problem in found if problem.summary == summary]
    assert len(named) == 1, found
    return named[0]


def summaries(fleet: Fleet, plan: PlanDocument | None = None) -> set[str]:
    return {problem.summary for problem in refusals(fleet, plan)}


# --- the server's versions ------------------------------------------------------------------------


def test_rule_1_a_new_version_without_bootstrap_is_refused() -> None:
    found = refusal(newer(), "Bootstrap does not come first", document(steps=API))
    assert found.rule == 1
    assert found.step == "api"
    assert 'is "0.2.9" and has to be "0.2.10"' in found.detail


def test_rule_1_a_bootstrap_of_another_revision_is_refused() -> None:
    other = SCHEMA.replace("additive: true", "additive: true, revision: r7")
    found = refusal(newer(), "Bootstrap does not come first", document(steps=other + API))
    assert 'is "r7" and has to be "0.2.10"' in found.detail


@pytest.mark.parametrize(
    ("fleet", "steps"),
    [
        (newer(), SCHEMA + API),
        (replace(newer(), revision="0.2.10"), API),
        (newer(), CANARY),  # the server stays as it is
    ],
)
def test_rule_1_a_schema_that_is_there_in_time_is_enough(fleet: Fleet, steps: str) -> None:
    assert "Bootstrap does not come first" not in summaries(fleet, document(steps=steps))


def test_rule_2_a_node_of_a_third_version_is_refused() -> None:
    fleet = replace(newer(), images={"api-1": "server-old", "api-2": "server-older"})
    found = refusal(fleet, "Versions may not live together")
    assert found.rule == 2
    assert 'Node api-2 shows "0.1.7", neither from 0.2.9 nor to 0.2.10' in found.detail


def test_a_fleet_whose_nodes_give_no_answer_is_refused_for_that_and_not_for_its_versions() -> None:
    silent = {f"node/{node}/version": Absent.NO_ANSWER for node in ("api-1", "api-2")}
    fleet = replace(newer(), more=silent)
    found = [p for p in refusals(fleet) if p.rule == 2]
    assert [p.summary for p in found] == ["A node gives no answer"] * 2
    assert "node api-1" in found[0].detail


def test_rule_2_versions_that_are_not_adjacent_are_refused() -> None:
    far = document(("from: 0.2.9, to: 0.2.10", "from: 0.2.9, to: 0.4.0"))
    assert (
        "0.2.9 and 0.4.0 are not adjacent"
        in refusal(newer(), "Versions may not live together", far).detail
    )


def test_an_image_that_nobody_can_run_is_refused() -> None:
    fleet = replace(newer(), more={"image/server-new/known": False})
    assert "release.server.image is server-new" in refusal(fleet, "Unknown image").detail


def test_rule_18_what_the_server_was_not_seen_to_do_is_refused() -> None:
    blind = replace(newer(), capabilities=frozenset())
    promote = "  - {id: up, uses: promote, with: {task_queue: critical, cohort: build-2}}\n"
    both = {c: replace(w, selected=None) for c, w in blind.cohorts.items()}
    there = replace(blind, cohorts=both).having({critical("build-2"): Workers()})
    found = refusal(there, "Server cannot do this", document(steps=promote))
    assert (found.rule, found.step) == (18, "up")
    assert "it was seen to do nothing" in found.detail


# --- the fleet's shape ----------------------------------------------------------------------------


def test_an_embedded_server_is_refused() -> None:
    fleet = replace(newer(), topology="embedded/application_process/api_ingress/")
    found = [problem for problem in refusals(fleet) if problem.summary == "Embedded server"]
    assert len(found) == 2


ENVIRONMENTS = {
    "unpinned-fingerprints": {**FLEET_ENVIRONMENT, "DW_V2_PIN_TO_RECORDED_FINGERPRINT": "false"},
    "single-node-mode": {"DB_HOST": "db", "CACHE_STORE": "redis"},
    "separate-databases": {**FLEET_ENVIRONMENT, "DB_HOST": "other-db"},
    "separate-caches": {**FLEET_ENVIRONMENT, "CACHE_STORE": "array"},
}


@pytest.mark.parametrize("accept", ENVIRONMENTS)
def test_what_several_nodes_need_is_refused_or_accepted_with_a_reason(accept: str) -> None:
    fleet = replace(newer(), environments={"api-2": ENVIRONMENTS[accept]})
    found = refusals(fleet)
    assert {problem.accept for problem in found} == {accept}
    assert "api-2" in found[0].detail
    accepting = document(
        ("namespace: orders\n", f'namespace: orders\n  accept: {{{accept}: "we know"}}\n')
    )
    assert refusals(fleet, accepting) == ()
    notes = fleet.planned(accepting).notes[WHOLE_PLAN]
    assert any(note.startswith(f"accepted ({accept})") and "we know" in note for note in notes)


def test_an_acceptance_of_nothing_is_noted() -> None:
    accepting = document(("namespace: orders\n", "namespace: orders\n  accept: {single-node: x}\n"))
    notes = newer().planned(accepting).notes[WHOLE_PLAN]
    assert any(
        'single-node, which is no precondition. Did you mean "single-node-mode"?' in note
        for note in notes
    )


def test_a_driver_that_cannot_tell_what_runs_is_refused_unless_accepted() -> None:
    unread = {node_fact("api-1", "spec"): f"{CANNOT} spec"}
    fleet = replace(newer(), unread=unread, more={node_fact("api-1", "spec_json"): None})
    found = refusal(fleet, "Node cannot be judged")
    assert found.accept == "unread-node-specs"


def test_a_script_that_cannot_tell_what_runs_replaces_nothing_whoever_accepts_it() -> None:
    unread = {node_fact(node, "spec"): f"{CANNOT} spec" for node in ("api-1", "api-2")}
    facts = {node_fact(node, "spec_json"): None for node in ("api-1", "api-2")}
    fleet = replace(newer(), unread=unread, more=facts)
    script = ("{driver: process, fleet: fleet.yaml}", "{driver: command, argv: [./fleet.sh]}")
    mine = (
        "  credentials: {operator",
        "  accept: {unread-node-specs: mine}\n  credentials: {operator",
    )
    found = refusal(fleet, "What runs is not known", document(script, mine))
    assert found.detail.startswith("The script does not answer spec: what api/api-1/detach and ")
    assert found.accept is None
    verify = document(script, mine, steps="  - {id: verify, uses: verify}\n")
    assert "What runs is not known" not in summaries(fleet, verify)


# --- cohorts and what gives them work -------------------------------------------------------------


def test_rule_10_a_build_that_nobody_ever_ran_is_refused_with_the_likely_one() -> None:
    found = refusal(newer(), "Unknown build", document(*TYPO))
    assert (found.rule, found.step, found.hint) == (10, "drain", 'Did you mean "build-1"?')
    assert found.line > 0


def test_rule_10_a_queue_that_nobody_ever_polled_is_refused() -> None:
    elsewhere = Fleet(
        cohorts={critical("build-1", queue="critcal"): Workers(selected=True)},
        more={queue_fact(QueueRef(namespace="orders", task_queue="critical")): True},
    )
    found = refusal(elsewhere, "Unknown task queue")
    assert (found.rule, found.hint) == (10, 'Did you mean "critcal"?')


def test_rule_10_a_typo_is_refused_also_where_nothing_is_left_to_do() -> None:
    elsewhere = replace(
        arrived(newer()),
        cohorts={critical("build-2", queue="critcal"): Workers(selected=True)},
        more={queue_fact(QueueRef(namespace="orders", task_queue="critical")): True},
    )
    only_drain = document(steps=f"  - {DRAIN}\n")
    assert summaries(elsewhere, only_drain) == {"Unknown task queue"}


def test_rule_10_a_new_queue_is_no_unknown_one() -> None:
    queue = QueueRef(namespace="orders", task_queue="critical")
    empty = replace(newer(), cohorts={}, more={queue_fact(queue): True})
    fresh = document(("from: build-1, to: build-2", "to: build-2"), steps=SCHEMA + CANARY)
    assert "Unknown task queue" not in summaries(empty, fresh)


def test_a_queue_with_live_unversioned_workers_is_refused() -> None:
    fleet = newer().having({critical(None): Workers(replicas=2)})
    found = refusal(fleet, "Queue with live unversioned workers")
    counted = "2 active, 0 draining, 0 stale, 2 processes, 2 desired"
    assert found.detail.startswith(f"critical@(unversioned) has {counted}. ")
    gone = newer().having({critical(None): Workers(replicas=0)})
    assert refusals(gone) == ()


def unversioned(numbers: CohortNumbers, replicas: int | None = None) -> tuple[Problem, ...]:
    """What is refused where the queue has an unversioned cohort with these numbers."""
    fleet, cohort = newer(), critical(None)
    wanted = {cohort_fact(cohort, "replicas"): replicas}
    situation = fleet.situation.merged(Situation(cohorts={cohort.path: numbers}))
    observation = fleet.observation.with_facts(wanted)
    return plan(document(), observation, situation, fleet.capabilities).problems


NO_ROWS = CohortNumbers(active=0, draining=0, stale=0, total=0)


@pytest.mark.parametrize(
    ("numbers", "replicas", "words"),
    [
        (replace(NO_ROWS, draining=2), None, "2 draining"),
        (replace(NO_ROWS, stale=2, processes=2), None, "2 stale, 2 processes"),
        (replace(NO_ROWS, processes=1), 0, "1 processes"),
        (replace(NO_ROWS, stale=1, leases=Count(at_least=1)), None, "1 leases"),
        (NO_ROWS, 3, "3 desired"),
    ],
    ids=["draining rows", "silent workers", "not stopped yet", "at work", "wanted"],
)
def test_unversioned_workers_are_there_in_more_than_active_rows(
    numbers: CohortNumbers, replicas: int | None, words: str
) -> None:
    (found,) = unversioned(numbers, replicas)
    assert (found.summary, found.accept) == ("Queue with live unversioned workers", None)
    assert words in found.detail


def test_stale_unversioned_rows_that_nobody_counts_are_a_person_s_to_judge() -> None:
    (found,) = unversioned(replace(NO_ROWS, stale=2))
    assert found.summary == "Queue with stale unversioned workers"
    assert found.accept == "stale-unversioned-workers"
    assert unversioned(replace(NO_ROWS, stale=2, processes=0), 0) == (), "the driver counts none"
    assert unversioned(NO_ROWS) == ()


def test_rule_14_a_queue_that_was_not_read_is_not_free_of_unversioned_workers() -> None:
    queue = QueueRef(namespace="orders", task_queue="critical")
    silent = replace(newer(), more={queue_fact(queue): Absent.NO_ANSWER})
    found = refusal(silent, "Whether a queue has unversioned workers cannot be told")
    assert found.rule == 14


def test_rule_11_the_current_build_is_selected_before_a_second_cohort_appears() -> None:
    fleet = replace(newer(), cohorts={critical("build-1"): Workers(selected=False)})
    planning = fleet.planned(document())
    assert planning.problems == ()
    ids = [operation.id for operation in planning.plan.operations]
    assert ids.index("canary/critical/select-current") < ids.index("canary/critical/deploy")

    without = [op for op in planning.plan.operations if not op.id.endswith("select-current")]
    (deploy,) = [
        stage
        for stage in staged(without, fleet.observation, fleet.situation)
        if stage.operation.id == "canary/critical/deploy"
    ]
    assert deploy.change.kind is ChangeKind.BLOCKED
    assert "(rule 11)" in deploy.change.sentence


def test_rule_13_two_codes_under_one_build_id_are_refused() -> None:
    fleet = newer().having(
        {critical("build-1"): Workers(selected=True, conflicts=("order-workflow",))}
    )
    found = refusal(fleet, "Fingerprints conflict")
    assert found.rule == 13
    assert "different code for order-workflow" in found.detail


def test_rule_15_a_dead_way_back_is_refused() -> None:
    fleet = newer().having({critical("build-1"): Workers(selected=True, active=0)})
    found = refusal(fleet, "The way back is dead")
    assert (found.rule, found.step) == (15, "canary")
    assert "would give the work back to critical@build-1, which has 0 active" in found.detail


def test_rule_15_a_dead_way_back_of_markers_is_refused() -> None:
    fleet = older().having({critical("build-1"): Workers(active=0)})
    found = refusal(fleet, "The way back is dead")
    assert "give the work back to build build-1" in found.detail


def test_rule_15_is_not_asked_of_a_forward_only_plan() -> None:
    fleet = newer().having({critical("build-1"): Workers(selected=True, active=0)})
    forward = document(
        ("rollback: {within: 1h}", "rollback: {forward_only: the old build loses orders}"),
        ("on_failure: rollback\n", ""),
    )
    assert "The way back is dead" not in summaries(fleet, forward)


def test_rule_15_an_idle_fleet_without_heartbeats_is_alive() -> None:
    assert refusals(replace(older(), heartbeats=False)) == ()


def test_rule_19_draining_the_last_cohort_of_a_carried_marker_is_refused() -> None:
    # Another build is there and serves nothing that the markers pin.
    fleet = older().having({critical("build-2"): Workers(image="workers-2")})
    found = refusal(
        fleet, "Nobody would serve the new runs", document(steps=SCHEMA + f"  - {DRAIN}\n")
    )
    assert (found.rule, found.step) == (19, "drain")
    assert "After drain/critical/stop nobody serves build-1" in found.detail
    assert "(`promote`, or `api-cutover` with promote: true)" in found.hint


def test_rule_19_a_cohort_that_serves_the_marker_may_take_its_place() -> None:
    fleet = older().having({critical("build-2"): Workers(image="workers-2")})
    serving = document(
        ("replicas: 6", 'replicas: 6, serves: ["build-1"]'), steps=SCHEMA + f"  - {DRAIN}\n"
    )
    assert "Nobody would serve the new runs" not in summaries(fleet, serving)


# --- markers are the process's --------------------------------------------------------------------


def test_a_plan_that_moves_markers_needs_the_admin_credential() -> None:
    poor = document((', admin: "${env:ADMIN}"', ""))
    assert "credentials.admin" in refusal(older(), "Admin credential is missing", poor).hint
    assert "Admin credential is missing" not in summaries(newer(), poor)


def test_a_namespace_that_the_plan_does_not_name_blocks_a_change_of_markers() -> None:
    bills = critical("build-1", namespace="billing", queue="bills")
    fleet = older().having({bills: Workers()})
    found = refusal(fleet, "Namespace is not in the plan")
    assert found.detail.startswith("billing has 6 workers on bills")
    assert "Namespace is not in the plan" not in summaries(newer().having({bills: Workers()}))


def test_open_runs_of_an_unnamed_namespace_block_it_too() -> None:
    queue = QueueRef(namespace="billing", task_queue="bills")
    fleet = replace(older(), runs=(run("bill-1", "build-1", queue),))
    assert refusal(fleet, "Namespace is not in the plan").detail.startswith("billing has 1 open")


@pytest.mark.parametrize("key", [NAMESPACES, "runs/billing"])
def test_a_namespace_that_cannot_be_read_blocks_a_change_of_markers(key: str) -> None:
    fleet = replace(older(), unread={key: "403 forbidden"})
    assert "403 forbidden" in refusal(fleet, "Namespace cannot be read").detail
    assert "Namespace cannot be read" not in summaries(replace(newer(), unread={key: "403"}))


def test_all_problems_come_at_once_in_the_order_of_the_file() -> None:
    broken = replace(
        newer(),
        images={"api-1": "server-old", "api-2": "server-older"},
        environments={"api-2": ENVIRONMENTS["unpinned-fingerprints"]},
    )
    found = refusals(broken, document(*TYPO))
    assert {"Versions may not live together", "Unknown build"} <= {p.summary for p in found}
    assert [p.line for p in found] == sorted(p.line for p in found)

"""Every safety rule broken on purpose, where a user would meet it: in a preview, in a rollout, in a rollback.

`RULES` says where each is enforced. A rule that is enforced nowhere, or whose place does not say so, fails.
"""

from __future__ import annotations

import importlib
import json
import sys
from dataclasses import replace

import pytest

from rollout_kit.document.plan import PlanDocument
from rollout_kit.emulator.model.records import Rollout
from rollout_kit.emulator.model.settings import Generation
from rollout_kit.emulator.store import write_log
from rollout_kit.journal.memory_journal import MemoryStore as JournalStore
from rollout_kit.model.events import (
    HoldKind,
    HoldReleased,
    Outcome,
    RollbackStarted,
    RolloutHeld,
)
from rollout_kit.model.state import RolloutState
from rollout_kit.ports.errors import Unavailable
from rollout_kit.ports.infra import CohortSpec, LiveProcess
from rollout_kit.simulation.fleet import ServerImage
from rollout_kit.simulation.world import FROM, NEW, OLD, TO, UnusablePlan, World, cohort
from rollout_kit.transport.messages import Request, Response
from tests.safety import test_interference, test_walks
from tests.safety.moments import at_record, back, replaced, when
from tests.safety.plans import (
    QUICK_GUARDS,
    SCHEDULER,
    SCHEMA,
    SMOKE_THEN_ALL,
    api,
    canary,
    drain,
    held,
    outcome,
    problems,
    read,
    sentence,
    small,
    worker,
)

BOTH = pytest.mark.parametrize("generation", list(Generation), ids=lambda g: g.value)
ASKED = RollbackStarted(cause="asked", actor="me")
O = cohort("orders", OLD)  # noqa: E741 - the old one
N = cohort("orders", NEW)
OLDER = {Generation.V2: "2.3.13", Generation.V0_2: "0.2.8"}
UNGUARDED = "\n".join(
    f"  {name}: {{off: 'broken on purpose here'}}"
    for name in ("served", "supporters", "attached-ready", "repair-near-baseline")
)

RULES: dict[int, tuple[tuple[str, ...], tuple[str, ...]]] = {
    1: (
        (
            "rollout_kit.planning.order:bootstrap_first",
            "rollout_kit.operations.schema:schema_ready",
        ),
        ("test_1_a_plan_without_bootstrap", "test_1_a_schema_that_is_no_longer_proved"),
    ),
    2: (
        ("rollout_kit.planning.order:adjacent_versions", "rollout_kit.operations.skew:judge_skew"),
        ("test_2_versions_that_are_not_adjacent", "test_2_a_node_of_a_third_version"),
    ),
    3: (
        (
            "rollout_kit.planning.node_group:rotation_problems",
            "rollout_kit.operations.rotation:may_leave",
            "rollout_kit.operations.rotation:may_restart",
        ),
        (
            "test_3_the_only_node",
            "test_3_a_node_whose_fellow_is_not_ready",
            "test_3_a_second_node_out_of_rotation",
            "test_3_in_a_rollback",
        ),
    ),
    4: (
        (
            "rollout_kit.planning.steps.api_cutover:_indistinct",
            "rollout_kit.operations.node_identity:not_as_planned",
            "rollout_kit.operations.rotation:may_return",
            "rollout_kit.operations.kinds.await_node:AwaitNode.verify",
        ),
        (
            "test_4_nothing_tells_old_from_new",
            "test_4_a_node_that_comes_up_wrong",
            "test_4_in_a_rollback",
        ),
    ),
    5: (
        (
            "rollout_kit.operations.rotation:why_not_ready",
            "rollout_kit.operations.kinds.await_nodes:AwaitNodes.verify",
            "rollout_kit.operations.measure:_not_ready",
        ),
        ("test_5_this_node_is_told_from_nothing",),
    ),
    6: (
        (
            "rollout_kit.operations.kinds.stop_scheduler:StopScheduler.verify",
            "rollout_kit.operations.kinds.start_scheduler:StartScheduler.ready_to_apply",
        ),
        (
            "test_6_a_scheduler_that_does_not_go",
            "test_6_a_second_scheduler",
            "test_6_in_a_rollback",
        ),
    ),
    7: (
        (
            "rollout_kit.operations.kinds.drain_cohort:DrainCohort.preview",
            "rollout_kit.operations.departure:not_the_last",
        ),
        (
            "test_7_the_only_cohort",
            "test_7_a_successor_that_died",
            "test_7_in_a_rollback",
        ),
    ),
    8: (
        (
            "rollout_kit.operations.departure:retired",
            "rollout_kit.operations.kinds.await_retired:AwaitRetired.verify",
        ),
        ("test_8_processes_that_linger", "test_8_in_a_rollback"),
    ),
    9: (
        ("rollout_kit.operations.departure:needing",),
        ("test_9_an_open_run_pinned_to_it", "test_9_in_a_rollback"),
    ),
    10: (
        (
            "rollout_kit.planning.routing:known_cohorts",
            "rollout_kit.operations.cohort_change:unknown",
            "rollout_kit.operations.starts:known",
        ),
        ("test_10_unknown_names",),
    ),
    11: (
        (
            "rollout_kit.planning.steps.worker_canary:_select_current",
            "rollout_kit.operations.kinds.deploy_cohort:_refused",
        ),
        ("test_11_nothing_is_selected", "test_11_the_selection_is_lost"),
    ),
    12: (
        ("rollout_kit.operations.kinds.promote_build:PromoteBuild.compensate",),
        ("test_12_no_rollback_burns", "test_12_a_burnt_build"),
    ),
    13: (
        (
            "rollout_kit.planning.work:one_code_per_cohort",
            "rollout_kit.operations.liveness:conflicting",
        ),
        ("test_13_two_codes_before", "test_13_two_codes_in_the_new_cohort"),
    ),
    14: (
        ("rollout_kit.operations.measure:sample",),
        ("test_14_a_metric_that_is_missing", "test_14_a_count_that_is_missing"),
    ),
    15: (
        (
            "rollout_kit.planning.work:way_back_is_alive",
            "rollout_kit.operations.kinds.promote_build:PromoteBuild.ready_to_apply",
        ),
        ("test_15_the_way_back_is_dead", "test_15_in_a_rollback"),
    ),
    16: (
        ("rollout_kit.execution.decide:_answer",),
        ("test_16_a_symptom_that_nobody_listed",),
    ),
    17: (
        ("rollout_kit.execution.drift:drift",),
        (
            "test_a_drain_by_somebody_else_holds_until_it_is_accepted",
            "test_drift_in_an_open_group_closes_it_first",
            "test_in_a_rollback_drift_stops_only_the_undos_it_touches",
        ),
    ),
    18: (
        (
            "rollout_kit.planning.order:capable",
            "rollout_kit.operations.queues:_capabilities",
        ),
        (
            "test_18_a_version_string_decides_nothing",
            "test_18_a_capability_that_is_gone",
            "test_18_a_marker_where_a_selector",
        ),
    ),
    19: (
        (
            "rollout_kit.planning.work:served_markers",
            "rollout_kit.operations.supporters:may_carry",
            "rollout_kit.operations.departure:markers_lost",
            "rollout_kit.operations.pins:unserved_markers",
        ),
        (
            "test_19_a_marker_that_nobody_serves",
            "test_19_workers_that_die_before_the_marker",
            "test_19_in_a_rollback",
            "test_19_the_guard",
        ),
    ),
}


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_has_its_place_and_its_tests(rule: int) -> None:
    places, tests = RULES[rule]
    for place in places:
        module, _, path = place.partition(":")
        found = importlib.import_module(module)
        for name in path.split("."):
            found = getattr(found, name)
        assert f"Rule {rule}" in (found.__doc__ or ""), f"{place} does not cite rule {rule}"
    modules = (sys.modules[__name__], test_interference, test_walks)
    names = [name for module in modules for name in vars(module)]
    for test in tests:
        assert any(name.startswith(test) for name in names), test


def test_the_table_names_every_rule() -> None:
    assert list(RULES) == list(range(1, 20))


def images(world: World) -> dict[str, str]:
    return {name: node.spec.image for name, node in world.fleet.nodes.items()}


def at(state: RolloutState, operation: str) -> str:
    """Why this operation did not come true."""
    return state.operations[operation].reason


# --- 1: bootstrap first -----------------------------------------------------------------------------


@BOTH
def test_1_a_plan_without_bootstrap_is_refused_with_both_revisions(generation: Generation) -> None:
    world = small(generation)
    found = problems(world, api())
    assert "[rule 1]" in found
    assert f'has to be "{TO[generation]}"' in found
    assert "schema revision is none" in found


@BOTH
def test_1_a_schema_that_is_no_longer_proved_stops_the_node_before_it_starts(
    generation: Generation,
) -> None:
    world = small(generation)
    document = read(world, SCHEMA, api())
    executor = world.executor(document)
    at_record(executor, "api/api-1/detach", world.fleet.jobs.clear, word="OperationCompleted")
    executor.run()
    assert outcome(executor.state) in (Outcome.ROLLED_BACK, Outcome.ROLLBACK_INCOMPLETE)
    assert f"revision {TO[generation]} is not proved" in sentence(executor.state)
    assert images(world) == {"api-1": "server:old", "api-2": "server:old"}


# --- 2: adjacent versions ---------------------------------------------------------------------------


@BOTH
def test_2_versions_that_are_not_adjacent_are_refused(generation: Generation) -> None:
    world = small(generation)
    server = f"{{from: '{FROM[generation]}', to: '9.0.0', image: 'server:new', identity: version}}"
    found = problems(world, SCHEMA, api(), server=server)
    assert "[rule 2]" in found
    assert f"{FROM[generation]} and 9.0.0 are not adjacent" in found


@BOTH
def test_2_a_node_of_a_third_version_is_refused_in_preview_and_just_before_the_first_write(
    generation: Generation,
) -> None:
    world = small(generation)
    document = read(world, SCHEMA, api())
    executor = world.executor(document)
    odd = OLDER[generation]
    world.images["server:odd"] = ServerImage(version=odd)
    spec = world.fleet.nodes["api-2"].spec
    world.fleet.start_node("api-2", replace(spec, image="server:odd"))
    world.clock.sleep(2.0)
    text = f'shows "{odd}", neither from {FROM[generation]} nor to {TO[generation]}'
    assert text in problems(world, SCHEMA, api())
    executor.run()
    assert text in sentence(executor.state)
    assert world.fleet.jobs == {}, "not even the schema was touched"


@BOTH
def test_2_a_fleet_that_is_silent_for_a_moment_is_waited_for_and_no_wrong_version(
    generation: Generation,
) -> None:
    """Its images alone tell nothing, and the check after the baseline took them for a third version's."""
    world = small(generation)
    document = read(world, SCHEMA, api())
    executor = world.executor(document)
    since_s: list[float] = []

    def silent(request: Request) -> None:
        if len(executor.shell.journal.read()) < 3 or "/cluster/info" not in request.url:
            return
        since_s.append(world.clock.elapsed_s)
        if since_s[-1] - since_s[0] < 4.0:
            raise Unavailable("its answer was lost")

    world.before_request = silent
    executor.run()
    assert since_s
    assert outcome(executor.state) is Outcome.SUCCEEDED, sentence(executor.state)


# --- 3: one node at a time --------------------------------------------------------------------------


@BOTH
def test_3_the_only_node_leaves_only_where_the_outage_is_accepted(generation: Generation) -> None:
    world = small(generation, nodes=1)
    with pytest.raises(UnusablePlan, match="takes the only node out of service"):
        read(world, SCHEMA, api())
    assert problems(world, SCHEMA, api(), target='accept: {outage: "agreed"}') == ""


@BOTH
def test_3_a_node_whose_fellow_is_not_ready_does_not_leave(generation: Generation) -> None:
    world = small(generation)
    document = read(world, SCHEMA, api(within="4s"), guards=UNGUARDED)
    executor = world.executor(document)
    at_record(executor, "schema/nodes", lambda: stop(world, "api-2"), word="OperationCompleted")
    executor.run()
    assert "no other node is ready (api-2: no answer" in at(executor.state, "api/api-1/detach")
    assert world.fleet.nodes["api-1"].attached
    assert images(world)["api-1"] == "server:old"


def stop(world: World, *nodes: str) -> None:
    for node in nodes:
        world.fleet.nodes[node].up_at_s = float("inf")


@BOTH
def test_3_a_second_node_out_of_rotation_is_refused(generation: Generation) -> None:
    world = small(generation)
    executor = world.executor(read(world, SCHEMA, api(within="4s")))
    world.fleet.nodes["api-2"].attached = False
    assert "api-2 is out of rotation, and only one node may be" in problems(world, SCHEMA, api())
    executor.run()
    assert "api-2 is out of rotation, and only one" in at(executor.state, "api/api-1/detach")


@BOTH
def test_3_in_a_rollback_a_node_whose_fellow_is_not_ready_stays_too(generation: Generation) -> None:
    world = small(generation)
    document = read(world, SCHEMA, api(within="4s"), rollback="{within: 10s}")
    world.apply(document)
    stop(world, "api-1")
    _, state = world.apply(document, ASKED)
    assert outcome(state) is Outcome.ROLLBACK_INCOMPLETE
    assert "no other node is ready (api-1: no answer" in sentence(state)
    assert world.fleet.nodes["api-2"].attached
    assert images(world)["api-2"] == "server:new"


# --- 4: what it is said to be -----------------------------------------------------------------------


@BOTH
def test_4_nothing_tells_old_from_new_where_nodes_show_no_provenance(
    generation: Generation,
) -> None:
    world = small(generation)
    server = (
        f"{{from: '{FROM[generation]}', to: '{TO[generation]}', image: 'server:new',"
        " identity: provenance, from_image: 'server:old'}"
    )
    found = problems(world, SCHEMA, api(), server=server)
    assert "[rule 4] Nothing tells old and new nodes apart" in found


@BOTH
def test_4_a_node_that_comes_up_wrong_never_returns(generation: Generation) -> None:
    world = small(generation)
    world.images["server:new"] = ServerImage(version="7.7.7")
    _, state = world.apply(read(world, SCHEMA, api()))
    assert outcome(state) is Outcome.ROLLED_BACK
    assert f'version is "7.7.7", expected "{TO[generation]}"' in sentence(state)
    assert images(world) == {"api-1": "server:old", "api-2": "server:old"}


@BOTH
def test_4_in_a_rollback_an_old_image_that_is_another_now_does_not_return(
    generation: Generation,
) -> None:
    world = small(generation)
    document = read(world, SCHEMA, api(within="4s"), rollback="{within: 12s}")
    world.apply(document)
    world.images["server:old"] = ServerImage(version=OLDER[generation])
    _, state = world.apply(document, ASKED)
    assert outcome(state) is Outcome.ROLLBACK_INCOMPLETE
    was = OLDER[generation]
    assert f'version is "{was}", expected "{FROM[generation]}"' in sentence(state)
    assert [node.attached for node in world.fleet.nodes.values()] == [True, False]


# --- 5: this node or nothing ------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("down", [("api-1",), ("api-1", "api-2")], ids=["one", "all"])
def test_5_this_node_is_told_from_nothing_is_ready(
    generation: Generation, down: tuple[str, ...]
) -> None:
    world = small(generation)
    world.images["server:new"] = ServerImage(version=TO[generation], comes_up=False)
    document = read(world, SCHEMA, api(within="4s"), guards=UNGUARDED)
    when(world, replaced(world, "api-1"), lambda: stop(world, *down))
    _, state = world.apply(document)
    if down == ("api-1",):
        assert "api-1: no answer" in sentence(state)
        assert "the others are ready: it is this node" in sentence(state)
    else:
        assert "nothing is ready" in sentence(state)
        assert "look at what all nodes share" in sentence(state)


# --- 6: one scheduler -------------------------------------------------------------------------------


@BOTH
def test_6_a_scheduler_that_does_not_go_is_not_followed(generation: Generation) -> None:
    world = small(generation)
    document = read(world, SCHEMA, SCHEDULER.replace("20s", "4s"), rollback="{within: 8s}")
    world.fleet.scheduler_processes = lambda: (LiveProcess(pid=2),)  # type: ignore[method-assign]
    _, state = world.apply(document)
    assert "the old scheduler is not gone: 1 of it live" in at(state, "sched/stop")
    # The undo of the stop is a start, and the same rule binds it.
    assert "two would fire schedules twice" in sentence(state)
    assert world.fleet.scheduler is None


@BOTH
def test_6_a_second_scheduler_that_somebody_started_fails(generation: Generation) -> None:
    world = small(generation)
    alive = world.fleet.scheduler_processes

    def twice() -> tuple[LiveProcess, ...]:
        spec = world.fleet.scheduler
        return (*alive(), *((LiveProcess(pid=9),) if spec and spec.image == "server:new" else ()))

    world.fleet.scheduler_processes = twice  # type: ignore[method-assign]
    _, state = world.apply(read(world, SCHEMA, SCHEDULER))
    assert "2 schedulers run: schedules fire 2 times" in sentence(state)
    assert outcome(state) is Outcome.ROLLED_BACK


@BOTH
def test_6_in_a_rollback_the_old_one_waits_until_the_new_one_is_gone(
    generation: Generation,
) -> None:
    world = small(generation)
    document = read(world, SCHEMA, SCHEDULER.replace("20s", "4s"), rollback="{within: 8s}")
    world.apply(document)
    world.fleet.scheduler_processes = lambda: (LiveProcess(pid=2),)  # type: ignore[method-assign]
    _, state = world.apply(document, ASKED)
    assert outcome(state) is Outcome.ROLLBACK_INCOMPLETE
    assert "the old scheduler is not gone: 1 of it live" in sentence(state)
    assert world.fleet.scheduler is None, "none is better than two"


# --- 7: the last one alive --------------------------------------------------------------------------


@BOTH
def test_7_the_only_cohort_is_never_drained(generation: Generation) -> None:
    world = small(generation)
    only = f"{{task_queue: orders, from: {OLD}}}"
    found = problems(world, drain("orders"), server="", workers=(only,))
    assert f"orders@{OLD} would be drained with nobody in its place" in found


def promoted(world: World) -> tuple[str, ...]:
    """The steps that bring the new build and take the old one away."""
    return (canary("orders", stages=SMOKE_THEN_ALL), drain("orders", within="6s"))


@BOTH
def test_7_a_successor_that_died_keeps_the_old_one_from_its_drain(generation: Generation) -> None:
    world = small(generation)
    document = read(world, *promoted(world), server="", guards=UNGUARDED, on_failure="hold")
    executor = world.executor(document)
    at_record(executor, "drain/orders/quiesced", lambda: die(world, NEW), word="OperationCompleted")
    hold = held(executor.run(), executor.state)
    assert hold.operation == "drain/orders/drain"
    assert f"orders@{NEW}" in hold.reason
    assert "not proved to work" in hold.reason
    assert world.cohorts("orders")[OLD]["drain_intent"] == "active"


def die(world: World, build: str) -> None:
    """Its processes are gone, and its registrations too, however the server counts them."""
    world.fleet.cohorts[cohort("orders", build)].workers.clear()
    world.clock.sleep(6.0)


@BOTH
def test_7_in_a_rollback_the_new_one_stays_where_the_old_one_does_not_come_up(
    generation: Generation,
) -> None:
    world = small(generation)
    document = read(world, canary("orders"), server="", rollback="{within: 10s}")
    world.apply(document)
    die(world, OLD)
    _, state = world.apply(document, ASKED)
    assert outcome(state) is Outcome.ROLLBACK_INCOMPLETE
    assert len(world.fleet.cohorts[N].workers) == 1, "somebody has to do the work"
    assert world.cohorts("orders")[NEW]["drain_intent"] == "active"


# --- 8: proved gone ---------------------------------------------------------------------------------


@BOTH
def test_8_processes_that_linger_are_not_retired(generation: Generation) -> None:
    world = small(generation)
    document = read(world, *promoted(world), server="", on_failure="hold")
    linger(world, OLD)
    hold = held(*world.apply(document))
    assert hold.operation in ("drain/orders/stop", "drain/orders/retired")
    assert f"1 processes of orders@{OLD} still run" in hold.reason


def linger(world: World, build: str) -> None:
    """One process of this build is counted for ever."""
    counted = world.fleet.cohort_processes

    def lingering(asked: object) -> tuple[LiveProcess, ...]:
        found = counted(asked)  # type: ignore[arg-type]
        alone = asked == cohort("orders", build) and not found and asked in world.fleet.cohorts
        return (LiveProcess(pid=4711),) if alone else found

    world.fleet.cohort_processes = lingering  # type: ignore[method-assign,assignment]


@BOTH
def test_8_in_a_rollback_what_it_brought_is_not_gone_while_a_process_lives(
    generation: Generation,
) -> None:
    world = small(generation)
    document = read(world, canary("orders"), server="", rollback="{within: 20s}")
    world.apply(document)
    linger(world, NEW)
    _, state = world.apply(document, ASKED)
    assert outcome(state) is Outcome.ROLLBACK_INCOMPLETE
    assert f"1 processes of orders@{NEW} still run" in sentence(state)


# --- 9: open runs -----------------------------------------------------------------------------------


@BOTH
def test_9_an_open_run_pinned_to_it_keeps_a_cohort(generation: Generation) -> None:
    world = small(generation)
    world.fleet.cohorts[O].workers[0].hangs = frozenset({"long"})
    world.start("theirs", "long", "orders")
    document = read(world, *promoted(world), server="", on_failure="hold")
    hold = held(*world.apply(document))
    assert hold.operation == "drain/orders/quiesced"
    assert f"1 open run (theirs) pinned to orders@{OLD}" in hold.reason
    assert world.cohorts("orders")[OLD]["drain_intent"] == "active"
    assert len(world.fleet.cohorts[O].workers) == 1


@BOTH
def test_9_in_a_rollback_a_build_with_open_runs_is_residue(generation: Generation) -> None:
    world = small(generation)
    world.fleet.hangs[NEW] = frozenset({"long"})
    document = read(world, canary("orders"), server="", rollback="{within: 12s}")
    world.apply(document)
    world.start("theirs", "long", "orders")
    _, state = world.apply(document, ASKED)
    assert outcome(state) is Outcome.ROLLED_BACK_WITH_RESIDUE
    assert state.finished is not None
    assert f"orders@{NEW} keeps running: 1 open run (theirs)" in state.finished.residue[0]
    assert world.cohorts("orders")[NEW]["drain_intent"] == "active"
    assert world.lost() == []


# --- 10: unknown names ------------------------------------------------------------------------------


@BOTH
def test_10_unknown_names_are_refused_and_leave_no_row_behind(generation: Generation) -> None:
    world = small(generation)
    before = list(write_log(world.store))
    queue = problems(world, canary("oders"), server="", workers=(worker("oders"),))
    assert "[rule 10] Unknown task queue" in queue
    assert "Nobody has ever worked on oders" in queue
    assert "orders" in queue
    entry = worker("orders").replace(OLD, "build-9")
    build = problems(
        world, canary("orders"), drain("orders", build="build-9"), server="", workers=(entry,)
    )
    assert "[rule 10] Unknown build" in build
    assert f"The queue knows: {OLD}" in build
    assert list(write_log(world.store)) == before


# --- 11: a selection before a second cohort ---------------------------------------------------------


def unselect(world: World) -> None:
    """As on a queue where nobody has ever promoted anything."""
    with world.store.write() as rows:
        for found in rows.select(Rollout, namespace="default", task_queue="orders"):
            rows.put(replace(found, promoted_us=None))
    assert world.cohorts("orders")[OLD]["new_start_selected"] is False


def test_11_nothing_is_selected_so_the_current_build_is_first() -> None:
    world = small(Generation.V2)
    unselect(world)
    document = read(world, canary("orders"), server="")
    executor = world.executor(document)
    seen: list[object] = []
    at_record(
        executor,
        "canary/orders/deploy",
        lambda: seen.append(world.cohorts("orders")[OLD]["new_start_selected"]),
        word="OperationIntended",
    )
    executor.run()
    assert seen == [True]
    assert outcome(executor.state) is Outcome.SUCCEEDED


def test_11_the_selection_is_lost_after_the_plan_was_made_and_no_second_cohort_appears() -> None:
    world = small(Generation.V2)
    executor = world.executor(read(world, canary("orders"), server=""))
    unselect(world)
    executor.run()
    assert "nothing is selected on orders" in sentence(executor.state)
    assert N not in world.fleet.cohorts


# --- 12: the server's own rollback ------------------------------------------------------------------


def test_12_no_rollback_burns_a_build_id() -> None:
    """The way back is a promotion of the old build: the new one may be promoted again."""
    world = small(Generation.V2)
    asked: list[str] = []
    world.before_request = lambda request: asked.append(f"{request.method} {request.url}")
    document = read(world, canary("orders"), server="", rollback="{within: 30s}")
    world.apply(document)
    _, state = world.apply(document, ASKED)
    assert outcome(state) is Outcome.ROLLED_BACK
    assert any("promote" in call for call in asked)
    assert [call for call in asked if "rollback" in call] == []
    world.journal = JournalStore()
    _, state = world.apply(document)
    assert outcome(state) is Outcome.SUCCEEDED


def test_12_a_burnt_build_is_refused_before_the_first_write() -> None:
    world = small(Generation.V2)
    world.fleet.start_cohort(N, CohortSpec(image="orders:new", replicas=1))
    world.clock.sleep(2.0)
    path = f"/api/deployments/default/orders@{NEW}/rollback"
    answer = world.control("POST", path, {})
    assert answer is not None
    assert answer.status == 200
    found = problems(world, canary("orders"), server="")
    assert f"orders@{NEW} was rolled back on the server, which burns a build id for ever" in found


# --- 13: one code per build -------------------------------------------------------------------------


def two_codes(world: World, build: str) -> None:
    ref = cohort("orders", build)
    image = "orders:old" if build == OLD else "orders:new"
    world.fleet.start_cohort(ref, CohortSpec(image=image, replicas=2))
    for number, found in enumerate(world.fleet.cohorts[ref].workers):
        found.fingerprint = f"sha256:{number}"
        found.registered = False


def test_13_two_codes_before_the_rollout_are_refused() -> None:
    """Only the newer generation shows fingerprints."""
    world = small(Generation.V2, workers=2)
    world.fleet.cohorts[O].workers.clear()
    two_codes(world, OLD)
    world.clock.sleep(2.0)
    found = problems(world, canary("orders"), server="")
    assert "[rule 13] Fingerprints conflict" in found
    assert f"workers of orders@{OLD} registered different code for short" in found


def test_13_two_codes_in_the_new_cohort_stop_the_rollout() -> None:
    world = small(Generation.V2)
    document = read(world, canary("orders"), server="", workers=(worker("orders", replicas=2),))
    executor = world.executor(document)
    start = world.fleet.start_cohort

    def mixed(ref: object, spec: CohortSpec, *by: object) -> None:
        start(ref, spec, *by)  # type: ignore[arg-type]
        for number, found in enumerate(world.fleet.cohorts[ref].workers):  # type: ignore[index]
            found.fingerprint = f"sha256:{number}" if ref == N else ""

    world.fleet.start_cohort = mixed  # type: ignore[method-assign,assignment]
    executor.run()
    assert f"workers of orders@{NEW} registered different code for short" in sentence(
        executor.state
    )
    assert outcome(executor.state) is Outcome.ROLLED_BACK
    assert world.fleet.cohorts[N].workers == []


# --- 14: what is missing ----------------------------------------------------------------------------


def without(world: World, part: str, *names: str) -> None:
    """From now on answers of addresses with this part lack these keys, wherever they stand."""

    def strip(value: object) -> object:
        if isinstance(value, dict):
            return {k: strip(v) for k, v in value.items() if k not in names}
        return [strip(item) for item in value] if isinstance(value, list) else value

    def answer(request: Request, response: Response) -> Response:
        if part not in request.url or not response.body.startswith(b"{"):
            return response
        return replace(response, body=json.dumps(strip(json.loads(response.body))).encode())

    world.answer = answer


@BOTH
def test_14_a_metric_that_is_missing_is_no_zero(generation: Generation) -> None:
    world = small(generation)
    gate = "  quick: {metric: tasks.lease_expired, at_most: 0, for: 1s, within: 8s, interval: 1s}"
    document = read(world, SCHEMA, api(more=", gates: [quick]"), gates=gate)
    when(world, back(world, "api-1"), lambda: without(world, "operator-metrics", "lease_expired"))
    hold = held(*world.apply(document))
    assert (hold.kind, hold.operation) == (HoldKind.INCONCLUSIVE, "api/api-1/gate/quick")
    assert "the server's metrics have no tasks.lease_expired" in hold.reason


def without_baseline(generation: Generation) -> tuple[World, PlanDocument, RolloutHeld]:
    """A rollout that holds for want of a figure, with nothing begun."""
    world = small(generation)
    document = read(world, SCHEMA, api(), target="no_answer_for: 5s")
    executor = world.executor(document)
    without(world, "operator-metrics", "repair_needed")
    hold = held(executor.run(), executor.state)
    assert (hold.kind, hold.operation) == (HoldKind.INCONCLUSIVE, "baseline")
    assert "repair-near-baseline: the server's metrics have no runs.repair_needed" in hold.reason
    assert executor.state.intents == ()
    assert world.fleet.jobs == {}
    return world, document, hold


@BOTH
def test_14_without_a_baseline_nothing_is_written_and_resume_takes_it(
    generation: Generation,
) -> None:
    """It wrote, then held at the guard, and each `resume` held there again: only a rollback was left."""
    world, document, hold = without_baseline(generation)
    world.answer = lambda _request, response: response
    executor = world.executor(document, HoldReleased(operation=hold.operation, actor="me"))
    executor.run()
    assert outcome(executor.state) is Outcome.SUCCEEDED


@BOTH
def test_14_a_moment_without_figures_delays_the_baseline_and_nothing_else(
    generation: Generation,
) -> None:
    world = small(generation)
    gate = "  few: {metric: runs.failed, increase_at_most: 5, for: 1s, within: 8s, interval: 1s}"
    document = read(world, SCHEMA, api(more=", gates: [few]"), gates=gate)
    executor = world.executor(document)
    without(world, "operator-metrics", "failed", "max_repair_needed_age_ms")
    back_s = world.clock.elapsed_s + 4.0
    glance = world.clock.glance

    def come_back() -> None:
        glance()
        if world.clock.elapsed_s >= back_s:
            world.answer = lambda _request, response: response

    world.clock.glance = come_back
    executor.run()
    assert outcome(executor.state) is Outcome.SUCCEEDED
    taken = executor.state.baseline
    assert taken is not None
    values = {one.name: one.values for one in taken.baselines}
    assert values["few"] != ()
    assert values["repair-near-baseline-age"] != ()


@BOTH
def test_14_a_rollout_without_a_baseline_is_rolled_back_with_nothing_to_do(
    generation: Generation,
) -> None:
    world, document, _ = without_baseline(generation)
    executor = world.executor(document, RollbackStarted(cause="asked", actor="me"))
    executor.run()
    assert outcome(executor.state) is Outcome.ROLLED_BACK
    assert world.fleet.jobs == {}


@BOTH
def test_14_a_count_that_is_missing_retires_nobody(generation: Generation) -> None:
    world = small(generation)
    document = read(world, *promoted(world), server="", guards=UNGUARDED, on_failure="hold")
    executor = world.executor(document)
    at_record(
        executor,
        "drain/orders/stop",
        lambda: without(world, "build-ids", "active_worker_count"),
        word="OperationCompleted",
    )
    hold = held(executor.run(), executor.state)
    assert hold.operation == "drain/orders/retired"


# --- 15: the way back is alive ----------------------------------------------------------------------


@BOTH
def test_15_the_way_back_is_dead_before_the_rollout_starts(generation: Generation) -> None:
    world = small(generation)
    die(world, OLD)
    found = problems(world, canary("orders"), server="", guards=UNGUARDED)
    assert "[rule 15] The way back is dead" in found
    forward = "{forward_only: 'the old build is broken'}"
    steps = (canary("orders"),)
    assert (
        problems(world, *steps, server="", guards=UNGUARDED, rollback=forward, on_failure="") == ""
    )


@BOTH
def test_15_in_a_rollback_nobody_gets_work_back_who_is_not_there(generation: Generation) -> None:
    world = small(generation)
    document = read(world, canary("orders"), server="", rollback="{within: 8s}")
    world.apply(document)
    die(world, OLD)
    _, state = world.apply(document, ASKED)
    assert outcome(state) is Outcome.ROLLBACK_INCOMPLETE
    if generation is Generation.V2:
        assert world.cohorts("orders")[NEW]["new_start_selected"] is True
    else:
        assert {node.spec.marker for node in world.fleet.nodes.values()} == {NEW}


# --- 16: unlisted symptoms --------------------------------------------------------------------------


@pytest.mark.parametrize("symptom", ["html", "teapot", "refused"])
def test_16_a_symptom_that_nobody_listed_fails_stops_what_was_started_and_restores(
    symptom: str,
) -> None:
    """It stops adding, then takes away what it started, after what was there has its work back."""
    world = small(Generation.V2)
    document = read(world, canary("orders"), server="", rollback="{within: 30s}")
    bodies = {
        "html": (200, b"<html>It works!</html>"),
        "teapot": (418, b'{"error": "short and stout"}'),
        "refused": (403, b'{"error": "forbidden"}'),
    }
    status, body = bodies[symptom]

    def answer(request: Request, response: Response) -> Response:
        if request.method == "POST" and request.url.endswith("/promote") and not answered:
            answered.append(request.url)
            return replace(response, status=status, body=body)
        return response

    answered: list[str] = []
    world.answer = answer
    _, state = world.apply(document)
    assert outcome(state) is Outcome.ROLLED_BACK, state.finished
    assert "canary/share-1/orders/promote" in sentence(state)
    assert world.fleet.cohorts[N].workers == []
    assert world.cohorts("orders")[OLD]["new_start_selected"] is True
    assert world.cohorts("orders")[NEW]["drain_intent"] == "draining"


# --- 18: what a server shows ------------------------------------------------------------------------


@BOTH
def test_18_a_version_string_decides_nothing(generation: Generation) -> None:
    """A server that calls itself something else altogether is routed by what it shows."""
    world = small(generation)
    for node in world.fleet.nodes.values():
        world.images["server:old"] = ServerImage(version="2026.1", starts_in_s=0.0)
        world.images["server:new"] = ServerImage(version="2026.2", starts_in_s=0.0)
        world.fleet.start_node(node.spec.server_id or "", node.spec)
    kinds = {
        item.operation.kind
        for step in world.preview(read(world, canary("orders"), server="")).steps
        for item in step.operations
    }
    assert ("promote_build" in kinds) == (generation is Generation.V2)
    assert ("replace_node" in kinds) == (generation is Generation.V0_2)


def test_18_a_capability_that_is_gone_holds() -> None:
    world = small(Generation.V2)
    executor = world.executor(read(world, canary("orders"), server="", guards=UNGUARDED))
    at_record(
        executor,
        "canary/orders/started",
        lambda: without(world, "build-ids", "new_start_selected"),
        word="OperationCompleted",
    )
    hold = held(executor.run(), executor.state)
    assert hold.kind is HoldKind.CAPABILITY, (
        "it says what the server lacks, not that something moved"
    )
    assert hold.reason == "the server no longer shows promote"
    assert world.cohorts("orders")[OLD]["new_start_selected"] is True


def test_18_a_marker_where_a_selector_routes_is_refused() -> None:
    world = small(Generation.V2)
    step = api().replace("within: 20s", "within: 20s, promote: true")
    assert "[rule 18] No marker to change" in problems(world, SCHEMA, step)


# --- 19: every marker has somebody ------------------------------------------------------------------


def test_19_a_marker_that_nobody_serves_is_refused() -> None:
    world = small(Generation.V0_2)
    step = api().replace("within: 20s", "within: 20s, promote: true")
    found = problems(world, SCHEMA, step)
    assert "[rule 19] Nobody would serve the new runs" in found
    assert f"nobody serves {NEW}" in found


def test_19_workers_that_die_before_the_marker_stop_the_walk() -> None:
    world = small(Generation.V0_2)
    document = read(world, canary("orders", within="4s"), server="", guards=UNGUARDED)
    executor = world.executor(document)
    at_record(executor, "canary/orders/started", lambda: die(world, NEW), word="OperationCompleted")
    executor.run()
    assert f"no started cohort serves marker {NEW}" in sentence(executor.state)
    assert {node.spec.marker for node in world.fleet.nodes.values()} == {OLD}


def test_19_in_a_rollback_no_marker_returns_to_a_build_that_is_not_there() -> None:
    world = small(Generation.V0_2)
    document = read(world, canary("orders", within="4s"), server="", rollback="{within: 16s}")
    world.apply(document)
    die(world, OLD)
    _, state = world.apply(document, ASKED)
    assert outcome(state) is Outcome.ROLLBACK_INCOMPLETE
    assert f"no started cohort serves marker {OLD}" in sentence(state)
    assert {node.spec.marker for node in world.fleet.nodes.values()} == {NEW}
    assert all(node.attached for node in world.fleet.nodes.values())
    assert world.fleet.scheduler is not None, "it is not stopped for a start that could not follow"
    assert world.fleet.scheduler.marker == NEW


@BOTH
def test_19_the_guard_notices_workers_that_die_in_the_middle(generation: Generation) -> None:
    world = small(generation)
    only = QUICK_GUARDS.replace("served: {interval: 3s}", "served: {off: 'the other is asked'}")
    pause = "{id: watch, uses: pause, with: {for: 30s}}"
    document = read(world, SCHEMA, api(), pause, guards=only, on_failure="hold")
    when(world, back(world, "api-2"), world.fleet.cohorts[O].workers.clear)
    hold = held(*world.apply(document))
    assert hold.operation == "guard/supporters"
    assert OLD in hold.reason

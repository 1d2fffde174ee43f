"""After a rollback: every subject of the fleet beside what it was, told from the journal alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rollout_kit.model.events import (
    BaselineTaken,
    CohortLeftRunning,
    Outcome,
    RollbackStarted,
    RolloutFinished,
)
from rollout_kit.model.identity import CohortRef
from rollout_kit.model.observation import Absent, Facts, Observation
from rollout_kit.model.operation import Keep
from rollout_kit.model.state import RolloutState, fold
from rollout_kit.reporters.before_and_now import (
    before_and_now,
    before_and_now_json,
    before_and_now_markdown,
    print_before_and_now,
)

from .cases import Terminal, intended, operation, records, started

OLD = CohortRef(namespace="n", task_queue="orders", build_id="17")
NEW = CohortRef(namespace="n", task_queue="orders", build_id="18")
BEFORE: Facts = {
    "node/api-1/version": "2.3.14",
    "node/api-1/marker": None,
    "node/api-1/attached": True,
    "node/api-1/image": "server:2.3.14",
    "scheduler/image": "server:2.3.14",
    "scheduler/running": True,
    "maintenance/queue-worker/image": "server:2.3.14",
    f"cohort/{OLD.path}/drain_intent": "active",
    f"cohort/{OLD.path}/selected": True,
    f"cohort/{OLD.path}/replicas": 2,
}
BROUGHT: Facts = {
    f"cohort/{NEW.path}/drain_intent": "active",
    f"cohort/{NEW.path}/selected": False,
    f"cohort/{NEW.path}/replicas": 2,
}
LEFT = CohortLeftRunning(operation="undo/x/1", cohort=NEW, runs=("run-1",), reason="1 open run")


def state(seen: Facts, *more: object, before: Facts = BEFORE) -> RolloutState:
    events = (
        started(),
        BaselineTaken(observation=Observation(facts=before), baselines=()),
        intended(),
        RollbackStarted(cause="a gate", actor="ada"),
        *more,
        RolloutFinished(outcome=Outcome.ROLLED_BACK, sentence="a gate", seen=seen),
    )
    return fold(records(events))  # type: ignore[arg-type]


def shown(found: RolloutState) -> list[str]:
    terminal = Terminal()
    print_before_and_now(before_and_now(found), terminal.printer)
    return terminal.lines


def test_a_fleet_that_is_as_it_was_is_equal_line_by_line() -> None:
    assert shown(state(BEFORE)) == [
        "The fleet, before and now (✓ equal):",
        "  ✓ api-1         version 2.3.14, marker none, attached",
        "  ✓ scheduler     image server:2.3.14, running",
        "  ✓ queue-worker  image server:2.3.14",
        "  ✓ orders        selected orders@17",
        "  ✓ orders@17     drain intent active, 2 replicas",
    ]


def test_what_differs_is_told_from_what_to_what() -> None:
    seen = {
        **BEFORE,
        "node/api-1/version": "2.4.0",
        "node/api-1/attached": False,
        "node/api-1/image": Absent.NO_ANSWER,
        "scheduler/running": False,
        f"cohort/{OLD.path}/selected": False,
        f"cohort/{OLD.path}/replicas": 1,
    }
    assert shown(state(seen)) == [
        "The fleet, before and now (✓ equal, ✗ differs):",
        "  ✗ api-1         version 2.3.14, marker none, attached, image server:2.3.14"
        " → version 2.4.0, marker none, detached, image no answer",
        "  ✗ scheduler     image server:2.3.14, running → image server:2.3.14, stopped",
        "  ✓ queue-worker  image server:2.3.14",
        "  ✗ orders        selected orders@17 → selected none",
        "  ✗ orders@17     drain intent active, 2 replicas → drain intent active, 1 replica",
    ]


def test_a_cohort_left_running_is_residue_and_a_dead_row_of_a_new_build_is_new() -> None:
    left = shown(state({**BEFORE, **BROUGHT}, LEFT))
    assert left[0] == "The fleet, before and now (✓ equal, ! residue):"
    assert left[-1] == ("  ! orders@18     not there → drain intent active, 2 replicas (residue)")
    dead = {**BROUGHT, f"cohort/{NEW.path}/replicas": 0}
    assert shown(state({**BEFORE, **dead}))[-1] == (
        "  · orders@18     not there → drain intent active, 0 replicas (new)"
    )


def test_what_stays_by_contract_is_kept() -> None:
    keep = replace(
        intended(operation("sched/start")),
        undo=Keep(reason="harmless"),
        touches=("scheduler/image",),
    )
    rows = shown(state({**BEFORE, "scheduler/image": "server:2.4.0"}, keep))
    assert rows[2] == (
        "  · scheduler     image server:2.3.14, running → image server:2.4.0, running (kept)"
    )


def test_a_node_that_gives_no_answer_is_not_called_equal() -> None:
    seen = {k: v for k, v in BEFORE.items() if not k.startswith("node/")}
    assert before_and_now(state(seen))[0].comparison.word == "differs"


@pytest.mark.parametrize("absent", [Absent.PENDING, Absent.NO_ANSWER], ids=lambda it: it.name)
def test_what_nobody_knew_before_is_not_called_equal(absent: Absent) -> None:
    """Whether it is as it was cannot be said, whatever the last look found."""
    lacking = {
        **BEFORE,
        "node/api-1/attached": absent,
        "scheduler/marker": absent,
        f"cohort/{OLD.path}/selected": absent,
    }
    text = absent.value.strip("<>")
    rows = shown(state({**BEFORE, "scheduler/marker": absent}, before=lacking))
    assert rows == [
        "The fleet, before and now (✓ equal, ? not known):",
        f"  ? api-1         version 2.3.14, marker none, attached {text}"
        " → version 2.3.14, marker none, attached (not known)",
        f"  ? scheduler     image server:2.3.14, running, marker {text} (not known)",
        "  ✓ queue-worker  image server:2.3.14",
        "  ? orders        selected unknown: no answer → selected orders@17 (not known)",
        "  ✓ orders@17     drain intent active, 2 replicas",
    ]


def test_without_a_last_look_nothing_is_claimed() -> None:
    assert before_and_now(state({})) == ()


def test_programs_and_reviews_get_the_same_rows() -> None:
    rows = before_and_now(state({**BEFORE, **BROUGHT}, LEFT))
    assert before_and_now_json(rows)[-1] == {
        "subject": "orders@18",
        "comparison": "residue",
        "before": "not there",
        "now": "drain intent active, 2 replicas",
    }
    assert before_and_now_markdown(rows).splitlines()[2] == (
        "| ✓ equal | `api-1` | version 2.3.14, marker none, attached "
        "| version 2.3.14, marker none, attached |"
    )

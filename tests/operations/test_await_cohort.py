"""await_cohort: started, or proved; and what it says when an idle cohort can prove nothing."""

from __future__ import annotations

from rollout_kit.model.operation import ChangeKind, Done, Failed, NeedsPerson, Operation, Waiting
from rollout_kit.model.situation import ProgramEnd
from rollout_kit.operations.cohort_acts import AwaitCohortArguments, Strength
from tests.operations.worker_fleet import (
    NEW,
    STALE_S,
    WorkerFleet,
    carry_out,
    change,
    operation,
)

SMOKE = "canary/smoke-1/critical"


def await_cohort(strength: Strength, n: int = 2) -> Operation:
    arguments = AwaitCohortArguments(cohort=NEW, strength=strength, n=n, smokes=(SMOKE,))
    return operation("await_cohort", arguments)


STARTED = await_cohort(Strength.STARTED)
PROVED = await_cohort(Strength.PROVED)


def silent() -> WorkerFleet:
    fleet = WorkerFleet(selector=False, beats=False).deploy(NEW, 2)
    fleet.pass_time(STALE_S + 1)
    return fleet


def test_it_only_judges() -> None:
    assert change(WorkerFleet(), STARTED) is ChangeKind.CHECK


def test_started_says_how_many_are_there() -> None:
    verdict = carry_out(WorkerFleet().deploy(NEW, 2), STARTED)
    assert isinstance(verdict, Done)
    assert verdict.sentence.startswith("critical@new is started: 2 active")


def test_five_of_six_are_waited_for() -> None:
    fleet = WorkerFleet().deploy(NEW, 6)
    fleet.registrations[0].alive = False
    fleet.pass_time(STALE_S + 1)
    verdict = carry_out(fleet, await_cohort(Strength.STARTED, 6), for_s=5.0)
    assert isinstance(verdict, Waiting)
    assert "5 active" in verdict.progress
    assert "wanted 6" in verdict.progress


def test_silent_workers_are_started_by_their_processes() -> None:
    assert isinstance(carry_out(silent(), STARTED), Done)


def test_rule_13_conflicting_fingerprints_fail_it() -> None:
    fleet = WorkerFleet(conflicts=("pay",)).deploy(NEW, 2)
    assert isinstance(carry_out(fleet, STARTED), Failed)
    assert isinstance(carry_out(fleet, STARTED, undoing=True), Done), "an undo mends, it judges not"


def test_heartbeats_prove_a_cohort() -> None:
    assert isinstance(carry_out(WorkerFleet().deploy(NEW, 2), PROVED), Done)


def test_an_answered_smoke_run_proves_an_idle_silent_cohort() -> None:
    assert isinstance(carry_out(silent(), PROVED, written=frozenset({SMOKE})), Done)


def test_for_want_of_work_a_person_is_asked_and_the_remedy_named() -> None:
    fleet = silent()
    began_s = fleet.now_s
    verdict = carry_out(fleet, PROVED)
    assert isinstance(verdict, NeedsPerson)
    assert "got no work to prove itself by" in verdict.reason
    assert "smoke" in verdict.hint
    assert fleet.now_s - began_s >= STALE_S, "it may get work any moment"


def test_with_work_lying_there_it_is_waited_for_and_nobody_asked() -> None:
    fleet = silent().run_open("w", "new")
    fleet.ready_tasks = 1
    assert isinstance(carry_out(fleet, PROVED, for_s=20.0), Waiting)
    assert isinstance(carry_out(fleet.lease(NEW), PROVED), Done)


def test_workers_that_ended_by_themselves_fail_it_as_soon_as_two_looks_saw_it() -> None:
    fleet = WorkerFleet().deploy(NEW, 6)
    fleet.registrations[0].alive = fleet.registrations[1].alive = False
    fleet.ends[f"cohort/{NEW.path}"] = ProgramEnd(count=2, exit_status=1, last_lines="no module")
    fleet.pass_time(STALE_S + 1)
    began_s = fleet.now_s
    verdict = carry_out(fleet, await_cohort(Strength.STARTED, 6))
    assert isinstance(verdict, Failed)
    assert verdict.reason == (
        "2 of 6 workers of critical@new ended by themselves (one of them with exit status 1);"
        " its last lines: no module"
    )
    assert fleet.now_s - began_s < 3.0


def test_why_workers_cannot_run_is_said_and_fails_only_where_it_will_not_pass() -> None:
    def verdict(end: ProgramEnd) -> object:
        fleet = WorkerFleet().deploy(NEW, 6)
        fleet.registrations[0].alive = False
        fleet.ends[f"cohort/{NEW.path}"] = end
        fleet.pass_time(STALE_S + 1)
        return carry_out(fleet, await_cohort(Strength.STARTED, 6))

    failed = verdict(ProgramEnd(reason="its image cannot be pulled: no such tag"))
    assert isinstance(failed, Failed)
    assert failed.reason == (
        "1 of 6 workers of critical@new: its image cannot be pulled: no such tag"
    )
    waiting = verdict(ProgramEnd(reason="no node takes it: too little memory", may_pass=True))
    assert isinstance(waiting, Waiting)
    assert waiting.progress == "1 of 6 workers of critical@new: no node takes it: too little memory"


def test_a_dead_worker_of_a_cohort_that_has_enough_is_no_failure() -> None:
    fleet = WorkerFleet(selector=False, beats=False).deploy(NEW, 6)
    fleet.registrations[0].alive = False
    fleet.ends[f"cohort/{NEW.path}"] = ProgramEnd()
    fleet.pass_time(STALE_S + 1)
    assert isinstance(carry_out(fleet, await_cohort(Strength.STARTED, 5)), Done)

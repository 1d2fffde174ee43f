"""The sandbox's workflows as pure functions: history in, commands out."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from rollout_kit.emulator.model.payloads import envelope as avro
from rollout_kit.emulator.model.settings import Generation
from rollout_kit.sandbox.workflows import (
    WORKFLOWS,
    Given,
    NotDeterministic,
    argument_of,
    decide,
    envelope,
)

Event = Mapping[str, object]


def given(workflow_type: str, **argument: object) -> Given:
    return Given(workflow_type=workflow_type, argument=argument, other_queue="shipping")


def event(event_type: str, sequence: int, **payload: object) -> Event:
    return {"event_type": event_type, "payload": {"sequence": sequence, **payload}}


def activity_done(sequence: int, result: object = "done") -> list[Event]:
    return [
        event("ActivityScheduled", sequence),
        event("ActivityCompleted", sequence, result=envelope(result)),
    ]


def timer_fired(sequence: int) -> list[Event]:
    return [event("TimerScheduled", sequence), event("TimerFired", sequence)]


STARTED = [event("StartAccepted", 0), event("WorkflowStarted", 0)]


@pytest.mark.parametrize(
    ("workflow", "history", "wanted"),
    [
        (given("ping"), [], ["schedule_activity"]),
        (given("ping"), activity_done(1, "ping"), ["complete_workflow"]),
        (given("short"), [event("ActivityScheduled", 1)], []),
        (given("timer", seconds=3), [], ["start_timer"]),
        (given("timer"), timer_fired(1), ["schedule_activity"]),
        (given("timer"), timer_fired(1) + activity_done(2), ["complete_workflow"]),
        (given("long", seconds=8), timer_fired(1) + activity_done(2), ["start_timer"]),
        (given("parent"), [], ["start_child_workflow"]),
        (given("continued", times=1), activity_done(1), ["continue_as_new"]),
        (given("continued", times=0), activity_done(1), ["complete_workflow"]),
        (given("late"), activity_done(1, result=False), ["fail_workflow"]),
        (given("late"), activity_done(1, result=True), ["complete_workflow"]),
        (
            given("retried"),
            [event("ChildWorkflowScheduled", 1), event("ChildRunFailed", 1, message="no")],
            ["fail_workflow"],
        ),
    ],
)
def test_a_workflow_wants_the_next_thing_of_its_history(
    workflow: Given, history: list[Event], wanted: list[str]
) -> None:
    assert [command["type"] for command in decide(workflow, [*STARTED, *history])] == wanted


def test_work_for_the_other_queue_goes_there() -> None:
    (command,) = decide(given("cross"), STARTED)
    assert command["queue"] == "shipping"


def test_a_continued_run_counts_down() -> None:
    (command,) = decide(given("continued", times=2), [*STARTED, *activity_done(1)])
    assert argument_of(command["arguments"]) == {"times": 1}


def test_a_history_of_other_code_is_refused() -> None:
    with pytest.raises(NotDeterministic, match="history has start_timer"):
        decide(given("short"), [*STARTED, *timer_fired(1)])


def test_every_workflow_can_begin_and_says_the_same_again() -> None:
    for name in WORKFLOWS:
        assert decide(given(name), STARTED) == decide(given(name), STARTED) != []


@pytest.mark.parametrize("generation", list(Generation))
def test_arguments_are_read_in_the_codecs_of_both_generations(generation: Generation) -> None:
    assert argument_of(avro([{"seconds": 3}], generation)) == {"seconds": 3}
    assert argument_of(avro([], generation)) == {}
    assert argument_of(None) == {}

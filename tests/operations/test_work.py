"""What the driver's work under an operation's key has come to, and what its silence means."""

from __future__ import annotations

import pytest

from rollout_kit.model.operation import Failed, Operation, Waiting
from rollout_kit.model.situation import JobNumbers, Situation
from rollout_kit.operations.api import Context
from rollout_kit.operations.work import unfinished
from rollout_kit.ports.infra import JobState

OP = Operation(id="api/api-1/replace", kind="replace_node", step="api", arguments={})
CTX = Context(now_s=10.0, since_s=5.0, key="r-1/api/api-1/replace/1")


def test_a_driver_that_gives_no_answer_has_not_finished() -> None:
    silent = Situation(unread={"work/api/api-1/replace": "the connection was reset"})
    found = unfinished(OP, silent, CTX)
    assert isinstance(found, Waiting)
    assert found.progress == "the driver gives no answer: the connection was reset"


@pytest.mark.parametrize("state", [JobState.QUEUED, JobState.RUNNING, JobState.LOST])
def test_what_is_under_way_or_lost_is_waited_for(state: JobState) -> None:
    assert isinstance(unfinished(OP, _with(state), CTX), Waiting)


def test_what_it_waits_for_is_told_in_its_own_words() -> None:
    image = "waiting for Deployment api-1: ImagePullBackOff"
    running = JobNumbers(state="running", progress=image, detail="what it printed")
    found = unfinished(OP, Situation(jobs={OP.id: running}), CTX)
    assert isinstance(found, Waiting)
    assert found.progress == f"the driver's work is running: {image}"


def test_what_failed_has_failed_with_its_last_words() -> None:
    found = unfinished(OP, _with(JobState.FAILED), CTX)
    assert isinstance(found, Failed)
    assert found.reason == "the driver could not do it: no such image"


def test_what_succeeded_or_was_never_asked_keeps_nobody_waiting() -> None:
    assert unfinished(OP, _with(JobState.SUCCEEDED), CTX) is None
    assert unfinished(OP, Situation(), CTX) is None


def _with(state: JobState) -> Situation:
    return Situation(jobs={OP.id: JobNumbers(state=state.value, detail="no such image")})

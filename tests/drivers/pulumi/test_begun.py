"""How a child's result reads as long work, and what was begun under which key."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from rollout_kit.drivers.pulumi import api, begun
from rollout_kit.drivers.pulumi.announced import Announced
from rollout_kit.drivers.pulumi.api import Kind, Outcome, Step, Trouble, UpdateRequest, UpdateResult
from rollout_kit.drivers.pulumi.changing import run_name
from rollout_kit.drivers.work.folder import WorkFolder
from rollout_kit.model.operation import Announcement
from rollout_kit.ports.infra import (
    JobState,
    JobStatus,
    ProcessSpec,
    ReplaceNode,
    RunJob,
    SetAttached,
)
from tests.drivers.pulumi.fleet_output import FOREIGN, NEW, STACK, node_urns

REPLACE = ReplaceNode(node="api-1", spec=ProcessSpec(image=NEW))


def _failed(kind: Kind, name: str) -> UpdateResult:
    trouble = Trouble(kind=kind, name=name, message="it broke", why="It matters.", hint="Mend it.")
    return UpdateResult(outcome=Outcome.FAILED, sentence="it broke", trouble=trouble)


@pytest.mark.parametrize(
    ("result", "state"),
    [
        (UpdateResult(outcome=Outcome.DONE, sentence="done"), JobState.SUCCEEDED),
        (UpdateResult(outcome=Outcome.STOPPED, sentence="stopped"), JobState.LOST),
        (_failed(Kind.REFUSED, "resource-failed"), JobState.FAILED),
        (_failed(Kind.REFUSED, "program-changed"), JobState.REFUSED),
        (_failed(Kind.CONFLICT, "locked"), JobState.CONFLICT),
        (_failed(Kind.UNAVAILABLE, "killed"), JobState.LOST),
        (_failed(Kind.UNAVAILABLE, "backend-unreachable"), JobState.LOST),
        (_failed(Kind.UNAVAILABLE, "not-ready"), JobState.FAILED),
        (_failed(Kind.INCOMPATIBLE, "state-damaged"), JobState.FAILED),
    ],
)
def test_which_no_it_was_decides_what_comes_next(result: UpdateResult, state: JobState) -> None:
    ended = begun.status_of(JobStatus(state=JobState.FAILED, exit_status=1), result)
    assert ended.state is state
    if result.trouble:
        assert ended.detail == "it broke. It matters. Mend it"


def test_what_was_refused_names_the_resources() -> None:
    outside = (Step(urn=FOREIGN, op="update", changed=("spec.ports",)),)
    result = UpdateResult(outcome=Outcome.REFUSED, sentence="no", outside=outside)
    ended = begun.status_of(JobStatus(state=JobState.FAILED, exit_status=13), result)
    assert ended.state is JobState.REFUSED
    assert ended.detail == (
        "it would reach further than announced: update Service front (spec.ports). Nothing was sent"
    )


@pytest.mark.parametrize("state", [JobState.QUEUED, JobState.RUNNING, JobState.UNKNOWN])
def test_while_it_runs_an_older_word_does_not_count(state: JobState) -> None:
    old = UpdateResult(outcome=Outcome.DONE, sentence="done")
    assert begun.status_of(JobStatus(state=state), old).state is state


def test_without_a_word_of_the_child_the_supervisors_counts() -> None:
    assert begun.status_of(JobStatus(state=JobState.LOST), None).state is JobState.LOST


def _begin(folder: WorkFolder, key: str, change: object) -> Path:
    request = UpdateRequest(stack=STACK, operation=key, wanted={}, may=())
    work = begun.write(folder, key, change, request)  # type: ignore[arg-type]
    folder.create()
    return work


def test_the_last_change_of_each_thing_is_known_and_membership_is_the_nodes(tmp_path: Path) -> None:
    folder = WorkFolder(tmp_path)
    _begin(folder, "r/api/api-1/detach/1", SetAttached(node="api-1", attached=False))
    folder.write_status("r/api/api-1/detach/1", JobState.SUCCEEDED)
    work = _begin(folder, "r/api/api-1/replace/1", REPLACE)
    folder.write_status("r/api/api-1/replace/1", JobState.FAILED)
    (work / api.RESULT_FILE).write_text(
        json.dumps(begun.codec.to_json(_failed(Kind.UNAVAILABLE, "killed")))
    )
    log = begun.Log(folder)
    for _ in range(2):  # the second time from memory
        latest = log.latest()
        assert list(latest) == ["nodes/api-1"]
        assert latest["nodes/api-1"].change == REPLACE
        assert latest["nodes/api-1"].state is JobState.LOST


def test_a_key_that_is_begun_anew_forgets_how_it_ended(tmp_path: Path) -> None:
    folder = WorkFolder(tmp_path)
    work = _begin(folder, "k/o/1", REPLACE)
    (work / api.RESULT_FILE).write_text("{}")
    _begin(folder, "k/o/1", REPLACE)
    assert begun.result(work) is None
    assert begun.change_of(folder, "k/o/1") == REPLACE


def _said(operation: str, urn: str, op: str) -> Announcement:
    return Announcement(
        operation=operation, resources=(urn,), kinds=(op,), changed=(), creates=(urn,)
    )


def test_an_undo_is_held_to_what_its_operation_announced() -> None:
    said = _said("api/api-1/replace", node_urns("api-1")[0], "replace")
    announced = Announced((said,))
    forward = announced.of("rollout-1/api/api-1/replace/2", REPLACE)
    assert (forward.here, forward.undoing) == (said, False)
    back = announced.of("rollout-1/undo/api/api-1/replace/1/1", REPLACE)
    assert (back.here, back.undoing) == (said, True)
    other = announced.of("rollout-1/api/api-2/replace/1", REPLACE)
    assert (other.here, other.undoing, other.rollout) == (None, False, (said,))


def test_a_jobs_run_bears_its_own_name_wherever_the_announced_one_stood() -> None:
    named = f"urn:pulumi:prod::orders::Job::bootstrap-{run_name('schema/run')}"
    key = "orders-prod/0.2.10"
    announced = Announced((_said("schema/run", named, "create"),))
    found = announced.of(key, RunJob(job="bootstrap", image=NEW))
    assert not found.undoing
    assert found.here is not None
    assert found.here.creates == (f"urn:pulumi:prod::orders::Job::bootstrap-{run_name(key)}",)


def test_the_last_change_is_the_last_although_the_clock_was_set_back(tmp_path: Path) -> None:
    """The one before it counted as the last, and what was under way as what had been."""
    folder = WorkFolder(tmp_path)
    request = UpdateRequest(stack=STACK, operation="r/detach/1", wanted={}, may=())
    out, back = (SetAttached(node="api-1", attached=attached) for attached in (False, True))
    first = begun.write(folder, "r/detach/1", out, request)
    ahead_s = time.time() + 3600.0
    os.utime(first / begun.CHANGE_FILE, (ahead_s, ahead_s))
    begun.write(folder, "r/attach/1", back, request)
    assert begun.Log(folder).latest()["nodes/api-1"].change == back

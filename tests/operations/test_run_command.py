"""run_command: begun once under its key; whether it may run twice is the author's word."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from rollout_kit.model import codec
from rollout_kit.model.operation import (
    ChangeKind,
    Done,
    Failed,
    Irreversible,
    Keep,
    NeedsPerson,
    Operation,
    Undo,
    Verification,
    Waiting,
)
from rollout_kit.operations.api import Context, Seen
from rollout_kit.operations.kinds.run_command import RunCommandArguments, RunCommandKind
from rollout_kit.ports.errors import Unavailable
from rollout_kit.ports.infra import JobState, JobStatus
from tests.operations.measured import TableInfra, readers

KEY = "rollout/warm/command/1"
PLAIN = RunCommandArguments(command=("warm", "the cache"), undo=("cool", "it"))
AGAIN = RunCommandArguments(command=("warm",), undo=("cool",), idempotent=True)
CHECKED = RunCommandArguments(command=("warm",), undo=("cool",), check=("is-warm", "-q"))
FOREVER = RunCommandArguments(command=("drop",), irreversible=True)
KIND = RunCommandKind()
CTX = Context(now_s=5.0, since_s=1.0, key=KEY)


def operation(args: RunCommandArguments) -> Operation:
    return Operation(
        id="warm/command", kind="run_command", step="warm", arguments=codec.to_json(args)
    )


def look(args: RunCommandArguments, status: JobStatus | Exception | None, key: str = KEY) -> Seen:
    jobs = {} if status is None else {KEY: status}
    return KIND.observe(operation(args), readers(infra=TableInfra(jobs=jobs), key=key), 5.0)


def job(state: JobState, exit_status: int | None = None, detail: str = "") -> JobStatus:
    return JobStatus(state=state, exit_status=exit_status, detail=detail)


def preview(args: RunCommandArguments, status: JobStatus | None) -> ChangeKind:
    seen = look(args, status)
    return KIND.preview(operation(args), seen.observation, seen.situation).kind


def verify(args: RunCommandArguments, status: JobStatus | None) -> Verification:
    return KIND.verify(operation(args), [look(args, status)], CTX)


@pytest.mark.parametrize(
    ("state", "args", "change"),
    [
        (None, PLAIN, ChangeKind.UPDATE),
        (JobState.QUEUED, PLAIN, ChangeKind.NO_OP),
        (JobState.RUNNING, PLAIN, ChangeKind.NO_OP),
        (JobState.SUCCEEDED, PLAIN, ChangeKind.NO_OP),
        (JobState.FAILED, PLAIN, ChangeKind.NO_OP),
        (JobState.LOST, PLAIN, ChangeKind.NO_OP),
        (JobState.LOST, AGAIN, ChangeKind.UPDATE),
        (JobState.LOST, CHECKED, ChangeKind.UPDATE),
        (JobState.FAILED, AGAIN, ChangeKind.NO_OP),
    ],
)
def test_it_runs_when_it_never_ran_and_again_only_when_it_may(
    state: JobState | None, args: RunCommandArguments, change: ChangeKind
) -> None:
    assert preview(args, None if state is None else job(state)) is change


def test_a_preview_runs_nothing_and_says_what_it_would_run() -> None:
    seen = look(CHECKED, None, key="")
    change = KIND.preview(operation(CHECKED), seen.observation, seen.situation)
    assert change.kind is ChangeKind.UPDATE
    assert change.sentence == "run `warm` unless `is-warm -q` says that it is not needed"


@pytest.mark.parametrize(
    ("status", "found"),
    [
        (job(JobState.RUNNING), Waiting),
        (job(JobState.SUCCEEDED, 0), Done),
        (job(JobState.FAILED, 3, "no disk"), Failed),
        (job(JobState.LOST), NeedsPerson),
    ],
)
def test_what_became_of_it(status: JobStatus, found: type[object]) -> None:
    assert isinstance(verify(PLAIN, status), found)


def test_a_failure_tells_status_and_last_words() -> None:
    found = verify(PLAIN, job(JobState.FAILED, 3, "no disk"))
    assert isinstance(found, Failed)
    assert found.reason == "`warm 'the cache'` ended with status 3: no disk"


def test_a_driver_that_does_not_answer_is_waited_for_before_anything_is_run() -> None:
    seen = look(PLAIN, Unavailable("no supervisor"))
    found = KIND.ready_to_apply(operation(PLAIN), seen, CTX)
    assert isinstance(found, Waiting)
    assert "no supervisor" in found.progress
    assert KIND.ready_to_apply(operation(PLAIN), look(PLAIN, None), CTX) == Done()


def test_the_undo_runs_the_author_s_undo_and_is_none_itself() -> None:
    undo = KIND.compensate(operation(PLAIN), {})
    assert isinstance(undo, Undo)
    (back,) = undo.restore
    args: RunCommandArguments = codec.from_json(RunCommandArguments, back.arguments)
    assert args.command == ("cool", "it")
    assert isinstance(KIND.compensate(back, {}), Keep)


def test_what_is_marked_irreversible_is() -> None:
    assert isinstance(KIND.compensate(operation(FOREVER), {}), Irreversible)


@pytest.mark.parametrize(("there", "ran"), [(False, True), (True, False)])
def test_a_check_keeps_the_command_from_running_where_its_effect_is_there(
    tmp_path: Path, there: bool, ran: bool
) -> None:
    effect, mark = tmp_path / "effect is here", tmp_path / "it ran"
    if there:
        effect.touch()
    args = RunCommandArguments(
        command=("touch", str(mark)), undo=("true",), check=("test", "-e", str(effect))
    )
    assert subprocess.run(args.argv, check=False).returncode == 0
    assert mark.exists() is ran

"""Changes of a stack carried out by their child; each hazard of an engine that can lie has a test.

Against the stand-in executable, and the same against the real CLI where there is one.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rollout_kit.drivers.pulumi import api, session, update
from rollout_kit.drivers.pulumi.api import Kind, Outcome
from rollout_kit.drivers.pulumi.objects import NoObjects
from tests.drivers.pulumi.lab import Lab, until
from tests.standin.fixtures import Cli, real_or_standin, standin  # noqa: F401

pytestmark = [pytest.mark.crash, pytest.mark.processes]

A1 = {"a": {"value": 1}, "b": {"value": 1}}
A2 = {"a": {"value": 2}, "b": {"value": 1}}
SLOW = {**A1, "slow": {"value": 1, "createSleep": 4}}


@pytest.fixture
def lab(real_or_standin: Cli) -> Iterator[Lab]:  # noqa: F811
    yield from _lab(real_or_standin)


@pytest.fixture
def faulty(standin: Cli) -> Iterator[Lab]:  # noqa: F811
    """With the stand-in alone: it can be told to break."""
    yield from _lab(standin)


def _lab(cli: Cli) -> Iterator[Lab]:
    lab = Lab(cli)
    lab.up(A1)
    yield lab
    for child in lab.begun:
        child.kill()
        child.wait()


def _clean(lab: Lab) -> None:
    assert lab.cli.locks() == []
    assert not lab.cli.checkpoint().get("pending_operations")
    assert not Path(lab.stack.folder, "open.jsonl").exists()


def _commands(result: api.UpdateResult) -> list[str]:
    return [call.command for call in result.calls]


def test_a_change_moves_its_own_resource_in_five_calls(lab: Lab) -> None:
    """Hazards 5 and 8: nothing is read after the update that could fail in its place."""
    assert lab.change("op-1", A2, a="update").outcome is Outcome.DONE
    result = lab.change("op-2", {"a": {"value": 3}, "b": {"value": 1}}, a="update")
    assert result.outcome is Outcome.DONE
    assert [(step.urn.rpartition("::")[2], step.op, step.changed) for step in result.steps] == [
        ("a", "update", ("value",))
    ]
    assert lab.values() == {"a-1": 3, "b-1": 1}
    assert lab.recorded() == {"a": ("a-1", 3), "b": ("b-1", 1)}
    assert _commands(result) == [
        "stack export",
        "preview --refresh",
        "stack export",
        "up",
        "stack export",
    ]
    assert result.state_hash == api.look(lab.stack).hash
    _clean(lab)


def test_a_change_that_is_there_already_sends_nothing(lab: Lab) -> None:
    lab.change("op-1", A2, a="update")
    again = lab.change("op-1", A2, a="update")
    assert again.outcome is Outcome.DONE
    assert again.steps == ()
    assert "up" not in _commands(again)


def test_an_update_that_would_go_further_is_refused_and_names_it(lab: Lab) -> None:
    result = lab.change("op-1", {"a": {"value": 2}, "c": {"value": 1}}, a="update")
    assert result.outcome is Outcome.REFUSED
    assert [(step.urn.rpartition("::")[2], step.op) for step in result.outside] == [
        ("c", "create"),
        ("b", "delete"),
    ]
    assert "create Thing c, delete Thing b" in result.sentence
    assert lab.values() == {"a-1": 1, "b-1": 1}
    _clean(lab)


def test_a_key_that_changes_no_resource_is_recorded_all_the_same(lab: Lab) -> None:
    """The last recorded update's configuration is what the next change starts from."""
    lab.change("op-1", A2, a="update")
    request = lab.request("op-2", A2)
    wanted = {**request.wanted, "fleet:jobs": {"x": 1}}
    folder = lab.folder("op-2")
    update.write(folder / api.REQUEST_FILE, _with(request, wanted))
    _child(folder).wait(60)
    assert api.recorded(lab.stack).configuration["fleet:jobs"] == {"x": 1}


def test_hazard_1_a_pending_create_is_never_made_twice(lab: Lab) -> None:
    child = lab.begin("op-1", SLOW, slow="create")
    until(lambda: "slow-1" in lab.values())
    cli = lab.cli_pid()
    os.kill(child.pid, signal.SIGKILL)
    os.kill(cli, signal.SIGKILL)
    child.wait()
    assert [item["type"] for item in lab.cli.checkpoint()["pending_operations"]] == ["creating"]

    result = lab.change("op-1", SLOW, slow="create")

    assert result.outcome is Outcome.DONE
    assert lab.values() == {"a-1": 1, "b-1": 1, "slow-1": 1}
    assert lab.recorded()["slow"] == ("slow-1", 1)
    assert "Thing slow exists unrecorded, as slow-1" in result.recovered
    _clean(lab)


def test_hazard_1_what_an_undo_no_longer_makes_is_removed(lab: Lab) -> None:
    child = lab.begin("op-1", SLOW, slow="create")
    until(lambda: "slow-1" in lab.values())
    cli = lab.cli_pid()
    os.kill(child.pid, signal.SIGKILL)
    os.kill(cli, signal.SIGKILL)
    child.wait()

    result = lab.change("undo-1", A1)

    assert result.outcome is Outcome.DONE
    assert lab.values() == {"a-1": 1, "b-1": 1}
    assert set(lab.recorded()) == {"a", "b"}
    _clean(lab)


def test_hazard_1_without_anybody_who_can_look_it_holds(faulty: Lab) -> None:
    faulty.cli.faults({"at": "applied", "do": "crash", "name": "slow", "times": 1})
    crashed = faulty.change("op-1", SLOW, slow="create")
    assert crashed.trouble is not None
    assert crashed.trouble.name == "killed"
    folder = faulty.folder("op-2")
    result = update.run(faulty.request("op-2", SLOW, slow="create"), folder, NoObjects())
    assert result.trouble is not None
    assert (result.trouble.kind, result.trouble.name) == (Kind.REFUSED, "pending-create")
    assert "Thing slow" in result.trouble.message
    assert faulty.values() == {"a-1": 1, "b-1": 1, "slow-1": 1}


def test_hazard_2_an_interrupted_update_is_not_the_same_to_its_undo(lab: Lab) -> None:
    """The state says old, the object is new: going back by the old program would do nothing."""
    slow = {"a": {"value": 2, "updateSleep": 4}, "b": {"value": 1}}
    child = lab.begin("op-1", slow, a="update")
    until(lambda: lab.values().get("a-1") == 2)
    cli = lab.cli_pid()
    os.kill(child.pid, signal.SIGKILL)
    os.kill(cli, signal.SIGKILL)
    child.wait()
    assert lab.recorded()["a"] == ("a-1", 1)

    result = lab.change("undo-1", A1, a="update")

    assert result.outcome is Outcome.DONE
    assert lab.values() == {"a-1": 1, "b-1": 1}
    assert "refresh --clear-pending-creates" in _commands(result)
    _clean(lab)


def test_hazard_2_also_after_one_polite_interrupt(lab: Lab) -> None:
    slow = {"a": {"value": 2, "updateSleep": 4, "onCancel": "error"}, "b": {"value": 1}}
    child = lab.begin("op-1", slow, a="update")
    until(lambda: lab.values().get("a-1") == 2)
    lab.cli_pid()
    os.kill(child.pid, signal.SIGINT)
    assert child.wait(60) == update.EXIT_CODES[Outcome.STOPPED]
    assert not lab.cli.checkpoint().get("pending_operations")

    assert lab.change("undo-1", A1, a="update").outcome is Outcome.DONE
    assert lab.values() == {"a-1": 1, "b-1": 1}
    _clean(lab)


def test_hazard_2_an_orphan_without_a_pending_operation_is_found(lab: Lab) -> None:
    """One interrupt, and the provider gives up: the object stands, no state knows of it."""
    slow = {**A1, "slow": {"value": 1, "createSleep": 4, "onCancel": "error"}}
    child = lab.begin("op-1", slow, slow="create")
    mark = Path(lab.stack.folder, "open.jsonl")
    until(lambda: "slow-1" in lab.values() and '"creating"' in mark.read_text())
    os.kill(child.pid, signal.SIGINT)
    child.wait(60)
    assert not lab.cli.checkpoint().get("pending_operations")
    assert "slow" not in lab.recorded()

    assert lab.change("op-1", slow, slow="create").outcome is Outcome.DONE
    assert set(lab.values()) == {"a-1", "b-1", "slow-1"}
    _clean(lab)


def test_hazard_3_a_world_changed_behind_the_state_is_seen(lab: Lab) -> None:
    for path in lab.cli.world_folder.glob("b-1*"):
        path.unlink()
    previewed = api.preview(lab.stack, {"fleet:nodes": A2})
    assert [(step.urn.rpartition("::")[2], step.op) for step in previewed.drifted] == [
        ("b", "gone")
    ]
    refused = lab.change("op-1", A2, a="update")
    assert refused.outcome is Outcome.REFUSED
    assert [step.op for step in refused.outside] == ["create"]
    assert lab.change("op-2", A2, a="update", b="create").outcome is Outcome.DONE
    assert set(lab.values().values()) == {1, 2}


def test_hazard_4_an_update_by_somebody_else_in_between_is_not_overwritten(lab: Lab) -> None:
    begun: list[str] = []

    def meddle(step: str, what: str) -> None:
        begun.append(step)
        if step == "compare":
            lab.up({"a": {"value": 7}, "b": {"value": 1}})

    from rollout_kit.drivers.pulumi import carrying
    from rollout_kit.drivers.pulumi.session import Session

    session = Session.begin(
        lab.request("op-1", A2, a="update"), NoObjects(), say=lambda sentence: None, note=meddle
    )
    result = carrying.carry_out(session)
    assert result.trouble is not None
    assert (result.trouble.kind, result.trouble.name) == (Kind.CONFLICT, "changed-meanwhile")
    assert lab.values()["a-1"] == 7
    assert "update" not in begun


@pytest.mark.parametrize("stays", [False, True], ids=["for a moment", "for longer"])
def test_who_holds_the_stack_for_a_moment_is_waited_for_and_not_for_longer(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, stays: bool
) -> None:
    """So does `rollout-kit unlock` where the state is in a bucket."""
    from rollout_kit.drivers.pulumi import carrying
    from rollout_kit.drivers.pulumi.session import Session

    monkeypatch.setattr(carrying, "_LOOKERS_PAUSE_S", 0.0)
    theirs: list[Path] = []
    said: list[str] = []

    def come(step: str, what: str) -> None:
        if step == "update" and not said:
            theirs.append(_lock(lab, host="elsewhere", pid=1))

    def go(sentence: str) -> None:
        if sentence == "somebody holds the stack for the moment":
            said.append(sentence)
            if not stays:
                theirs[0].unlink()

    session = Session.begin(lab.request("op-1", A2, a="update"), NoObjects(), say=go, note=come)
    result = carrying.carry_out(session)
    if stays:
        assert result.trouble is not None
        assert (result.trouble.kind, result.trouble.name) == (Kind.CONFLICT, "locked")
        assert (len(said), lab.values()["a-1"]) == (2, 1)
    else:
        assert result.outcome is Outcome.DONE, result
        assert (len(said), lab.values()["a-1"]) == (1, 2)
    assert not Path(lab.stack.folder, "open.jsonl").exists()


def test_a_program_that_is_slow_to_begin_has_the_time_of_its_operation(
    faulty: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compiled for the first time, it takes minutes before it says a word."""
    monkeypatch.setattr(session, "READ_WITHIN_S", 0.5)
    faulty.cli.faults({"at": "start", "do": "sleep", "seconds": 2, "command": "preview"})
    request = faulty.request("r/op/1", A2, a="update")
    done = update.run(request, faulty.folder("r/op/1"), NoObjects())
    assert done.outcome is Outcome.DONE, done.sentence
    brief = replace(faulty.request("r/op/2", A1, a="update"), within_s=1)
    failed = update.run(brief, faulty.folder("r/op/2"), NoObjects())
    assert failed.outcome is Outcome.FAILED
    assert failed.trouble is not None
    assert failed.trouble.name == "no-end"


def test_hazard_6_a_lock_of_somebody_else_stays(lab: Lab) -> None:
    path = _lock(lab, host="elsewhere", pid=1)
    result = lab.change("op-1", A2, a="update")
    assert result.trouble is not None
    assert (result.trouble.kind, result.trouble.name) == (Kind.CONFLICT, "locked")
    assert "ci@elsewhere (process 1" in result.trouble.message
    assert path.exists()
    assert lab.values()["a-1"] == 1


def test_hazard_6_a_lock_of_this_host_that_nobody_recorded_stays_too(lab: Lab) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    path = _lock(lab, host=socket.gethostname(), pid=gone.pid)
    result = lab.change("op-1", A2, a="update")
    assert result.trouble is not None
    assert result.trouble.name == "locked"
    assert path.exists()


def test_hazard_9_a_cli_that_outlives_its_driver_makes_nothing_twice(lab: Lab) -> None:
    child = lab.begin("op-1", SLOW, slow="create")
    until(lambda: "slow-1" in lab.values())
    lab.cli_pid()
    os.kill(child.pid, signal.SIGKILL)
    child.wait()

    result = lab.change("op-1", SLOW, slow="create")

    assert result.outcome is Outcome.DONE
    assert set(lab.values()) == {"a-1", "b-1", "slow-1"}
    assert any("op-1" in text for text in result.recovered)
    _clean(lab)


def test_hazard_10_no_secret_reaches_a_file_of_ours(lab: Lab) -> None:
    secret = "canary-of-tests-77"
    lab.up(A1, token=secret)
    nodes = {"a": {"value": 2, "failUpdate": f"cannot use {secret}"}, "b": {"value": 1}}
    result = lab.change("op-1", nodes, a="update")
    assert result.trouble is not None
    assert result.trouble.message == "Thing a: cannot use [secret]"
    for folder in (lab.folder("op-1"), Path(lab.stack.folder)):
        for path in folder.rglob("*"):
            if path.is_file() and path.name != api.REQUEST_FILE:
                assert secret not in path.read_text(errors="replace"), path


def test_a_failed_update_is_mended_before_the_next_is_judged(lab: Lab) -> None:
    broken = {"a": {"value": 2, "failUpdate": "no room"}, "b": {"value": 1}}
    failed = lab.change("op-1", broken, a="update")
    assert failed.trouble is not None
    assert failed.trouble.message == "Thing a: no room"
    undone = lab.change("undo-1", A1, a="update")
    assert undone.outcome is Outcome.DONE
    assert any("op-1 was interrupted" in text for text in undone.recovered)
    assert lab.values() == {"a-1": 1, "b-1": 1}
    _clean(lab)


@pytest.mark.parametrize("left", ["", '{"user.cache'], ids=["empty", "half"])
def test_a_write_that_was_killed_beside_the_state_keeps_nobody_out(lab: Lab, left: str) -> None:
    """Seen once in some hundred kills of the real CLI: every call of it failed from then on."""
    (torn,) = lab.cli.folder.rglob("stacks/proj/dev.json.attrs")
    torn.write_text(left)
    result = lab.change("op-1", A2, a="update")
    assert result.outcome is Outcome.DONE, result
    assert lab.values() == {"a-1": 2, "b-1": 1}
    assert api.look(lab.stack).hash == result.state_hash
    _clean(lab)


def test_what_never_got_ready_is_told_with_its_reason(lab: Lab) -> None:
    nodes = {**A1, "c": {"value": 1, "failPartial": "ImagePullBackOff: no such image"}}
    result = lab.change("op-1", nodes, c="create")
    assert result.trouble is not None
    assert "ImagePullBackOff: no such image" in result.trouble.message
    assert lab.change("undo-1", A1, c="delete").outcome is Outcome.DONE
    assert lab.values() == {"a-1": 1, "b-1": 1}
    _clean(lab)


def test_what_somebody_else_left_unready_does_not_fail_ours(lab: Lab) -> None:
    broken = {"c": {"value": 1, "failPartial": "no pods"}}
    with pytest.raises(Exception, match="no pods"):
        lab.up({**A1, **broken})
    result = lab.change("op-1", {**A2, **broken}, a="update")
    assert result.outcome is Outcome.DONE
    assert any("Thing c not ready" in text for text in result.recovered)
    assert lab.values()["a-1"] == 2


def test_a_provider_that_dies_leaves_no_second_object(lab: Lab) -> None:
    nodes = {**A1, "c": {"value": 1, "crash": True}}
    died = lab.change("op-1", nodes, c="create")
    assert died.trouble is not None
    assert died.trouble.name == "provider-died"
    good = {**A1, "c": {"value": 1}}
    assert lab.change("op-2", good, c="create update").outcome is Outcome.DONE
    assert sorted(name[0] for name in lab.values()) == ["a", "b", "c"]


def test_the_progress_says_what_is_being_done(lab: Lab) -> None:
    lab.change("op-1", A2, a="update")
    lines = (lab.folder("op-1") / api.PROGRESS_FILE).read_text().splitlines()
    assert "updating Thing a" in {json.loads(line)["sentence"] for line in lines}
    steps = (lab.folder("op-1") / update.RECORD_FILE).read_text().splitlines()
    assert [json.loads(line)["step"] for line in steps][-3:] == ["compare", "update", "verify"]


def _lock(lab: Lab, *, host: str, pid: int) -> Path:
    folder = lab.cli.state / ".pulumi" / "locks" / "organization" / "proj" / "dev"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{uuid.uuid4()}.json"
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    said = {"pid": pid, "username": "ci", "hostname": host, "timestamp": now}
    path.write_text(json.dumps(said))
    return path


def _with(request: api.UpdateRequest, wanted: dict[str, object]) -> api.UpdateRequest:
    from dataclasses import replace

    return replace(request, wanted=wanted)


def _child(folder: Path) -> subprocess.Popen[bytes]:
    root = Path(__file__).parents[3]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.drivers.pulumi.lab_child", str(folder)], cwd=root
    )

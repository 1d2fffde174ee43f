"""The stand-in serves the real SDK: stacks, configuration, previews, updates, history, state."""

from __future__ import annotations

import json
import subprocess
import threading
from typing import Any

import pytest
from pulumi import automation as auto

from .fixtures import QUIET, Cli, real_or_standin, standin  # noqa: F401
from .waiting import PATIENCE_S, await_

pytestmark = QUIET


def _stack(cli: Cli, things: dict[str, dict[str, Any]]) -> Any:
    from .programs import program

    spec = {
        "resources": [{"name": name, "props": props} for name, props in things.items()],
        "outputs": {name: {"$out": [name, "computed"]} for name in things},
    }
    return auto.create_or_select_stack(
        "dev",
        project_name="proj",
        program=program(spec),
        opts=auto.LocalWorkspaceOptions(work_dir=str(cli.work)),
    )


def test_a_first_update_makes_the_objects_and_records_them(standin: Cli) -> None:  # noqa: F811
    stack = _stack(standin, {"a": {"value": 1}, "b": {"value": 2}})
    stack.set_config("image", auto.ConfigValue("v1"))
    assert stack.preview().change_summary == {"create": 3}
    assert standin.world() == {}

    done = stack.up(message="op 7")

    assert standin.world() == {"a-1": {"value": 1}, "b-1": {"value": 2}}
    assert {name: out.value for name, out in done.outputs.items()} == {
        "a": "computed-a-1",
        "b": "computed-b-1",
    }
    assert [(one.message, one.result) for one in stack.history()] == [("op 7", "succeeded")]
    assert standin.locks() == []
    assert "pending_operations" not in standin.checkpoint()


def test_killed_in_mid_update_it_leaves_a_lock_and_a_pending_operation(standin: Cli) -> None:  # noqa: F811
    standin.faults({"at": "applied", "do": "crash", "name": "a"})
    stack = _stack(standin, {"a": {"value": 1}})
    with pytest.raises(auto.CommandError, match="code: -9"):
        stack.up()

    assert [one["type"] for one in standin.checkpoint()["pending_operations"]] == ["creating"]
    assert standin.world() == {"a-1": {"value": 1}}
    assert len(standin.locks()) == 1
    standin.faults()
    with pytest.raises(auto.ConcurrentUpdateError):
        stack.up()
    stack.cancel()
    stack.up()
    assert sorted(standin.world()) == ["a-1", "a-2"]


def test_a_held_lock_turns_away_what_writes_and_nothing_else(standin: Cli) -> None:  # noqa: F811
    stack = _stack(standin, {"a": {"value": 1}})
    folder = standin.state / ".pulumi" / "locks" / "organization" / "proj" / "dev"
    folder.mkdir(parents=True)
    held = {
        "pid": 7,
        "username": "ann",
        "hostname": "elsewhere",
        "timestamp": "2026-01-01T00:00:00Z",
    }
    (folder / "one.json").write_text(json.dumps(held))

    with pytest.raises(auto.ConcurrentUpdateError, match=r"by ann@elsewhere \(pid 7\)"):
        stack.up()
    assert stack.preview().change_summary == {"create": 2}
    (folder / "one.json").write_text("nonsense")
    with pytest.raises(auto.CommandError, match="invalid character 'o' in literal null"):
        stack.up()


def test_of_two_updates_at_once_the_later_one_is_turned_away(
    real_or_standin: Cli,  # noqa: F811
) -> None:
    goes_on, results = threading.Event(), []
    first, second = (_stack(real_or_standin, {"a": {"value": n}}) for n in (1, 2))
    program = first.workspace.program

    def held() -> None:
        assert goes_on.wait(PATIENCE_S)
        program()

    first.workspace.program = held
    updating = threading.Thread(target=lambda: results.append(first.up().summary.result))
    updating.start()
    try:
        await_(real_or_standin.locks)
        with pytest.raises(auto.ConcurrentUpdateError):
            second.up()
    finally:
        goes_on.set()
        updating.join(PATIENCE_S)

    assert results == ["succeeded"]
    assert real_or_standin.world() == {"a-1": {"value": 1}}
    assert real_or_standin.locks() == []


@pytest.mark.parametrize("code", [1, 2, 3, 4, 5, 6, 7, 8, 9, 255])
def test_every_exit_code_can_be_had(standin: Cli, code: int) -> None:  # noqa: F811
    standin.faults(
        {
            "at": "start",
            "do": "exit",
            "code": code,
            "text": "error: as told\n",
            "command": "stack ls",
        }
    )
    (standin.work / "Pulumi.yaml").write_text("name: proj\nruntime: python\n")
    done = subprocess.run(
        ["pulumi", "stack", "ls"], capture_output=True, text=True, check=False, cwd=standin.work
    )

    assert (done.returncode, done.stdout, done.stderr) == (code, "", "error: as told\n")


def test_a_partial_failure_is_recorded_with_its_reason(standin: Cli) -> None:  # noqa: F811
    standin.faults({"at": "applied", "do": "partial", "text": "0 of 3 ready", "name": "a"})
    stack = _stack(standin, {"a": {"value": 1}})
    with pytest.raises(auto.CommandError, match="0 of 3 ready"):
        stack.up()

    thing = standin.checkpoint()["resources"][-1]
    assert (thing["id"], thing["initErrors"]) == ("a-1", ["0 of 3 ready"])
    standin.faults()
    assert stack.preview().change_summary == {"same": 1, "update": 1}


def test_without_the_passphrase_only_what_needs_it_fails(
    standin: Cli,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stack = _stack(standin, {"a": {"value": 1}})
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE")

    assert stack.history(show_secrets=False) == []
    with pytest.raises(auto.CommandError, match="passphrase must be set"):
        stack.preview()
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "another")
    with pytest.raises(auto.CommandError, match="incorrect passphrase"):
        stack.up()


def test_a_full_disk_leaves_the_object_and_a_pending_operation(standin: Cli) -> None:  # noqa: F811
    stack = _stack(standin, {"a": {"value": 1}})
    standin.faults({"at": "checkpoint", "do": "full", "command": "up", "skip": 3})
    with pytest.raises(auto.CommandError, match="no space left on device"):
        stack.up()

    assert standin.world() == {"a-1": {"value": 1}}
    assert [one["type"] for one in standin.checkpoint()["pending_operations"]] == ["creating"]


def test_secrets_are_masked_and_never_written_in_clear(standin: Cli) -> None:  # noqa: F811
    import pulumi

    def program() -> None:
        pulumi.export("word", pulumi.Output.secret("canary-77"))

    stack = _stack(standin, {})
    stack.workspace.program = program
    stack.set_config("token", auto.ConfigValue("canary-78", secret=True))
    done = stack.up()

    assert (done.outputs["word"].value, done.outputs["word"].secret) == ("canary-77", True)
    assert "word: [secret]" in done.stdout
    kept = [path for path in standin.folder.rglob("*") if path.is_file()]
    assert [path for path in kept if b"canary-7" in path.read_bytes()] == []

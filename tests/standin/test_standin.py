"""The stand-in serves the real SDK: stacks, configuration, previews, updates, history, state."""

from __future__ import annotations

from typing import Any

import pytest

from .fixtures import Cli, standin  # noqa: F401

auto = pytest.importorskip("pulumi.automation")


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

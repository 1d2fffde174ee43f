"""Somebody forces the lock open while its holder works: it stops, says who, and each way on works."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.machine import STATE, Machine, sandbox_machine
from tests.acceptance.small_plan import pause, plan, touch

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("lock-forced")]

HERE = ("--state", STATE)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with sandbox_machine(tmp_path_factory.mktemp("lock"), workers=1, rate_hz=0) as (machine, _):
        yield machine


@pytest.mark.parametrize(
    ("way", "code", "outcome"),
    [("resume", 0, "succeeded"), ("rollback", 10, "rolled-back"), ("abort", 0, "aborted")],
)
def test_a_lock_that_is_forced_open_stops_its_holder(
    fleet: Machine, tmp_path: Path, way: str, code: int, outcome: str
) -> None:
    (tmp_path / "sandbox").symlink_to(fleet.folder.parent / "sandbox")
    work = tmp_path / "work"
    work.mkdir()
    machine = Machine(work, fleet.environment)
    # Long enough for the unlocking to come first on a busy machine, too.
    steps = (touch("first", "first.txt"), pause("wait", "10s"), touch("last", "last.txt"))
    (work / "plan.yaml").write_text(plan(*steps))
    apply = machine.start("apply", "plan.yaml", *HERE)
    machine.await_event("OperationAwaited", "wait/bake")
    bob = {"ROLLOUT_KIT_ACTOR": "bob"}
    forced = machine.run("unlock", "--force", "--because", "it hangs", *HERE, environment=bob)
    assert forced.code == 0, forced.both
    stopped = apply.end(60)
    intents = [e["operation"]["id"] for e in machine.events() if e["is"] == "OperationIntended"]
    assert intents == ["first/command"], "nothing is written without the lock"
    assert stopped.code == 12, stopped.both
    assert "forced open by bob: it hangs" in stopped.out
    assert "hint: `resume` when that is settled; `rollback` puts its part back" in stopped.out
    rollout = machine.events()[0]["rollout"]
    assert stopped.last_line == f"next: rollout-kit resume {rollout} {' '.join(HERE)}"
    done = machine.run(way, *HERE)
    assert done.code == code, done.both
    assert machine.events()[-1]["outcome"] == outcome
    machine.leave()

"""A driver's work that may not go on without its rollout is told to end, whichever way that leaves it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from rollout_kit.document.plan import PlanDocument
from rollout_kit.emulator.model.settings import Generation
from rollout_kit.execution.executor import End, Executor
from rollout_kit.model.events import Outcome
from rollout_kit.ports.infra import JobState, JobStatus
from rollout_kit.ports.journal import LockLost
from rollout_kit.simulation.world import World
from tests.safety.moments import when
from tests.safety.plans import SCHEMA, api, outcome, read, small

REPLACE = "api/api-1/replace"
KEY = f"r-1/{REPLACE}/1"


@dataclass
class Stuck:
    """A world whose driver never gets done replacing the first node. `told`: what was journaled then."""

    world: World
    document: PlanDocument
    executor: Executor
    told: list[list[str]] = field(default_factory=list)
    bounds: list[float] = field(default_factory=list)
    ends: bool = True
    undo_waits: bool = False

    def attended(self, hosts: object, intended_at: object) -> None: ...

    def bounded(self, within_s: float) -> None:
        self.bounds.append(within_s)

    def leave(self) -> tuple[str, ...]:
        self.told.append([record.event.__class__.__name__ for record in self._records()])
        return () if self.ends else tuple(key for key, _ in self.world.fleet.begun)

    def work(self, key: str) -> JobStatus:
        if self.undo_waits and key.startswith(f"r-1/undo/{REPLACE}/"):
            return JobStatus(state=JobState.QUEUED)
        if key != KEY or not self.is_at_it() or self._begun() > 1:
            return self.world.fleet.jobs.get(key, JobStatus(state=JobState.UNKNOWN))
        return JobStatus(state=JobState.LOST if self.told else JobState.RUNNING)

    def is_at_it(self) -> bool:
        return self._begun() > 0

    def interrupt(self) -> None:
        self.world.clock.stop = True

    def _begun(self) -> int:
        return [key for key, _ in self.world.fleet.begun].count(KEY)

    def _records(self) -> list[object]:
        return list(self.executor.shell.journal.read())


@pytest.fixture
def stuck(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Stuck]:
    def make(within: str = "20s", more: str = "", **sections: object) -> Stuck:
        world = small(Generation.V2)
        document = read(world, SCHEMA, api(within=within, more=more), **sections)
        found = Stuck(world, document, world.executor(document))
        for name in ("attended", "bounded", "leave", "work"):
            monkeypatch.setattr(world.fleet, name, getattr(found, name), raising=False)
        return found

    return make


def test_a_step_that_times_out_ends_its_work_before_the_rollback_begins(
    stuck: Callable[..., Stuck],
) -> None:
    site = stuck()
    site.executor.run()
    assert outcome(site.executor.state) is Outcome.ROLLED_BACK
    first = site.told[0]
    assert first[-1] == "OperationFailed"
    assert "RollbackStarted" not in first
    assert all(node.spec.image == "server:old" for node in site.world.fleet.nodes.values())


def test_an_undo_that_never_had_its_turn_is_ended_before_the_fleet_is_looked_at_for_the_last_time(
    stuck: Callable[..., Stuck],
) -> None:
    """A driver tells of what is under way what it is to be: the fleet read as if it were undone."""
    site = stuck()
    site.undo_waits = True
    site.executor.run()
    assert outcome(site.executor.state) is Outcome.ROLLBACK_INCOMPLETE
    assert any("UndoSkipped" in told and told[-1] != "RolloutFinished" for told in site.told), (
        site.told
    )


def test_what_is_begun_may_take_as_long_as_its_operation_and_its_step(
    stuck: Callable[..., Stuck],
) -> None:
    """A limit of the driver's own would end a job that the plan gives an hour."""
    site = stuck(within="2h", more=", timeout: 40s")
    site.executor.run()
    assert outcome(site.executor.state) is Outcome.ROLLED_BACK
    forward = site.bounds[: site.bounds.index(7200.0)]
    assert dict.fromkeys(forward) == {30.0: None, 40.0: None}, "bootstrap's own, then the step's"
    assert set(site.bounds[len(forward) :]) == {7200.0}, "an undo has no step's timeout"


def test_a_step_that_times_out_and_holds_ends_its_work_before_its_group_is_undone(
    stuck: Callable[..., Stuck],
) -> None:
    site = stuck(on_failure="hold")
    assert site.executor.run() is End.HELD
    assert site.told[0][-1] == "OperationFailed"
    assert "GroupUndoStarted" not in site.told[0]


def test_an_interrupt_ends_its_work(stuck: Callable[..., Stuck]) -> None:
    site = stuck(within="60s")
    when(site.world, site.is_at_it, site.interrupt)
    assert site.executor.run() is End.INTERRUPTED
    assert len(site.told) == 1
    assert site.executor.left == ()


def test_what_has_not_ended_by_then_is_known(stuck: Callable[..., Stuck]) -> None:
    site = stuck(within="60s")
    site.ends = False
    when(site.world, site.is_at_it, site.interrupt)
    site.executor.run()
    assert KEY in site.executor.left


def test_a_lost_lock_ends_its_work_although_nothing_is_to_be_written(
    stuck: Callable[..., Stuck],
) -> None:
    site = stuck(within="60s")
    lost_at_s: list[float] = []

    def lose() -> None:
        site.executor.shell.lock.lost = "ann has it"  # type: ignore[attr-defined]
        lost_at_s.append(site.world.clock.monotonic_s())

    when(site.world, site.is_at_it, lose)
    with pytest.raises(LockLost, match="ann has it"):
        site.executor.run()
    assert len(site.told) == 1
    assert site.world.clock.monotonic_s() - lost_at_s[0] <= 2.0, "no renewal is waited for"


def test_what_an_interrupt_cut_off_is_begun_again_by_resume(stuck: Callable[..., Stuck]) -> None:
    site = stuck(within="60s")
    when(site.world, site.is_at_it, site.interrupt)
    site.executor.run()
    site.world.clock.stop = False
    site.executor = site.world.executor(site.document)
    assert site.executor.run() is End.OVER
    assert outcome(site.executor.state) is Outcome.SUCCEEDED
    assert site.executor.state.operations[REPLACE].reapplied == 1

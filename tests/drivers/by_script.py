"""A fleet that a script to copy changes, one change at a time."""

from __future__ import annotations

from dataclasses import dataclass

from rollout_kit.drivers.command.driver import CommandDriver
from rollout_kit.drivers.work.folder import UNDER_WAY
from rollout_kit.model.identity import CohortRef
from rollout_kit.ports.infra import (
    CohortSpec,
    InfraChange,
    JobState,
    JobStatus,
    ProcessSpec,
    ReplaceNode,
    RunJob,
    SetCohort,
    SetScheduler,
)
from tests.drivers.conftest import eventually

OLD = CohortRef(namespace="orders", task_queue="orders", build_id="b1")
NEW = CohortRef(namespace="orders", task_queue="orders", build_id="b2")
TWO = ProcessSpec(image="server:2", marker="blue", server_id="api-1")

# The changes of a rollout in their order: what a later one changes, an earlier one may have left.
CHAIN = (
    ("schema/run", RunJob(job="bootstrap", image="server:2", revision="2")),
    ("api/api-1/replace", ReplaceNode(node="api-1", spec=TWO)),
    ("scheduler/stop", SetScheduler(spec=None)),
    ("scheduler/start", SetScheduler(spec=TWO)),
    ("canary/deploy", SetCohort(cohort=NEW, spec=CohortSpec(image="orders:2", replicas=1))),
    ("canary/grow", SetCohort(cohort=NEW, spec=CohortSpec(image="orders:2", replicas=2))),
    ("drain/stop", SetCohort(cohort=OLD, spec=CohortSpec(image="orders:1", replicas=0))),
)


@dataclass(kw_only=True)
class ByScript:
    """What can be asked of each such fleet."""

    driver: CommandDriver

    def does(self, key: str, change: InfraChange) -> JobStatus:
        """How the change ends."""
        self.driver.begin(key, change)
        assert eventually(lambda: self.driver.work(key).state not in UNDER_WAY, 60.0)
        return self.driver.work(key)

    def previewed(self) -> dict[str, tuple[tuple[str, ...], ...]]:
        """What is told of the chain: by operation its resources, what changes, what it creates."""
        told = self.driver.announce(CHAIN)
        return {one.operation: (one.resources, one.changed, one.creates) for one in told}

    def done(self, key: str, change: InfraChange) -> str:
        """What a change that succeeds prints."""
        status = self.does(key, change)
        assert status.state is JobState.SUCCEEDED, status
        return status.output

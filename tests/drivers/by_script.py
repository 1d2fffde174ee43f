"""A fleet that a script to copy changes, one change at a time."""

from __future__ import annotations

from dataclasses import dataclass

from rollout_kit.drivers.command.driver import CommandDriver
from rollout_kit.drivers.work.folder import UNDER_WAY
from rollout_kit.ports.infra import InfraChange, JobState, JobStatus
from tests.drivers.conftest import eventually


@dataclass(kw_only=True)
class ByScript:
    """What can be asked of each such fleet."""

    driver: CommandDriver

    def does(self, key: str, change: InfraChange) -> JobStatus:
        """How the change ends."""
        self.driver.begin(key, change)
        assert eventually(lambda: self.driver.work(key).state not in UNDER_WAY, 60.0)
        return self.driver.work(key)

    def done(self, key: str, change: InfraChange) -> str:
        """What a change that succeeds prints."""
        status = self.does(key, change)
        assert status.state is JobState.SUCCEEDED, status
        return status.output

"""A stack without a cluster: nothing counts its processes, and a person says what a count would."""

from __future__ import annotations

from dataclasses import replace

from rollout_kit.drivers import asked_stop
from rollout_kit.drivers.pulumi.driver import PulumiDriver
from rollout_kit.model.observation import Observation
from rollout_kit.model.request import Request
from rollout_kit.ports.infra import InfraChange, JobState, JobStatus
from rollout_kit.ports.requests import Asked


class UncountedPulumiDriver(PulumiDriver):
    """Implements `ports.requests.AsksPeople` too, for the stop of the scheduler."""

    _asked: tuple[Asked, ...] = ()

    def request(self, change: InfraChange) -> Request | None:
        """What takes a person's word. All else the stack's updates do."""
        return self._word() if asked_stop.is_for_a_person(change, self.answers()) else None

    def tell(self, baseline: Observation | None, asked: tuple[Asked, ...]) -> None:  # noqa: ARG002
        self._asked = asked

    def work(self, key: str) -> JobStatus:
        status = super().work(key)
        for one in self._asked:
            if one.key == key and status.state in (JobState.UNKNOWN, JobState.SUCCEEDED):
                asked = asked_stop.status_of(one, self._word(), status)
                return replace(status, state=asked.state, detail=asked.detail)
        return status

    def _word(self) -> Request:
        return asked_stop.request_of(f"nothing counts the processes of {self.stack.name}")

"""Keeping what `${env:NAME}` stands for out of what programs printed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from rollout_kit.drivers.process.fleet import Environment, Fleet
from rollout_kit.drivers.work import pump
from rollout_kit.drivers.work.program import names_in
from rollout_kit.ports.infra import JobStatus


class Mask:
    """Puts the reference back in the place of every value that the fleet file refers to."""

    def __init__(
        self, fleet: Fleet, environment: Mapping[str, str], more: Iterable[str] = ()
    ) -> None:
        """`more`: names of variables that the fleet file does not refer to and that are secret too."""
        found = {name for texts in _environments(fleet) for name in names_in(texts)}
        self.names = sorted({*found, *more})
        self._values = pump.values_of(self.names, environment)

    def status(self, status: JobStatus) -> JobStatus:
        """The same, safe to show and to journal."""
        return replace(status, output=self.text(status.output), detail=self.text(status.detail))

    def text(self, text: str) -> str:
        """The same with every known value replaced."""
        data = text.encode(errors="surrogateescape")
        return pump.masked(data, self._values, final=True)[0].decode(errors="replace")


def _environments(fleet: Fleet) -> Iterator[Environment]:
    yield fleet.environment
    yield from (image.environment for image in fleet.images.values())
    yield from (node.declared.environment for node in fleet.nodes.values())
    yield from (entry.declared.environment for entry in fleet.maintenance.values())
    if fleet.scheduler is not None:
        yield fleet.scheduler.declared.environment
    for queue in fleet.queues:
        yield queue.program.environment
        yield from (spec.environment for spec in queue.declared.values())
    yield from (program.environment for program in fleet.jobs.values())
    yield from (program.environment for program in fleet.processes.values())

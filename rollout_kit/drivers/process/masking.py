"""Keeping what `${env:NAME}` stands for out of what programs printed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from rollout_kit.drivers.process.fleet import Environment, Fleet
from rollout_kit.drivers.process.rendering import names_in
from rollout_kit.ports.infra import JobStatus

_TOO_SHORT_TO_BE_SECRET = 6


class Mask:
    """Puts the reference back in the place of every value that the fleet file refers to."""

    def __init__(self, fleet: Fleet, environment: Mapping[str, str]) -> None:
        names = {name for texts in _environments(fleet) for name in names_in(texts)}
        known = {name: environment.get(name, "") for name in names}
        self._values = sorted(
            (
                (value, f"${{env:{name}}}")
                for name, value in known.items()
                if len(value) >= _TOO_SHORT_TO_BE_SECRET
            ),
            key=lambda item: -len(item[0]),
        )

    def status(self, status: JobStatus) -> JobStatus:
        """The same, safe to show and to journal."""
        return replace(status, output=self.text(status.output), detail=self.text(status.detail))

    def text(self, text: str) -> str:
        """The same with every known value replaced."""
        for value, reference in self._values:
            text = text.replace(value, reference)
        return text


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

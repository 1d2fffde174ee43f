"""What a rollout announced of each operation, found again by the key that it is sent under. Pure."""

from __future__ import annotations

from rollout_kit.drivers.pulumi.changing import run_name
from rollout_kit.drivers.pulumi.radius import Said
from rollout_kit.model.operation import Announcement
from rollout_kit.ports.infra import InfraChange, RunJob

UNDO = "undo/"
_ACTS = {"bootstrap": ("run",), "migrate-status": ("pending", "ledger")}
"""How the operations are called that run a job."""


class Announced:
    """The announcements of one rollout; none where nothing was announced."""

    def __init__(self, announced: tuple[Announcement, ...] = (), program_digest: str = "") -> None:
        self.all = announced
        self._by_operation = {item.operation: item for item in announced if item.operation}
        self.program_digest = program_digest

    def of(self, key: str, change: InfraChange) -> Said:
        """What was announced of this operation, or of the one that it undoes.

        Keys are `<rollout>/<operation>/<attempt>`. A job's key belongs to target and revision, not to
        a rollout: it is found by what it is about.
        """
        operation = key.partition("/")[2].rpartition("/")[0]
        undoing = operation.startswith(UNDO)
        if undoing:
            operation = operation.removeprefix(UNDO).rpartition("/")[0]
        if isinstance(change, RunJob):
            return Said(here=self._of_a_job(key, change.job), rollout=self.all, undoing=undoing)
        here = self._by_operation.get(operation)
        return Said(here=here, rollout=self.all, undoing=undoing)

    def _of_a_job(self, key: str, job: str) -> Announcement | None:
        """All that was announced of this job, with this run's name in the place of the announced one's."""
        acts = _ACTS.get(job, ())
        found = [o for name, o in self._by_operation.items() if name.rpartition("/")[2] in acts]
        if not found:
            return None
        return Announcement(
            operation=key,
            resources=tuple(_renamed(urn, one, key) for one in found for urn in one.resources),
            kinds=tuple(kind for one in found for kind in one.kinds),
            changed=tuple(text for one in found for text in one.changed),
            creates=tuple(_renamed(urn, one, key) for one in found for urn in one.creates),
        )


def _renamed(urn: str, announced: Announcement, key: str) -> str:
    return urn.replace(run_name(announced.operation), run_name(key))

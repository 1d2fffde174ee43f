"""Whether a marker has somebody to do its work. Rule 19, for whatever is about to carry a new one."""

from __future__ import annotations

from rollout_kit.model.operation import Done, Verification, Waiting
from rollout_kit.operations.api import Context, Readers, Seen
from rollout_kit.operations.pace import pace
from rollout_kit.operations.pins import Declared, served
from rollout_kit.operations.queues import queue_fact, read_queue
from rollout_kit.operations.reading import merged


def read_supporters(marker: str | None, readers: Readers, now_s: float) -> Seen:
    """The queues of the plan, where there is a marker to serve."""
    queues = readers.scope.queues if marker is not None else ()
    return merged((read_queue(queue, readers, now_s) for queue in queues), now_s)


def may_carry(
    marker: str | None, holder: str, declared: Declared, seen: Seen, ctx: Context
) -> Verification:
    """Rule 19: before a process carries a marker, a *started* cohort serves it."""
    if marker is None:
        return Done()
    queues = {cohort.queue for cohort in seen.observation.cohorts()}
    found = {
        queue: served(seen, declared, queue, marker)
        for queue in sorted(queues)
        if seen.observation.get(queue_fact(queue)) is not None
    }
    if True in found.values():
        return Done()
    unknown = [queue.task_queue for queue, answer in found.items() if answer is None]
    text = f"no started cohort serves marker {marker}, which {holder} would pin new runs to"
    if unknown:
        text = f"whether a started cohort serves marker {marker} cannot be measured on {', '.join(unknown)}"
    return Waiting(retry_after_s=pace(ctx), progress=text)

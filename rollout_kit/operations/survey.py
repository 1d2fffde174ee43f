"""Looking wherever a pin may have got to: the queues of all namespaces that new runs are pinned in."""

from __future__ import annotations

from rollout_kit.model.capability import Capability
from rollout_kit.model.identity import QueueRef
from rollout_kit.model.observation import Observation, capability_fact
from rollout_kit.model.situation import Situation
from rollout_kit.operations.api import Readers, Seen
from rollout_kit.operations.asking import Missing, ask
from rollout_kit.operations.queues import NAMESPACES, read_markers, read_queue, read_runs
from rollout_kit.operations.reading import merged

QUEUES = "queues/"
"""Prefix in `unread` of namespaces whose queues could not be listed."""


def read_pins(readers: Readers, now_s: float) -> Seen:
    """Open runs and cohorts of every queue that a pin of this plan can reach.

    A marker is the process's and pins the starts of every namespace; a selection stays in its own.
    """
    named = [read_queue(queue, readers, now_s, windows=True) for queue in readers.scope.queues]
    seen, namespaces = _namespaces(merged(named, now_s), readers)
    others = _others(readers, namespaces, now_s)
    runs = [read_runs(namespace, readers, now_s) for namespace in namespaces]
    return merged((seen, others, *runs), now_s)


def read_routes(readers: Readers, now_s: float) -> Seen:
    """What gives new runs their pins, and every cohort that could serve them."""
    named = [read_queue(queue, readers, now_s) for queue in readers.scope.queues]
    seen, namespaces = _namespaces(merged(named, now_s), readers)
    others = _others(readers, namespaces, now_s)
    return merged((seen, others, read_markers(readers, now_s)), now_s)


def _namespaces(seen: Seen, readers: Readers) -> tuple[Seen, tuple[str, ...]]:
    declared = readers.scope.namespaces
    if seen.observation.get(capability_fact(Capability.MARKER_ROUTING)) is not True:
        return seen, declared
    answer = ask(readers.engine.namespaces)
    if isinstance(answer, Missing):
        return merged((seen, _unread(NAMESPACES, answer, seen.at_s)), seen.at_s), declared
    return seen, tuple(dict.fromkeys((*declared, *answer)))


def _others(readers: Readers, namespaces: tuple[str, ...], now_s: float) -> Seen:
    """The queues of these namespaces that the plan does not name."""
    looks = []
    for namespace in namespaces:
        names = ask(lambda namespace=namespace: readers.engine.queues(namespace))  # type: ignore[misc]
        if isinstance(names, Missing):
            looks.append(_unread(QUEUES + namespace, names, now_s))
            continue
        for name in names:
            queue = QueueRef(namespace=namespace, task_queue=name)
            if queue not in readers.scope.queues:
                looks.append(read_queue(queue, readers, now_s))
    return merged(looks, now_s)


def _unread(key: str, answer: Missing, now_s: float) -> Seen:
    situation = Situation(unread={key: answer.reason})
    return Seen(observation=Observation(), situation=situation, at_s=now_s)

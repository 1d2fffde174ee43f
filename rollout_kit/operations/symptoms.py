"""Rule 16: the symptoms of a rollout that are known, what they come from, what mends them.

Each fails the rollout like any other failure; being listed only means that the failure can say
what to do. What is not listed has no remedy here, and fails it all the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Symptom:
    """What an operator sees, where it comes from, and the way out."""

    key: str
    sees: str
    cause: str
    remedy: str

    @property
    def hint(self) -> str:
        return f"probably {self.cause}; {self.remedy}"


NODE_NOT_READY = Symptom(
    key="node-not-ready",
    sees="a new API node does not become ready after its start",
    cause="the bootstrap has not finished, or fleet validation is `fail` and no worker alive serves"
    " the node's marker",
    remedy="run the bootstrap again, or bring workers for that marker up before the node returns",
)
COMPATIBILITY_ERROR = Symptom(
    key="worker-compatibility-error",
    sees="the health check `worker_compatibility` turns to error in the middle of a rollout",
    cause="the marker that is asked for has no live worker that supports it",
    remedy="start more workers of a build that supports it, or resume a drained build to go back",
)
BLOCKED_RUNS = Symptom(
    key="blocked-runs-climb",
    sees="blocked runs and their age grow",
    cause="work is queued for a marker that no live worker supports",
    remedy="start workers that support it or resume a drained build: nothing is lost, and it is"
    " handed out by itself as soon as one of them has beaten",
)
STILL_CLAIMING = Symptom(
    key="drained-and-still-claiming",
    sees="a drain is acknowledged and workers go on taking tasks",
    cause="those workers have not sent a heartbeat since the drain",
    remedy="wait for one heartbeat; a cohort that stays active after it has to be restarted",
)
FIRES_STOPPED = Symptom(
    key="schedules-stopped",
    sees="schedules stop firing after the scheduler was restarted",
    cause="neither the old nor the new scheduler runs",
    remedy="start the new scheduler, then see that no schedule stays overdue",
)
SYMPTOMS = (NODE_NOT_READY, COMPATIBILITY_ERROR, BLOCKED_RUNS, STILL_CLAIMING, FIRES_STOPPED)

_OF_KIND: Mapping[str, Symptom] = {
    "await_node": NODE_NOT_READY,
    "attach_node": NODE_NOT_READY,
    "drain_cohort": STILL_CLAIMING,
    "await_lease_free": STILL_CLAIMING,
    "start_scheduler": FIRES_STOPPED,
    "await_scheduler": FIRES_STOPPED,
}
_NAMED_BY = (
    ("worker_compatibility", COMPATIBILITY_ERROR),
    ("workers.active_workers_supporting_required", COMPATIBILITY_ERROR),
    ("compatibility_blocked", BLOCKED_RUNS),
    ("unserved pins", BLOCKED_RUNS),
    ("markers that no started cohort serves", COMPATIBILITY_ERROR),
    ("attached nodes that are not ready", NODE_NOT_READY),
    ("schedules.missed", FIRES_STOPPED),
    ("schedules.max_overdue_ms", FIRES_STOPPED),
)
_WRONG_IDENTITY = "is not what the plan says"


def symptom_of(kind: str, reason: str) -> Symptom | None:
    """The listed symptom that an operation of this kind shows when it fails for this reason.

    What the reason itself names comes before what the kind suggests. None: it is not listed.
    """
    for word, symptom in _NAMED_BY:
        if word in reason:
            return symptom
    return None if _WRONG_IDENTITY in reason else _OF_KIND.get(kind)


def hint_for(kind: str, reason: str, otherwise: str = "") -> str:
    """What to do about the failure: the listed remedy, else `otherwise`."""
    found = symptom_of(kind, reason)
    return otherwise if found is None else found.hint

"""What can go wrong in a simulated world: every kind of fault, and one blow of it at its moment."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Fault(StrEnum):
    """Each is switched on or off for a whole scenario."""

    LOST_BEFORE = "lost-before"  # a request does not arrive
    LOST_AFTER = "lost-after"  # it arrives, its answer does not
    DUPLICATE = "duplicate"  # it arrives twice
    LATE = "late"  # a write arrives after its caller gave up
    SLOW = "slow"  # an answer takes seconds
    BAD_GATEWAY = "bad-gateway"  # a page of a proxy instead of an answer
    DRIVER_BEFORE = "driver-before"  # the driver fails before it does anything
    DRIVER_AFTER = "driver-after"  # it has done it, and its answer is lost
    WORK_LOST = "work-lost"  # it has done it, and knows nothing of it any more
    NODE_RESTART = "node-restart"  # gone for seconds
    NODE_DEATH = "node-death"  # gone until somebody mends it
    WORKER_DEATH = "worker-death"
    STALE_HEARTBEATS = "stale-heartbeats"  # workers work and do not beat
    FLAPPING_HEARTBEATS = "flapping-heartbeats"  # on and off
    METRIC_SPIKE = "metric-spike"
    METRIC_GAP = "metric-gap"  # no data
    CLOCK_STEP = "clock-step"  # of the tool's wall clock
    PERSON_DRAINS = "person-drains"
    PERSON_SCALES = "person-scales"
    PERSON_DETACHES = "person-detaches"
    LOCK_LOST = "lock-lost"  # somebody else takes the rollout over
    STORE_BEFORE = "store-before"  # an append fails and nothing is durable
    STORE_AFTER = "store-after"  # it fails and the record is durable
    CRASH_BEFORE = "crash-before"  # the tool dies before the append, write or read
    CRASH_AFTER = "crash-after"  # or just after it
    INTERRUPT = "interrupt"  # a signal asks the tool to stop


class Moment(StrEnum):
    """What is counted until a blow falls."""

    SECOND = "second"  # of virtual time since the rollout began
    READ = "read"  # of the tool, from a server
    WRITE = "write"  # of the tool, to a server
    CHANGE = "change"  # begun at the driver
    APPEND = "append"  # to the journal


@dataclass(frozen=True, slots=True, kw_only=True)
class Blow:
    """One fault, when the count of `on` reaches `at`.

    `lasting_s`: how long it lasts, where it lasts. `amount`: of a spike, a step, a scaling, how many
    requests. `target`: the number of a node or queue, taken round by how many there are.
    """

    fault: Fault
    on: Moment
    at: float
    lasting_s: float = 0.0
    amount: float = 0.0
    target: int = 0

    @property
    def text(self) -> str:
        """As `lost-after at write 7`."""
        parts = [f"{self.fault.value} at {self.on.value} {self.at:g}"]
        if self.lasting_s:
            parts.append(f"for {self.lasting_s:g}s")
        if self.amount:
            parts.append(f"of {self.amount:g}")
        return " ".join(parts)


REQUESTS = (Moment.READ, Moment.WRITE)
FALLS_ON: dict[Fault, tuple[Moment, ...]] = {
    Fault.LOST_BEFORE: REQUESTS,
    Fault.LOST_AFTER: REQUESTS,
    Fault.DUPLICATE: REQUESTS,
    Fault.LATE: (Moment.WRITE,),
    Fault.SLOW: REQUESTS,
    Fault.BAD_GATEWAY: REQUESTS,
    Fault.DRIVER_BEFORE: (Moment.CHANGE,),
    Fault.DRIVER_AFTER: (Moment.CHANGE,),
    Fault.WORK_LOST: (Moment.CHANGE,),
    Fault.STORE_BEFORE: (Moment.APPEND,),
    Fault.STORE_AFTER: (Moment.APPEND,),
    Fault.LOCK_LOST: (Moment.APPEND, Moment.SECOND),
    Fault.CRASH_BEFORE: (Moment.APPEND, Moment.WRITE, Moment.CHANGE, Moment.READ),
    Fault.CRASH_AFTER: (Moment.APPEND, Moment.WRITE, Moment.CHANGE, Moment.READ),
    Fault.INTERRUPT: (Moment.SECOND, Moment.APPEND),
}
"""What each kind is counted on; the others fall at a second."""

SPAN: dict[Moment, float] = {
    Moment.SECOND: 25.0,
    Moment.READ: 120.0,
    Moment.WRITE: 4.0,
    Moment.CHANGE: 8.0,
    Moment.APPEND: 30.0,
}
"""How far into a small rollout the moments of its blows lie."""


def moments_of(fault: Fault) -> tuple[Moment, ...]:
    return FALLS_ON.get(fault, (Moment.SECOND,))

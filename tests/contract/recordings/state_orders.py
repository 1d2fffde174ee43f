"""Queue `orders`: runs without a pin, whose activities nobody with a build id gets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tests.contract.recordings.given import (
    NAPPER,
    OLD,
    Given,
    bare,
    beat,
    finished,
    leased,
    rollout,
    run,
    task,
    us,
    worker,
)
from tests.contract.recordings.state_raw import SILENT

# What the given states leave open: ages, histories' sizes, and figures about projections that
# the server rebuilds behind the scenes.
METRICS = (
    "operator_metrics.*_age_ms",
    "operator_metrics.*.max_overdue_ms",
    "operator_metrics.*.max_pending_ms",
    "operator_metrics.history.max_size_bytes",
    "operator_metrics.projections.*",
    "operator_metrics.workers.fleet*.host",
    "operator_metrics.workers.fleet*.process_id",
)
AGES = ("*max_task_candidate_age_ms", "*max_missing_run_age_ms")
FIRST_OF_ALL = [finished(f"first-{n}", "orders", "20:28:26", "20:28:29.010334") for n in range(3)]

# Thirteen runs without a pin, whose activities nobody with a build id gets.
_STARTED = [59.874373, 59.946412, *(60.0 + 0.1 * n for n in range(7)), 61.10, 61.15, 61.20, 72.0]


def _clock(second: float) -> str:
    return f"20:{30 + int(second // 60)}:{second % 60:09.6f}"


STUCK = [run(f"lf-{n}", "orders", _clock(second), events=3) for n, second in enumerate(_STARTED)]
STALLED = [
    replace(
        task(f"lf-{n}", "orders", _clock(second + created)),
        available_us=us(_clock(second + available)),
    )
    for n, (second, available, created) in enumerate(
        (second, *((0.009737, 0.009842) if n == 0 else (0.005466, 0.005572)))
        for n, second in enumerate(_STARTED)
    )
]


def sdk_v1(heartbeat: str, **changes: object) -> object:
    return worker(
        "sdk-v1",
        "orders",
        OLD,
        fingerprints={"napper": NAPPER},
        seen="20:30:56",
        beat=heartbeat,
        **changes,
    )


def orders(count: int, heartbeat: str, *, draining: bool = False) -> Given:
    """`count` stalled runs beside one versioned worker and a silent one."""
    kept = [rollout("orders", OLD, "20:31:04")] if draining else []
    return Given(
        rows=[
            SILENT,
            sdk_v1(heartbeat, draining=draining),
            *kept,
            *FIRST_OF_ALL,
            *STUCK[:count],
            *STALLED[:count],
        ],
        undetermined=(*METRICS, *AGES),
    )


IN_FLIGHT = orders(12, "20:31:03").plus(beat("sdk-v1", "orders", OLD, "20:31:03.613538"))
DRAINING = orders(12, "20:31:08", draining=True).plus(
    beat("sdk-v1", "orders", OLD, "20:31:08.655032")
)
DRAINED_IDLE = orders(13, "20:31:33", draining=True)
HELPER = bare("tmp-u", "orders", seen="20:31:58")
HELD = leased(STALLED[0], "tmp-u", "20:36:58.125404")
UNSTUCK = [replace(STUCK[0], events=4, progress_us=us("20:31:58.135726")), *STUCK[1:]]
ORDERS_LATER: Sequence[object] = [SILENT, HELPER, *FIRST_OF_ALL, *UNSTUCK, HELD, *STALLED[1:]]
STALLED_LATER = Given(
    rows=[
        *ORDERS_LATER,
        sdk_v1("20:32:54"),
        rollout("orders", OLD),
        beat("sdk-v1", "orders", OLD, "20:32:54.467776"),
    ],
    undetermined=(*METRICS, *AGES),
)


STATES = {
    "build-ids/active-with-in-flight": IN_FLIGHT,
    "build-ids/drained-all-work-done": DRAINED_IDLE,
    "task-queues/show-draining-in-flight": DRAINING,
    "task-queues/show-drained-idle": DRAINED_IDLE,
    "task-queues/show-unpinned-activities-stuck": STALLED_LATER,
    "worker/poll-activity-versioned-worker-unpinned-run": STALLED_LATER,
    "cluster-info/fleet-while-draining": DRAINING,
    "resume/ok-orders": STALLED_LATER,
    "system/operator-metrics-in-flight-and-backlog": IN_FLIGHT,
    "system/operator-metrics-unpinned-stuck": STALLED_LATER,
    "system/repair-with-candidates": STALLED_LATER,
}

"""Queue `pay`: two builds, leases, a drain, workers that are gone, schedules nobody evaluates."""

from __future__ import annotations

from dataclasses import replace

from rollout_kit.emulator.model.records import Run, Task, TaskKind, TaskState
from tests.contract.recordings.given import (
    NAPPER,
    NEW,
    NODE,
    OLD,
    Given,
    beat,
    finished,
    leased,
    rollout,
    run,
    schedule,
    task,
    us,
    worker,
)
from tests.contract.recordings.state_orders import (
    AGES,
    FIRST_OF_ALL,
    HELD,
    METRICS,
    ORDERS_LATER,
    STALLED,
    UNSTUCK,
)


# Twenty-five runs pinned to the old build on `pay`: twenty leased by two workers, five ready.
def pay_workers(heartbeat: str, *, draining: bool = False) -> list[object]:
    return [
        *(
            worker(
                f"pay-v1-{name}",
                "pay",
                OLD,
                fingerprints={"napper": NAPPER},
                seen="20:33:48",
                beat=heartbeat,
                draining=draining,
            )
            for name in "ab"
        ),
        pay_new(heartbeat),
    ]


def pay_new(heartbeat: str) -> object:
    return worker(
        "pay-v2-a", "pay", NEW, fingerprints={"napper": NAPPER}, seen="20:33:48", beat=heartbeat
    )


OWNERS = "abababa" + "bababaababab" + "b"
_PINNED_RUN = {"compatibility": OLD, "input_blob": "AAxbMjUuMF0C"}


def _leased_run(n: int) -> tuple[Run, Task]:
    started = f"20:33:{52.424216 + n * 0.2:.6f}"
    made = run(
        f"p1-{n}", "pay", started, progress=f"20:33:{53.1 + n * 0.2:.6f}", events=4, **_PINNED_RUN
    )
    activity = task(f"p1-{n}", "pay", started, compatibility=OLD)
    expires = us("20:38:53.084950") + n * 200_000
    held = leased(activity, f"pay-v1-{OWNERS[n]}", "20:38:53", lease_expires_us=expires)
    return made, held


def _ready_run(n: int) -> tuple[Run, Task]:
    started = f"20:33:{56.9 + (n - 20) * 0.1:.6f}"
    made = run(f"p1-{n}", "pay", started, events=3, **_PINNED_RUN)
    ready = replace(
        task(f"p1-{n}", "pay", f"20:33:{57.130284 + (n - 20) * 0.1:.6f}", compatibility=OLD),
        available_us=us("20:33:57.130179") + (n - 20) * 100_000,
    )
    return made, ready


PINNED = [row for n in range(20) for row in _leased_run(n)]
WAITING = [row for n in range(20, 25) for row in _ready_run(n)]
BEATS = [
    beat("pay-v1-a", "pay", OLD, "20:34:00.841225"),
    beat("pay-v1-b", "pay", OLD, "20:34:00.922658"),
    beat("pay-v2-a", "pay", NEW, "20:34:00.869039"),
]
A_OLD = replace(NODE, marker=OLD)
WITH_LEASES = Given(
    rows=[*ORDERS_LATER, *pay_workers("20:34:00"), *PINNED, *WAITING, *BEATS],
    node=A_OLD,
    undetermined=(
        *METRICS,
        "current_leases*.workflow_id",
        "current_leases*.lease_*",
        "stats.oldest_ready_task.workflow_id",
    ),
)

# All of that is done; two more runs are pinned to the old build, whose workers are gone.
DONE = [finished(f"p1-{n}", "pay", "20:33:52", "20:34:44", events=6) for n in range(25)] + [
    finished(f"p2-{n}", "pay", "20:34:20", "20:34:40", events=6, compatibility=NEW)
    for n in range(2)
]


def blocked(n: int, started: str) -> list[object]:
    """A run whose first workflow task waits for a build without workers."""
    made = run(
        f"p1blocked-{n}",
        "pay",
        started,
        status="pending",
        compatibility=OLD,
        input_blob="AApbMS4wXQI=",
        wait_kind="workflow-task",
        wait_reason="Workflow task ready",
        events=2,
    )
    first = task(f"p1blocked-{n}", "pay", started, kind=TaskKind.WORKFLOW, compatibility=OLD)
    return [made, first]


BLOCKED = [*blocked(0, "20:35:22.568747"), *blocked(1, "20:35:22.700000")]
STARTED_A_MOMENT_LATER = "operator_metrics.starts.oldest_pending_start_at"
WORKERS_GONE = Given(
    rows=[
        *ORDERS_LATER,
        *pay_workers("20:35:16", draining=True)[:2],
        pay_new("20:36:37"),
        rollout("pay", OLD, "20:34:02"),
        *DONE,
        *BLOCKED,
        beat("pay-v2-a", "pay", NEW, "20:36:37.183712"),
    ],
    node=A_OLD,
    undetermined=(*METRICS, *AGES, STARTED_A_MOMENT_LATER),
)

# Two schedules that nobody evaluates; four runs whose worker was killed with its leases.
SCHEDULES = [
    schedule("sched-overdue", {"intervals": [{"every": "PT10S"}]}, "20:42:30"),
    schedule("sched-cron", {"cron_expressions": ["* * * * *"]}, "20:43:00"),
]
PAUSED = schedule(
    "sched-cron",
    {"cron_expressions": ["* * * * *"]},
    "20:43:00",
    paused=True,
    note="rollout",
    updated_us=us("21:00:17"),
)
REDISPATCHED = us("20:38:22.917534")
REDELIVERED = replace(HELD, state=TaskState.READY, lease_owner=None, lease_expires_us=None)
BY_THEN_READY = [
    *UNSTUCK,
    *(
        replace(made, redispatched_us=REDISPATCHED + n)
        for n, made in enumerate([REDELIVERED, *STALLED[1:]])
    ),
]
LOST_RUNS = [
    run(f"crash-{n}", "pay", f"20:38:40.{n}64372", compatibility=OLD, events=4) for n in range(4)
]
LOST_TASKS = [
    replace(
        task(f"crash-{n}", "pay", "20:38:40.114292", compatibility=OLD),
        available_us=us("20:38:40.114137") + n,
        started_us=us("20:38:40.190642"),
    )
    for n in range(4)
]
LOST = [
    *LOST_RUNS,
    *(leased(made, "pay-v1-c", f"20:43:40.{190642 + n}") for n, made in enumerate(LOST_TASKS)),
]
OVERDUE = Given(
    rows=[
        *FIRST_OF_ALL,
        *BY_THEN_READY,
        *LOST,
        finished("redelivered", "pay", "20:33:52", "20:37:44", events=7),
        *(finished(f"done-{n}", "pay", "20:33:52", "20:37:44") for n in range(30)),
        *SCHEDULES,
        beat("pay-v2-a", "pay", NEW, "20:44:15.891280"),
    ],
    node=A_OLD,
    undetermined=METRICS,
)
BEFORE_PASS = Given(
    rows=[*FIRST_OF_ALL, *UNSTUCK, HELD, *STALLED[1:], *BLOCKED],
    node=A_OLD,
)
EXPIRED_DEADLINES = Given(
    rows=[*FIRST_OF_ALL, *BY_THEN_READY, *LOST],
    node=A_OLD,
)

STATES = {
    "workers/delete-live": WORKERS_GONE,
    "workers/delete-operator-role": WORKERS_GONE,
    "system/repair-pass": BEFORE_PASS,
    "system/repair-pass-via-new-node": BEFORE_PASS.plus(
        *blocked(2, "20:38:00"), *blocked(3, "20:38:01")
    ),
    "system/repair-pass-expired-leases": EXPIRED_DEADLINES,
    "rollout/02-workflow-pinned": WITH_LEASES,
    "rollout/03-queue-with-leases": WITH_LEASES,
    "rollout/04-operator-metrics-with-leases": WITH_LEASES,
    "rollout/21-operator-metrics-compatibility-blocked": WORKERS_GONE,
    "rollout/22-workflow-compatibility-blocked": WORKERS_GONE,
    "schedules/list": Given(rows=SCHEDULES),
    "schedules/operator-metrics-overdue": OVERDUE,
    "schedules/show-paused": Given(rows=[SCHEDULES[0], PAUSED]),
    "schedules/*": Given(rows=SCHEDULES),
    "workflows/start-ok": Given(node=A_OLD),
    "workflows/signal-via-new-node": WORKERS_GONE.on(server_id="server-b", marker=NEW),
}

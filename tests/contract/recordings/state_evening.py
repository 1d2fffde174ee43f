"""What was left behind later: a run nobody serves, a drained worker at work, every worker row."""

from __future__ import annotations

from dataclasses import replace

from rollout_kit.emulator.memory_store import MemoryStore
from rollout_kit.emulator.model import runs
from rollout_kit.emulator.model.records import Bucket, TaskKind
from rollout_kit.emulator.model.runs import NewRun
from tests.contract.recordings.given import (
    NAPPER,
    NEW,
    NODE,
    OLD,
    Given,
    bare,
    bootstrapped,
    leased,
    rollout,
    run,
    run_id_of,
    task,
    us,
    worker,
)
from tests.contract.recordings.state_orders import HELPER, IN_FLIGHT, STALLED, sdk_v1
from tests.contract.recordings.state_pay import A_OLD, LOST_RUNS, LOST_TASKS, REDELIVERED, pay_new
from tests.contract.recordings.state_raw import (
    DRAINED,
    FINGERPRINTED,
    GO,
    JOINED_LATER,
    ODD_NAMES,
    SILENT,
    UNVERSIONED,
    odd,
)

# One run on a queue that nobody serves; a drained worker that takes and finishes work.
REC_1 = run(
    "rec-1",
    "nobody",
    "20:49:32.320025",
    status="pending",
    compatibility=OLD,
    execution_timeout_s=None,
    run_timeout_s=None,
    wait_kind="workflow-task",
    wait_reason="Workflow task ready",
    events=2,
)
REC_1_TASK = replace(
    task("rec-1", "nobody", "20:49:32.331799", kind=TaskKind.WORKFLOW, compatibility=OLD),
    available_us=us("20:49:32.331680"),
)
ONE_WAITS = Given(rows=[REC_1, REC_1_TASK], node=A_OLD)
OPEN_RUNS = ONE_WAITS.plus(*LOST_RUNS)
A_NEW = replace(NODE, version="0.2.10", marker=NEW)
PROVER = bare(
    "drain-proof",
    "proofq",
    NEW,
    workflow_types=["napper"],
    activity_types=["nap"],
    seen="21:00:16",
    draining=True,
)
PROOF = Given(rows=[PROVER, rollout("proofq", NEW, "21:00:16")], node=A_NEW)
PROOF_RUN = run(
    "proof-1",
    "proofq",
    "21:00:16.697555",
    status="pending",
    compatibility=NEW,
    execution_timeout_s=None,
    run_timeout_s=None,
    execution_started_us=us("21:00:16.697555"),
    wait_kind="workflow-task",
    wait_reason="Workflow task ready",
    events=2,
)


def proof_started() -> MemoryStore:
    """Started as the emulator starts it: the poll's answer carries the whole first history."""
    store = bootstrapped()
    with store.write() as rows:
        wanted = NewRun(
            namespace="default",
            workflow_id="proof-1",
            workflow_type="napper",
            task_queue="proofq",
            compatibility=NEW,
            codec="avro",
            input_blob="AAZbMV0C",
        )
        runs.start(rows, wanted, us("21:00:16.697555"))
    return store


PROOF_TASK = replace(
    task("proof-1", "proofq", "21:00:16.7", kind=TaskKind.WORKFLOW, compatibility=NEW),
    task_id="01m7xc53ea85994naf0v3t2mt1",
)
PROOF_HELD = leased(PROOF_TASK, "drain-proof", "21:05:16.795133")
PROOF_DONE = replace(
    PROOF_RUN,
    status="completed",
    bucket=Bucket.COMPLETED,
    closed_us=us("21:00:16.880222"),
    closed_reason="completed",
    progress_us=us("21:00:16.880222"),
    wait_kind=None,
    wait_reason=None,
)

# Every worker row that the evening left behind until 20:49:32.
BY_THEN_STALE = [JOINED_LATER, replace(DRAINED, draining=False), FINGERPRINTED, GO, UNVERSIONED]
ODD_QUEUES = [row for name, where in ODD_NAMES.items() for row in odd(name, *where).rows]
POLLERS = [
    worker(f"lp-{name}", "lp", fingerprints={"napper": NAPPER}, seen=seen)
    for name, seen in (
        ("x1", "20:47:10"),
        ("x2", "20:47:10"),
        ("x3", "20:47:09"),
        ("x4", "20:47:09"),
        ("w1", "20:46:29"),
        ("w2", "20:46:29"),
    )
]
CRASHED = worker(
    "pay-v1-c",
    "pay",
    OLD,
    fingerprints={"napper": NAPPER},
    seen="20:38:24",
    beat="20:38:46",
    draining=True,
)
LEFT_BEHIND = [
    *ODD_QUEUES,
    bare("sp", "trimq", "b9", seen="20:49:32", draining=True),
    *POLLERS,
    bare("failw", "failq", seen="20:44:53"),
    pay_new("20:44:53"),
    CRASHED,
    sdk_v1("20:32:54"),
    HELPER,
    *BY_THEN_STALE,
    SILENT,
]
# After a repair pass: what was stalled has a task for its deadline too, what was lost is ready.
DEADLINES = [
    task(f"lf-{n}", "orders", "20:44:49.6", kind=TaskKind.WORKFLOW, task_id=run_id_of(f"d{n}"))
    for n in range(13)
]
EVERYBODY = Given(
    rows=[*LEFT_BEHIND, *ONE_WAITS.rows, REDELIVERED, *STALLED[1:], *DEADLINES, *LOST_TASKS],
    node=A_OLD,
)

STATES = {
    "build-ids/queue-with-backlog-no-workers": ONE_WAITS,
    "task-queues/list-in-flight-and-backlog": IN_FLIGHT.plus(*BY_THEN_STALE),
    "task-queues/show-no-pollers-backlog": ONE_WAITS,
    "task-queues/list-full": EVERYBODY,
    "workers/list-filter-build": EVERYBODY,
    "workers/list-filter-status-draining": EVERYBODY,
    "schedules/create": Given(),
    "schedules/create-cron": Given(),
    "workflows/start-*": ONE_WAITS,
    "workflows/show-unknown": ONE_WAITS,
    "workflows/terminate": Given(rows=[replace(REC_1, commands=2), REC_1_TASK], node=A_NEW),
    "workflows/list": OPEN_RUNS,
    "drain-proof/2-start": PROOF,
    "drain-proof/3-poll-leases-task": replace(PROOF, store=proof_started).but(
        "task.lease_expires_at", "task.history_events*"
    ),
    "drain-proof/4-queue": PROOF.plus(PROOF_RUN, PROOF_HELD),
    "drain-proof/5-fail-or-complete": PROOF.plus(PROOF_RUN, PROOF_HELD),
    "drain-proof/6-workflow": PROOF.plus(PROOF_DONE),
}

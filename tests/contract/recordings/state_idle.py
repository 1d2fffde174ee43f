"""A fresh cluster of three nodes, and later a second namespace beside the first."""

from __future__ import annotations

from dataclasses import replace

from rollout_kit.emulator.model.settings import Provenance
from tests.contract.recordings.given import (
    NEW,
    NODE,
    OLD,
    Given,
    bare,
    beat,
    namespace,
    rollout,
    task,
)
from tests.contract.recordings.state_raw import (
    FALSE_FLEET,
    JOINED_LATER,
    RESUMED,
    TYPOS,
    UNVERSIONED,
)

FRESH = Given()
B = replace(NODE, server_id="server-b", version="0.2.10")
C = replace(NODE, server_id="server-c", version="0.2.10")
PAYMENTS = namespace("payments", "20:49:31", description="second namespace", retention_days=7)
IN_SECOND = bare("raw-v1-a", "raw", "build-1", seen="20:49:31", namespace="payments")
SECOND = Given(rows=[PAYMENTS, IN_SECOND, *FALSE_FLEET], node=replace(NODE, marker=OLD))
AGES = (
    "*max_*_age_ms",
    "operator_metrics.workers.fleet*.host",
    "operator_metrics.workers.fleet*.process_id",
)

_LEFT_BEHIND = [
    *(task(f"lf-{number}", "orders", "20:30:59.884215") for number in range(26)),
    *(task(f"crash-{number}", "pay", "20:38:40.114292", compatibility=OLD) for number in range(4)),
]
_WAITS_FOR_NOBODY = task("rec-1", "nobody", "20:49:32.331799", compatibility=OLD)
VERSION_UNSET = Given(
    rows=[*_LEFT_BEHIND, _WAITS_FOR_NOBODY, beat("mix-1", "mixq", "b-old", "20:51:09.570974")],
    node=replace(NODE, server_id="probe-nv", version=None),
    undetermined=AGES,
)
PROVEN = Given(
    rows=[
        *_LEFT_BEHIND,
        beat("drain-proof", "proofq", NEW, "21:00:16.647511"),
        beat("rd-1", "rdq", "b", "21:00:22.052388"),
    ],
    node=replace(
        NODE,
        server_id="probe-pv",
        version="0.2.10",
        provenance=Provenance(
            source="https://example.invalid/workflow.git",
            ref="v2",
            commit="0123456789abcdef0123456789abcdef01234567",
        ),
    ),
    undetermined=AGES,
)

STATES = {
    "cluster-info/ok-operator-node-b": Given(node=B),
    "cluster-info/ok-operator-node-c": Given(node=C),
    "cluster-info/app-version-unset": VERSION_UNSET,
    "cluster-info/provenance-*": PROVEN,
    "cluster-info/*": FRESH,
    "task-queues/list-admin-role": FRESH,
    "task-queues/list-empty": FRESH,
    "task-queues/list-missing-*": FRESH,
    "task-queues/list-namespace-*": FRESH,
    "task-queues/list-no-*": FRESH,
    "task-queues/list-unknown-*": FRESH,
    "task-queues/list-worker-role": FRESH,
    "namespaces/list": FRESH,
    "namespaces/list-worker-role": FRESH,
    "namespaces/show*": FRESH,
    "namespaces/create-ok": FRESH,
    "namespaces/create-*": Given(rows=[PAYMENTS]),
    "namespaces/list-two": Given(rows=[PAYMENTS]),
    "namespaces/register-in-second": Given(rows=[PAYMENTS, JOINED_LATER, RESUMED, UNVERSIONED]),
    "namespaces/build-ids-in-default": TYPOS.plus(
        PAYMENTS, IN_SECOND, rollout("raw", "build-1", "20:49:31", namespace="payments")
    ),
    "namespaces/*": SECOND,
    "system/operator-metrics-second-namespace": SECOND.but(*AGES),
    "system/*-idle": FRESH,
    "system/repair-status-path": FRESH,
}

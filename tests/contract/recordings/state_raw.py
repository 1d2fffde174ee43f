"""Queue `raw` and its like: workers registered by hand in the first minutes of the evening."""

from __future__ import annotations

from dataclasses import replace

from rollout_kit.emulator.model.records import Counter
from tests.contract.recordings.given import (
    NAPPER,
    Given,
    bare,
    beat,
    rollout,
    us,
    worker,
)

VERSIONED = worker("raw-v1-a", "raw", "build-1", seen="20:29:42", beat="20:29:43")
DRAINED = replace(
    VERSIONED, draining=True, last_heartbeat_us=us("20:29:49"), updated_us=us("20:29:49")
)
RESUMED = replace(VERSIONED, last_heartbeat_us=us("20:29:49"))
JOINED_LATER = worker("raw-v1-new", "raw", "build-1", seen="20:29:53")
UNVERSIONED = worker("raw-u-a", "raw", seen="20:29:42")
FINGERPRINTED = worker(
    "raw-fp", "rawfp", "build-1", fingerprints={"napper": "sha256:aaa"}, seen="20:29:47"
)
GO = bare("01M7XAD4RK9VGN6DEPE6XTZ6MS", "raw-gen", runtime="go", seen="20:29:43")
SILENT = worker("w-plain-1", "orders", fingerprints={"napper": NAPPER}, seen="20:28:25")

NOBODY = Given()
FIRST = Given(rows=[VERSIONED, UNVERSIONED])
ALL = Given(rows=[FINGERPRINTED, VERSIONED, GO, UNVERSIONED, SILENT])
PRUNED = Counter(name="retention_pass_us", value=us("20:29:43"))
DRAIN_ASKED = Given(rows=[VERSIONED, UNVERSIONED, rollout("raw", "build-1", "20:29:47")])
DRAINING = Given(rows=[DRAINED, UNVERSIONED, rollout("raw", "build-1", "20:29:47")])
TWO_DRAINING = DRAINING.plus(replace(JOINED_LATER, draining=True))
TAKEN_BACK = Given(
    rows=[RESUMED, JOINED_LATER, UNVERSIONED, rollout("raw", "build-1")],
)
TYPO = TAKEN_BACK.plus(rollout("raw", None), rollout("raw", "never-registered", "20:29:53"))
TYPOS = TYPO.plus(rollout("raw", "also-never"), rollout("no-such-queue", "build-1", "20:29:53"))

TRIMMED = Given(
    rows=[
        rollout("trimq", "b9", "20:49:32"),
        rollout("trimq", "__unversioned__", "20:49:32"),
    ]
)
SPACED = bare("sp", "trimq", "b9", seen="20:49:32", draining=True)


ODD_NAMES = {
    "slash": ("a/b", "20:49:31"),
    "space": ("a b", "20:49:31"),
    "colon": ("a:b", "20:49:31"),
    "unicode": ("größe", "20:49:31"),
    "dot": ("a.b", "20:49:32"),
    "percent": ("a%b", "20:49:32"),
    "dotdot": ("..", "20:49:32"),
}


def odd(name: str, queue: str, seen: str) -> Given:
    """A queue with an odd name and one worker."""
    return Given(rows=[bare(f"qn-{name}", queue, "b1", seen=seen)])


DELETED = worker("del-w1", "delq", "b-del", seen="20:51:40")
JUST_STALE = Given(rows=[bare("st5", "st5q", "b1", seen="20:56:20")])
FALSE_FLEET = [beat("raw-v1-a", "raw", "build-1", "20:49:31.523086", namespace="payments")]

STATES = {
    "worker/register-ok-*": NOBODY,
    "worker/register-again-idempotent": FIRST,
    "worker/register-bad-*": FIRST,
    "worker/register-no-*": FIRST,
    "worker/register-operator-role": FIRST,
    "worker/register-queue-*": NOBODY,
    "worker/register-build-id-spaces": TRIMMED,
    "worker/heartbeat-ok": FIRST,
    "worker/heartbeat-unknown-worker": FIRST,
    "worker/heartbeat-while-draining": DRAIN_ASKED.plus(PRUNED),
    "worker/heartbeat-after-delete": NOBODY,
    "worker/poll-workflow-empty": FIRST,
    "worker/poll-unregistered": FIRST,
    "worker/poll-queue-mismatch": FIRST,
    "worker/fingerprint-conflict-2": ALL,
    "workers/list": ALL,
    "workers/list-filter-status": ALL,
    "workers/list-worker-role": ALL,
    "workers/show-unknown": ALL,
    "workers/show-just-drained-before-heartbeat": DRAIN_ASKED,
    "workers/show-drained-after-heartbeat": DRAINING,
    "workers/list-stale-live": ALL,
    "workers/delete-live-sdk-worker": Given(rows=[DELETED]),
    "task-queues/list-with-workers": ALL,
    "task-queues/show-draining": DRAINING,
    "build-ids/just-drained-before-heartbeat": DRAIN_ASKED,
    "build-ids/drained-after-heartbeat": DRAINING,
    "build-ids/registered-under-drained": TWO_DRAINING,
    "build-ids/unversioned-drained-before-heartbeat": TAKEN_BACK.plus(
        rollout("raw", None, "20:29:53")
    ),
    "build-ids/unknown-build-drained": TYPO,
    "build-ids/unknown-build-resumed": TYPOS,
    "build-ids/unknown-queue-after-drain": TYPOS,
    "build-ids/uppercase-queue": TYPOS,
    "build-ids/trailing-slash": TYPOS,
    "build-ids/stale-live-sdk-worker": ALL,
    "build-ids/stale-after-5": JUST_STALE.on(stale_after_override_s=5),
    "build-ids/stale-after-60-same-moment": JUST_STALE,
    "build-ids/after-delete-of-live-sdk-worker": NOBODY,
    "build-ids/trimq": TRIMMED,
    "build-ids/trimq-2": TRIMMED.plus(SPACED),
    **{f"build-ids/queue-name-{name}": odd(name, *where) for name, where in ODD_NAMES.items()},
    "resume/ok-first": TWO_DRAINING,
    "resume/ok-repeat": TAKEN_BACK,
    "resume/ok-null-build": TAKEN_BACK.plus(rollout("raw", None, "20:29:53")),
    "resume/unknown-build": TYPO,
    "promote/not-a-route": TYPOS,
    "drain/build-id-*": NOBODY,
    "drain/extra-keys": TRIMMED,
    "drain/empty-string-build": TAKEN_BACK,
    "drain/whitespace-build": TAKEN_BACK.plus(rollout("raw", None, "20:29:53")),
    "drain/namespace-uppercase": Given(rows=[rollout("adminq", "build-1", "20:29:53")]),
    "drain/*": TYPOS,
}

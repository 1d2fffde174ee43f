"""What was begun under which key: the change and its request beside the child's own records.

A key's work folder holds `change.json` (ours) and, by the names of `api`, the request and its
result. How a result reads as the status of long work is decided here.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from rollout_kit.drivers.pulumi import api, radius
from rollout_kit.drivers.pulumi.contract import read_given
from rollout_kit.drivers.work import records
from rollout_kit.drivers.work.folder import UNDER_WAY, WorkFolder
from rollout_kit.model import codec
from rollout_kit.model.stack_contract import NAMESPACE, Key, Placed
from rollout_kit.ports.infra import (
    InfraChange,
    JobState,
    JobStatus,
    RemoveCohort,
    ReplaceNode,
    RunCommand,
    RunJob,
    SetAttached,
    SetCohort,
    SetMaintenance,
    SetScheduler,
)

CHANGE_FILE = "change.json"
_APART_S = 0.001
JUDGED = frozenset({"not-ready", "resource-failed", "stopped"})
"""Ends whose outcome is known although the world may have been half changed: they are no doubt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """One key's change, how it stands, and when it was last heard of (wall clock, seconds)."""

    key: str
    change: InfraChange
    state: JobState
    at_s: float


def write(folder: WorkFolder, key: str, change: InfraChange, request: api.UpdateRequest) -> Path:
    """Lay the change down for its child; what an earlier attempt under this key said is gone."""
    work = folder.work(key)
    newest_s = max((_begun_at_s(other) or 0.0 for other in folder.works()), default=0.0)
    work.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in (api.RESULT_FILE, api.PROGRESS_FILE):
        (work / name).unlink(missing_ok=True)
    for name, body in (
        (CHANGE_FILE, {"key": key, "change": codec.to_json(change)}),
        (api.REQUEST_FILE, codec.to_json(request)),
    ):
        text = json.dumps(body, indent=1, ensure_ascii=False) + "\n"
        records.replace_file(str(work / name), text, durable=True)
    # The order of changes is that of these times, also where the clock was set back in between.
    at_s = max(time.time(), newest_s + _APART_S)
    os.utime(work / CHANGE_FILE, (at_s, at_s))
    return work


def _begun_at_s(work: Path) -> float | None:
    try:
        return (work / CHANGE_FILE).stat().st_mtime
    except FileNotFoundError:
        return None


class Log:
    """Every change that was begun on this machine; what has ended is read once."""

    def __init__(self, folder: WorkFolder) -> None:
        self._folder = folder
        self._ended: dict[Path, Begun] = {}

    def latest(self) -> dict[str, Begun]:
        """The last change of each thing (`thing_of`)."""
        found: dict[str, Begun] = {}
        for begun in sorted(self._all(), key=lambda item: item.at_s):
            found[thing_of(begun.change)] = begun
        return found

    def _all(self) -> Iterator[Begun]:
        for work in self._folder.works():
            at_s = _begun_at_s(work)
            if at_s is None:
                continue
            known = self._ended.get(work)
            if known is None or known.at_s != at_s:
                known = self._read(work, at_s)
            if known is not None:
                yield known

    def _read(self, work: Path, at_s: float) -> Begun | None:
        kept = records.read(str(work / CHANGE_FILE))
        if kept is None:
            return None
        key = kept["key"]
        begun = Begun(
            key=key,
            change=_decoded(kept["change"]),
            state=status_of(self._folder.status(key), result(work)).state,
            at_s=at_s,
        )
        if begun.state not in (JobState.UNKNOWN, *UNDER_WAY):
            self._ended[work] = begun
        return begun


def thing_of(change: InfraChange) -> str:
    """What a change is about, by its place in the output; a node's membership counts as the node."""
    match change:
        case ReplaceNode(node=node) | SetAttached(node=node):
            return f"{Key.NODES.value}/{node}"
        case SetScheduler():
            return Key.SCHEDULER.value
        case SetMaintenance(name=name):
            return f"{Key.MAINTENANCE.value}/{name}"
        case SetCohort(cohort=cohort) | RemoveCohort(cohort=cohort):
            return f"{Key.COHORTS.value}/{cohort.path}"
        case RunJob(job=job):
            return f"{Key.JOBS.value}/{job}"
        case RunCommand(argv=argv):
            return f"command/{argv[0]}"


def change_of(folder: WorkFolder, key: str) -> InfraChange | None:
    """What was begun under this key; None: nothing, or a command."""
    kept = records.read(str(folder.work(key) / CHANGE_FILE))
    return None if kept is None else _decoded(kept["change"])


def request(folder: WorkFolder, key: str) -> api.UpdateRequest | None:
    """What was asked of the child of this key."""
    kept = records.read(str(folder.work(key) / api.REQUEST_FILE))
    return None if kept is None else codec.from_json(api.UpdateRequest, kept)


def placed(ended: api.UpdateResult | None, job: str) -> Placed | None:
    """Where the job of this update is, as the output said when it had ended."""
    given = read_given(dict(ended.outputs or {}).get(NAMESPACE)).given if ended else None
    return given.jobs.get(job) if given else None


def _decoded(body: object) -> InfraChange:
    return cast("InfraChange", codec.from_json(InfraChange, body))


def result(work: Path) -> api.UpdateResult | None:
    """What the child wrote last; None: nothing yet, or nothing whole."""
    try:
        kept = records.read(str(work / api.RESULT_FILE))
        return None if kept is None else codec.from_json(api.UpdateResult, kept)
    except (ValueError, StopIteration, codec.CodecError):
        return None


def status_of(status: JobStatus, ended: api.UpdateResult | None) -> JobStatus:
    """The child's own word over its exit status: which kind of no it was decides what comes next.

    That status is the child's; how a job's program ended is known to the cluster, and told in words.
    """
    if status.state in (JobState.UNKNOWN, *UNDER_WAY) or ended is None:
        return status
    told = replace(status, exit_status=None, detail=_sentence(ended))
    match ended.outcome:
        case api.Outcome.DONE:
            return replace(told, state=JobState.SUCCEEDED)
        case api.Outcome.REFUSED:
            outside = radius.in_words(ended.outside)
            detail = f"it would reach further than announced: {outside}. Nothing was sent"
            return replace(told, state=JobState.REFUSED, detail=detail)
        case api.Outcome.STOPPED:
            return replace(told, state=JobState.LOST)
        case api.Outcome.FAILED:
            return replace(told, state=_failed(ended.trouble))


def _failed(trouble: api.Trouble | None) -> JobState:
    """Judged bad; or only unknown, to be looked at and begun again; or for a person to judge."""
    if trouble is None:
        return JobState.FAILED
    if trouble.name == "program-changed":
        return JobState.REFUSED
    if trouble.kind is api.Kind.CONFLICT:
        return JobState.CONFLICT
    unknown = trouble.kind is api.Kind.UNAVAILABLE and trouble.name not in JUDGED
    return JobState.LOST if unknown else JobState.FAILED


def _sentence(ended: api.UpdateResult) -> str:
    trouble = ended.trouble
    if trouble is None:
        return ended.sentence
    parts = (trouble.message, trouble.why, trouble.hint)
    return ". ".join(part.rstrip(".") for part in parts if part)

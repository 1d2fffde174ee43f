"""The database schema: bootstrap once per revision, and the ledger that proves it.

Two facts: `bootstrap/ran` is the revision whose bootstrap job succeeded, `bootstrap/revision` the one
whose ledger was seen with nothing pending. Both are remembered by the driver under keys that belong
to target and revision, not to a rollout: what one rollout proved, the next one need not.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace

from rollout_kit.model.observation import (
    BOOTSTRAP_REVISION,
    Absent,
    FactValue,
    Observation,
    show,
)
from rollout_kit.model.operation import Done, Failed, NeedsPerson, Operation, Verification, Waiting
from rollout_kit.model.situation import JobNumbers, Situation
from rollout_kit.operations.api import Context, Readers, Seen
from rollout_kit.operations.asking import CANNOT, Missing, ask, ask_driver
from rollout_kit.operations.pace import pace
from rollout_kit.operations.work import numbers_of
from rollout_kit.ports.infra import Answers, InfraReader, JobState, JobStatus

BOOTSTRAP_RAN = "bootstrap/ran"
BOOTSTRAP = "bootstrap/"  # every fact of this page
BOOTSTRAP_JOB = "bootstrap"
LEDGER_JOB = "migrate-status"

_ROW = re.compile(r"^(?P<name>[\w.\-/]+)\s.*\b(?P<state>Ran|Pending)$")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_NOTHING = re.compile(r"\b(No pending migrations|Nothing to migrate)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaArguments:
    """Of the bootstrap job and of asking the ledger. `before`: ahead of the job, to stop at anything."""

    target: str
    revision: str
    image: str
    before: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerAsked:
    """The latest asking of the ledger: its key, and what came of it. Key numbers count from 1."""

    number: int
    status: JobStatus


def bootstrap_key(target: str, revision: str) -> str:
    return f"{target}/{revision}"


def ledger_key(target: str, revision: str, number: int) -> str:
    return f"{target}/{revision}/ledger/{number}"


def last_asked(infra: InfraReader, target: str, revision: str) -> LedgerAsked | None:
    """The newest asking under this revision; None: nobody ever asked."""
    found: LedgerAsked | None = None
    while True:
        number = found.number + 1 if found else 1
        status = infra.work(ledger_key(target, revision, number))
        if status.state is JobState.UNKNOWN:
            return found
        found = LedgerAsked(number=number, status=status)


def key_to_ask(infra: InfraReader, target: str, revision: str) -> str:
    """The key under which asking now is a new asking, or joins one that still runs."""
    found = last_asked(infra, target, revision)
    if found is None:
        return ledger_key(target, revision, 1)
    answered = found.status.state is JobState.SUCCEEDED
    return ledger_key(target, revision, found.number + (1 if answered else 0))


def pending_migrations(output: str) -> tuple[str, ...] | None:
    """Names that a `migrate:status` shows as pending; None where it shows no migration at all.

    Read are its table and a JSON list of `{"migration": name, "ran": bool}`.
    """
    listed = _listed(output)
    if listed is not None:
        return tuple(name for name, ran in listed.items() if not ran) if listed else None
    rows = [_ROW.match(_COLOUR.sub("", line).strip()) for line in output.splitlines()]
    found = [row for row in rows if row]
    if not found and not _NOTHING.search(output):
        return None
    return tuple(row["name"] for row in found if row["state"] == "Pending")


def _listed(output: str) -> dict[str, bool] | None:
    """The migrations of a JSON answer, and whether each ran; None where it is not one."""
    try:
        rows = json.loads(output)
        return {str(row["migration"]): row["ran"] is True for row in rows}
    except (ValueError, TypeError, KeyError):
        return None


def read_bootstrap(readers: Readers, revision: str, now_s: float) -> Seen:
    """Whether bootstrap ran for this revision, and whether its ledger was seen complete.

    The jobs stand in the situation under their keys; the ledger's always under number 0, the latest.
    """
    infra, target = readers.infra, readers.scope.target
    ran = ask_driver(readers, Answers.JOBS, lambda: infra.work(bootstrap_key(target, revision)))
    asked = ask(lambda: last_asked(infra, target, revision)) if _answered(ran) else ran
    facts: dict[str, FactValue] = {}
    jobs: dict[str, JobNumbers] = {}
    unread: dict[str, str] = {}
    if isinstance(ran, Missing):
        facts[BOOTSTRAP_RAN] = ran.why
        unread[BOOTSTRAP_RAN] = ran.reason
    else:
        facts[BOOTSTRAP_RAN] = revision if ran.state is JobState.SUCCEEDED else None
        jobs[bootstrap_key(target, revision)] = numbers_of(ran)
    match asked:
        case Missing():
            facts[BOOTSTRAP_REVISION] = asked.why
            unread[BOOTSTRAP_REVISION] = asked.reason
        case LedgerAsked():
            numbers = _ledger_numbers(asked.status)
            jobs[ledger_key(target, revision, 0)] = numbers
            clean = numbers.pending_migrations == ()
            facts[BOOTSTRAP_REVISION] = revision if clean else None
        case _:
            facts[BOOTSTRAP_REVISION] = None
    return Seen(
        observation=Observation(facts=facts),
        situation=Situation(jobs=jobs, unread=unread),
        at_s=now_s,
    )


def with_own_job(op: Operation, seen: Seen, key: str) -> Seen:
    """The job of this key under the operation's own id too: whoever finds it lost begins it again."""
    job = seen.situation.jobs.get(key)
    own = Situation(jobs={op.id: job}) if job else Situation()
    return seen.beside(own)


def schema_ready(revision: str | None, observation: Observation, ctx: Context) -> Verification:
    """Rule 1: nothing new starts before bootstrap of its revision completed and was proved.

    `revision=None`: what starts brings no schema (a restart, another marker, an undo).
    """
    found = observation.get(BOOTSTRAP_REVISION)
    if revision is None or found == revision:
        return Done()
    if found in (Absent.NO_ANSWER, Absent.PENDING):
        progress = "the driver must say whether bootstrap completed, and gives no answer"
        return Waiting(retry_after_s=pace(ctx), progress=progress)
    return Failed(
        reason=f"the schema of revision {revision} is not proved (bootstrap revision: {show(found)});"
        " a process started now could miss tables that it needs",
        hint="put a `bootstrap` step before this one",
    )


def driver_must_answer(fact: str, op: Operation, seen: Seen, ctx: Context) -> Verification:
    """No job is begun before the driver says whether one ran or runs; or a person runs it by hand."""
    found = seen.observation.get(fact)
    if not isinstance(found, Absent):
        return Done()
    reason = seen.situation.unread.get(fact, "it was not asked")
    if reason.startswith(CANNOT):
        return NeedsPerson(
            reason=f"{reason}: only a person can run this job and say how it ended",
            hint=f"run it by hand, then `rollout-kit approve {op.id} --because …`",
        )
    return Waiting(retry_after_s=pace(ctx), progress=f"the driver must say: {reason}")


def _answered(status: JobStatus | Missing) -> bool:
    return not isinstance(status, Missing)


def _ledger_numbers(status: JobStatus) -> JobNumbers:
    pending = pending_migrations(status.output) if status.state is JobState.SUCCEEDED else None
    return replace(numbers_of(status), pending_migrations=pending)

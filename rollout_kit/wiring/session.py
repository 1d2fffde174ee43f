"""One command's work with one rollout: preview, apply, resume, roll back."""

from __future__ import annotations

import secrets
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from rollout_kit import __version__
from rollout_kit.document.plan import PlanDocument
from rollout_kit.execution.preview import Preview
from rollout_kit.execution.saved_preview import SavedPreview
from rollout_kit.execution.stale import compare
from rollout_kit.journal import lock as locks
from rollout_kit.journal.lock_place import LockState
from rollout_kit.journal.owner import this_process
from rollout_kit.journal.store import RolloutEntry, new_rollout_id
from rollout_kit.model.events import (
    DriftAccepted,
    Event,
    HoldKind,
    HoldReleased,
    RollbackStarted,
    RolloutHeld,
    RolloutStarted,
)
from rollout_kit.model.state import RolloutState, fold
from rollout_kit.operations.api import Readers
from rollout_kit.ports.approvals import PersonSaid
from rollout_kit.ports.errors import InFlight, Unavailable
from rollout_kit.ports.infra import Programmed
from rollout_kit.wiring import announcing
from rollout_kit.wiring.attach import HeldMeanwhile, attach, locked, run
from rollout_kit.wiring.outside import connect
from rollout_kit.wiring.result import Ending, Result, Surroundings
from rollout_kit.wiring.review import review


def preview(document: PlanDocument, plan_folder: Path, around: Surroundings) -> Preview:
    """What the plan would do to the live fleet now. Reads only."""
    with connect(document, plan_folder, around.environment, around.clock) as outside:
        found = review(document, outside.readers, around.clock, around.policies)
        return announcing.bound(found, outside.writers.infra, around.clock)


def apply(
    document: PlanDocument,
    plan_folder: Path,
    around: Surroundings,
    saved: SavedPreview | None = None,
) -> Result:
    """Start this plan, or go on with its unfinished rollout of the same digest.

    `saved`: what was reviewed. A start is refused when plan or fleet have moved since; one that has
    begun is held to its own journal instead.
    """
    until_s = around.clock.monotonic_s() + around.lock_wait_s
    while True:
        left_s = max(0.0, until_s - around.clock.monotonic_s()) if around.lock_wait_s else 0.0
        waiting = replace(around, lock_wait_s=left_s)
        try:
            looked = _look_at_the_lock(document.target.name, waiting)
            return _begin_or_go_on(document, plan_folder, waiting, looked, saved)
        except locks.LockTaken as taken:
            return locked(taken)
        except HeldMeanwhile:
            around.warn("somebody held this target meanwhile; looking at the fleet once more")


def _look_at_the_lock(target: str, around: Surroundings) -> LockState | None:
    """How it stands before anything else is looked at; where we may wait, once nobody holds it."""
    lock = around.store.lock(target)
    if not around.lock_wait_s:
        return lock.read()
    return locks.await_free(
        lock,
        here=this_process(around.environment),
        clock=around.clock,
        wait_s=around.lock_wait_s,
        tell=around.warn,
    )


def _begin_or_go_on(
    document: PlanDocument,
    plan_folder: Path,
    around: Surroundings,
    looked: LockState | None,
    saved: SavedPreview | None,
) -> Result:
    unfinished = around.store.newest_unfinished(document.target.name)
    if unfinished is not None:
        if unfinished.digest != document.digest:
            return _other_rollout(unfinished, document)
        if saved is not None:
            around.warn(f"{unfinished.rollout} goes on: a saved preview is for the start of one")
        return attach(unfinished, around)
    with connect(document, plan_folder, around.environment, around.clock) as outside:
        found = review(document, outside.readers, around.clock, around.policies)
        infra = outside.writers.infra
        found = announcing.bound(found, infra, around.clock) if saved else found
        stopped = _stopped(found, saved)
        if stopped is not None:
            return stopped
        _try_the_admin_token(document, outside.readers)
        assert found.execution_plan is not None
        rollout = new_rollout_id(document.name, around.clock.now(), secrets.token_bytes(2))
        first = RolloutStarted(
            rollout=rollout,
            plan=document.name,
            digest=document.digest,
            document=document.canonical,
            target=document.target.name,
            execution_plan=found.execution_plan,
            plan_folder=str(plan_folder.resolve()),
            tool_version=__version__,
            announced=found.announced,
            program=infra.program() if isinstance(infra, Programmed) else None,
        )
        return run(rollout, document.target.name, outside, around, first=(first,), looked=looked)


def resume(
    rollout: str | None, around: Surroundings, *, target: str | None = None, accept: bool = False
) -> Result:
    """Release the hold and go on; `accept` takes the drift that it holds for as it is."""
    entry = around.store.find(rollout, target)

    def released(state: RolloutState, actor: str) -> tuple[Event, ...]:
        held = state.hold
        if held is None or held.kind is HoldKind.APPROVAL:
            return ()
        if held.kind is HoldKind.DRIFT and not accept:
            return ()  # the hold is repeated, with its differences
        if held.kind is HoldKind.PERSON and _was_said(entry, held, state, around):
            return ()  # the word settles it, in the attempt that it was given in
        facts = {item.fact: item.found for item in held.differences}
        accepted = (DriftAccepted(facts=facts, actor=actor),) if facts and accept else ()
        return (*accepted, HoldReleased(operation=held.operation, actor=actor))

    return attach(entry, around, then=released)


def _was_said(
    entry: RolloutEntry, held: RolloutHeld, state: RolloutState, around: Surroundings
) -> bool:
    """Whether a person left a word on this very hold."""
    said = around.store.people(entry.target, entry.rollout).read()
    attempt = state.attempt(held.operation)
    return any(
        one.operation == held.operation
        and one.attempt == attempt
        and one.fingerprint == held.fingerprint
        and one.said in (PersonSaid.PROVE, PersonSaid.APPROVE)
        for one in said
    )


def roll_back(
    rollout: str | None, around: Surroundings, *, target: str | None = None, freeze: bool = False
) -> Result:
    """Put back what this rollout did, finished or not, from its journal alone."""
    entry = around.store.find(rollout, target)
    later = tuple(
        other
        for other in around.store.rollouts(entry.target)
        if other.started_at > entry.started_at
        and other.rollout != entry.rollout
        and fold(around.store.load(other).records).intents
    )
    if later:
        return Result(
            ending=Ending.BLOCKED,
            sentence=f"{later[0].rollout} wrote to {entry.target} after {entry.rollout}",
            hint=f"roll back {later[0].rollout} first, or apply a plan back to the previous build",
            rollout=entry.rollout,
            journal=entry.place,
        )

    def started(state: RolloutState, actor: str) -> tuple[Event, ...]:
        running = state.rollback if state.finished is None else None
        if running is not None and (running.freeze or not freeze):
            return ()
        return (RollbackStarted(cause=f"asked for by {actor}", actor=actor, freeze=freeze),)

    return attach(entry, around, then=started, rolling_back=True)


def _try_the_admin_token(document: PlanDocument, readers: Readers) -> None:
    """Preview does without it; a rollout would find out at its first gate, with writes behind it.

    Raises:
        Refused: the server does not take it.
    """
    if document.target.credentials.admin is None:
        return
    with suppress(Unavailable, InFlight):  # then the gates wait for their figures
        readers.engine.operator_metrics(document.target.namespace)


def _stopped(found: Preview, saved: SavedPreview | None = None) -> Result | None:
    """Why nothing may begin: another world than was reviewed, a blocker, a policy, or nothing to do."""
    stale = compare(saved, found) if saved is not None else None
    if stale and (stale.digest or found.problems or found.changes):
        return Result(
            ending=Ending.STALE,
            sentence=stale.sentence,
            hint="preview it anew with `--save`, and have that reviewed",
            preview=found,
            moved=stale.moved,
        )
    if found.problems:
        first = found.problems[0]
        more = f" (and {len(found.problems) - 1} more)" if len(found.problems) > 1 else ""
        return Result(
            ending=Ending.BLOCKED, sentence=f"{first.summary}{more}", hint=first.hint, preview=found
        )
    if announcing.UNANNOUNCED in found.not_read:
        return Result(
            ending=Ending.BLOCKED,
            sentence=f"what it would change is not known: {found.not_read[announcing.UNANNOUNCED]}",
            hint="`rollout-kit doctor PLAN` looks at everything that the driver needs",
            preview=found,
        )
    if found.changes == 0:
        return Result(
            ending=Ending.NOTHING_TO_DO, sentence="the fleet is already there", preview=found
        )
    if found.refused:
        rules = ", ".join(finding.rule for finding in found.findings if finding.mandatory)
        sentences = [f"policy refuses: {rules}"] if rules else []
        sentences += [f"beyond what an operation may touch: {text}" for text in found.beyond]
        return Result(
            ending=Ending.POLICY,
            sentence="; ".join(sentences),
            hint="`allow` in the plan's infra section widens what may change"
            if found.beyond
            else "",
            preview=found,
        )
    return None


def _other_rollout(entry: RolloutEntry, document: PlanDocument) -> Result:
    return Result(
        ending=Ending.LOCKED,
        sentence=(
            f"{entry.rollout} of {entry.target} is unfinished, from another plan "
            f"(digest {entry.digest[:12]}, this one {document.digest[:12]})"
        ),
        hint=f"finish it first: `rollout-kit resume {entry.rollout}`, `rollback` or `abort`",
        rollout=entry.rollout,
        journal=entry.place,
    )

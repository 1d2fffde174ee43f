"""Take a rollout up and run it: lock, journal, executor, and how that ended."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from rollout_kit.document.plan import PlanDocument
from rollout_kit.document.read import read_canonical
from rollout_kit.execution.executor import End, Executor, Shell
from rollout_kit.execution.rollback import irreversible, residue
from rollout_kit.journal import lock as locks
from rollout_kit.journal.lock_place import LockPlace, LockState
from rollout_kit.journal.owner import Owner, this_process
from rollout_kit.journal.store import RolloutEntry
from rollout_kit.journal.stored_journal import StoredJournal
from rollout_kit.model.events import Attached, Event, OperationIntended, Record, RolloutStarted
from rollout_kit.model.state import RolloutState
from rollout_kit.ports.approvals import ApprovalReader
from rollout_kit.ports.errors import Incompatible, InFlight, Unavailable
from rollout_kit.ports.journal import JournalLost
from rollout_kit.wiring import leaving, program
from rollout_kit.wiring.outside import Outside, connect
from rollout_kit.wiring.result import ENDINGS, CannotTakeUp, Ending, Result, Surroundings


class HeldMeanwhile(Exception):
    """Somebody held the target between our look at the fleet and our taking its lock."""


def attach(
    entry: RolloutEntry,
    around: Surroundings,
    *,
    then: Callable[[RolloutState, str], tuple[Event, ...]] = lambda _state, _actor: (),
    rolling_back: bool = False,
) -> Result:
    """Take up a rollout from its journal: neither the plan file nor the planner is needed.

    Raises:
        CannotTakeUp: it has written and is not over; the cause says what is missing.
    """
    records = around.store.load(entry).records
    started = records[0].event
    assert isinstance(started, RolloutStarted), "every journal begins with RolloutStarted"
    document = read_canonical(started.document)
    folder = Path(started.plan_folder)
    try:
        with connect(document, folder, around.environment, around.clock) as outside:
            _try_the_tokens(document, outside, around)
            return run(
                entry.rollout,
                entry.target,
                outside,
                around,
                then=then,
                floor=entry.fence,
                rolling_back=rolling_back,
            )
    except Exception as error:
        wrote = any(isinstance(record.event, OperationIntended) for record in records)
        if wrote and not entry.finished:
            raise CannotTakeUp(entry.rollout) from error
        raise


def _try_the_tokens(document: PlanDocument, outside: Outside, around: Surroundings) -> None:
    """Without them guards and gates would be blind, and every look a node that does not answer.

    Raises:
        UnsetEnvironmentError: a variable of the credentials is not set.
        Refused: the server does not take the operator token.
    """
    credentials = document.target.credentials
    for secret in (credentials.operator, credentials.admin):
        if secret is not None:
            secret.resolve(around.environment)
    with suppress(Unavailable, InFlight, Incompatible):  # the executor knows how to wait
        outside.readers.engine.queues(document.target.namespace)


def run(  # noqa: PLR0913 - one rollout: which, where, with what
    rollout: str,
    target: str,
    outside: Outside,
    around: Surroundings,
    *,
    first: tuple[Event, ...] = (),
    looked: LockState | None = None,
    then: Callable[[RolloutState, str], tuple[Event, ...]] = lambda _state, _actor: (),
    floor: int = 0,
    rolling_back: bool = False,
) -> Result:
    """Take the target's lock and go on with its rollout, or begin one with the events `first`.

    Raises:
        HeldMeanwhile: what `first` says was found out while the lock stood as `looked`, and since
            then somebody has held it.
    """
    owner = this_process(around.environment)
    store = around.store
    try:
        store.prove()
        lock = _acquire(store.lock(target), owner, rollout, around, floor)
    except locks.LockTaken as taken:
        return locked(taken, rollout)
    except KeyboardInterrupt:
        return Result(ending=Ending.INTERRUPTED, sentence="interrupted before anything was done")
    if first and lock.replaced != looked:
        lock.release()
        raise HeldMeanwhile
    journal = store.journal(
        target,
        rollout,
        clock=around.clock,
        actor=owner.actor,
        lock=lock,
        attendance=lock.attendance,
        warn=around.warn,
    )
    executor: Executor | None = None
    try:
        _take_up(journal, first, owner, around)
        people = store.people(target, rollout)
        executor = _executor(journal, lock, people, outside, around, owner)
        refusal = _cannot_roll_back(executor.state, outside, around) if rolling_back else None
        if refusal is not None:
            return replace(refusal, rollout=rollout, journal=journal.place)
        for event in then(executor.state, owner.actor):
            executor.append(event)
        return _ended(executor, executor.run(), journal.place)
    except JournalLost as lost:
        return _lost(lost, rollout, journal.place, around)
    finally:
        journal.close()
        if leaving.runs_on(journal, outside, executor):
            lock.abandon()  # it would work beside whoever came next
        else:
            lock.release()


def _take_up(
    journal: StoredJournal, first: tuple[Event, ...], owner: Owner, around: Surroundings
) -> None:
    for event in first:
        _tell(around, journal.append(event))
    around.catch_up(journal.read())
    _tell(around, journal.append(_attached(owner, around.command)))


def _executor(
    journal: StoredJournal,
    lock: locks.HeldLock,
    people: ApprovalReader,
    outside: Outside,
    around: Surroundings,
    owner: Owner,
) -> Executor:
    shell = Shell(
        journal=journal,
        lock=lock,
        readers=outside.readers,
        writers=outside.writers,
        approvals=people,
        clock=around.clock,
        reporters=around.reporters,
        actor=owner.actor,
    )
    executor = Executor(shell, wait_for_people=around.wait_for_people)
    program.hold_to_the_announced(executor.state, outside)
    leaving.tell_who_attended(journal, outside)
    return executor


def locked(taken: locks.LockTaken, rollout: str = "") -> Result:
    """Who holds it since when, and how that ends."""
    return Result(ending=Ending.LOCKED, sentence=taken.message, hint=taken.hint, rollout=rollout)


def _acquire(
    place: LockPlace, owner: Owner, rollout: str, around: Surroundings, floor: int
) -> locks.HeldLock:
    return locks.acquire(
        place,
        owner=owner,
        rollout=rollout,
        clock=around.clock,
        fence_floor=floor,
        wait_s=around.lock_wait_s,
        tell=around.warn,
    )


def _attached(owner: Owner, command: str) -> Attached:
    return Attached(
        host=owner.host,
        boot_id=owner.boot_id,
        pid_namespace=owner.pid_namespace,
        pid=owner.pid,
        command=command,
    )


def _lost(lost: JournalLost, rollout: str, place: str, around: Surroundings) -> Result:
    """Without a journal nothing goes on: it holds where it is."""
    return Result(
        ending=Ending.INTERRUPTED if around.clock.interrupted() else Ending.HELD,
        sentence=lost.message,
        hint=lost.hint or f"rollout-kit resume {rollout}",
        rollout=rollout,
        journal=place,
    )


def _cannot_roll_back(state: RolloutState, outside: Outside, around: Surroundings) -> Result | None:
    barred = irreversible(state)
    policy = state.started.execution_plan.rollback if state.started else None
    if policy is not None and policy.forward_only:
        return Result(
            ending=Ending.BLOCKED,
            sentence=f"this plan is forward only: {policy.forward_only}",
            hint="mend the cause and `resume`, or `abort`",
        )
    if barred is None:
        return program.another(state, outside, around)
    return Result(
        ending=Ending.BLOCKED,
        sentence=f"{barred[0]} cannot be undone: {barred[1]}",
        hint="`resume` goes on, `abort` leaves the fleet as it is",
    )


def _ended(executor: Executor, end: End, place: str) -> Result:
    state = executor.state
    assert state.started is not None
    rollout = state.started.rollout
    result = Result(ending=Ending.HELD, sentence="", rollout=rollout, journal=place, state=state)
    finished = state.finished
    if end is End.OVER and finished is not None:
        return replace(
            result,
            ending=ENDINGS[finished.outcome],
            sentence=finished.sentence,
            residue=finished.residue,
            kept=finished.kept,
        )
    if end is End.INTERRUPTED:
        return replace(
            result,
            ending=Ending.INTERRUPTED,
            sentence=leaving.interrupted(executor),
            hint=f"rollout-kit resume {rollout}",
        )
    held = state.hold
    assert held is not None, "a run ends over, interrupted or held"
    return replace(
        result,
        sentence=held.reason,
        hint=held.hint,
        hold=held.kind,
        operation=held.operation,
        residue=residue(state),
    )


def _tell(around: Surroundings, record: Record) -> None:
    for reporter in around.reporters:
        try:
            reporter.record(record)
        except Exception:  # noqa: BLE001 - output is a subscriber
            continue

"""Before a change: the way is made free, and what an earlier, bad end left is settled."""

from __future__ import annotations

import shutil
from collections.abc import Mapping

from rollout_kit.drivers.pulumi import (
    failures,
    locks,
    program_files,
    reading,
    recovering,
    recovery,
    sdk,
    service_updates,
)
from rollout_kit.drivers.pulumi.api import Picture, Step
from rollout_kit.drivers.pulumi.events import name_of
from rollout_kit.drivers.pulumi.marks import Mark, Object, here
from rollout_kit.drivers.pulumi.recovering import Settled
from rollout_kit.drivers.pulumi.recovery import LastUpdate, Remedy, Verdict
from rollout_kit.drivers.pulumi.session import Session, Unsettled
from rollout_kit.drivers.work import processes

FREE_AT_LEAST_MB = 32.0
_FREE_TIMES_THE_STATE = 4
_REMOVED_WITHIN_S = 120.0
NOTHING = Settled(objects=(), remedy=Remedy(adopt={}, remove=(), ask=()))


def make_way(session: Session, mark: Mark | None) -> None:
    """Nobody of ours at the stack, no lock of ours on it, space for its state; without any call.

    Raises Unsettled: somebody else holds it, or there is no space.
    """
    machine = here()
    stack = session.request.stack
    recovering.end_processes(mark, machine, session.tell)
    backend = locks.backend_of(stack.backend, session.cli.environment)
    if found := locks.read(backend, stack.project, stack.name):
        session.note("locks", ", ".join(lock.path for lock in found))
        ours = recovering.claim(session.request, mark)
        recovering.free_stack(found, ours, machine, session.tell)
    expect_space(backend, stack.project, stack.name)


def expect_space(backend: str, project: str, stack: str) -> None:
    """Raises Unsettled: the folder of a `file://` backend has no space for what an update writes."""
    root = locks.state_root(backend)
    if root is None or not root.is_dir():
        return
    state = root / ".pulumi" / "stacks" / project / f"{stack.rpartition('/')[2]}.json"
    size_mb = state.stat().st_size / 2**20 if state.exists() else 0.0
    needed_mb = max(FREE_AT_LEAST_MB, _FREE_TIMES_THE_STATE * size_mb)
    free_mb = shutil.disk_usage(root).free / 2**20
    if free_mb < needed_mb:
        raise Unsettled(failures.no_space(str(root), free_mb, needed_mb))


def recover(session: Session, folder: str, mark: Mark | None, picture: Picture) -> Settled:
    """After a good end nothing. Otherwise three calls: history, settings, refresh.

    Raises Unsettled: what may exist cannot be looked for, somebody holds the stack, or the refresh
    failed.
    """
    how_far = recovery.verdict(picture, mark, None)
    if how_far is Verdict.CLEAN:
        return NOTHING
    newest = _newest(session, folder) if mark is not None or _in_service(session) else None
    if mark is not None:
        how_far = recovery.verdict(picture, mark, _last(newest))
    session.tell(recovery.in_words(how_far, mark, picture))
    settled = recovering.look_for(
        picture,
        mark,
        session.objects,
        can_adopt=program_files.runs_here(session.request.stack.program),
    )
    for item in settled.objects:
        session.tell(_finding(item, settled.remedy))
    # Clearing what is pending is an import, which may not ask who is at it.
    if _in_service(session) and service_updates.under_way(newest) is not None:
        _cancel_if_ours(session)
    # What is doubtful is on our record before the refresh makes the state forget it.
    if mark is not None and mark.machine == here():
        session.marks.carry_over(mark, settled.objects)
    else:
        session.marks.begin(session.request.operation, settled.objects)
    refresh(session, session.base().text)
    return settled


def _newest(session: Session, folder: str) -> Mapping[str, str] | None:
    session.note("history", "stack history")
    return reading.history(session.request.stack, session.cli, folder)


def _last(newest: Mapping[str, str] | None) -> LastUpdate | None:
    if newest is None:
        return None
    return LastUpdate(message=newest["message"], succeeded=newest["result"] == "succeeded")


def _in_service(session: Session) -> bool:
    backend = locks.backend_of(session.request.stack.backend, session.cli.environment)
    return service_updates.in_service(backend)


def _finding(item: Object, remedy: Remedy) -> str:
    if item.urn in remedy.adopt:
        return f"{name_of(item.urn)} exists unrecorded, as {remedy.adopt[item.urn]}"
    if item in remedy.remove:
        return f"{name_of(item.urn)} exists unrecorded, and cannot be adopted"
    if item in remedy.again:
        return f"{name_of(item.urn)} may exist unrecorded; made again, there will be one"
    return f"{name_of(item.urn)} was not made"


def refresh(session: Session, text: str, targets: tuple[str, ...] = ()) -> None:
    """One call: the world into the recorded state, of these resources or of all. Raises Unsettled.

    Two more where the backend's locks cannot be read as files and one is provably ours and dead.
    """
    run = _refreshed(session, text, targets)
    if run.trouble is not None and run.trouble.name == "locked" and run.ran is not None:
        _make_free(session, run.ran.stderr)
        run = _refreshed(session, text, targets)
    if run.trouble is not None:
        raise Unsettled(run.trouble)
    found = ", ".join(name_of(step.urn) for step in run.stream.drifted)
    session.tell(f"the recorded state was refreshed{': ' + found if found else ''}")


def _refreshed(session: Session, text: str, targets: tuple[str, ...]) -> sdk.Run:
    session.note("refresh", "refresh --clear-pending-creates")
    with reading.place(session.request.stack, text) as (folder, file):
        return sdk.refresh(
            session.place(folder, file, {}),
            session.command(reads=False),
            session.mask,
            session.stream(),
            targets=targets,
        )


def _make_free(session: Session, stderr: str) -> None:
    """What holds the stack is removed where it is ours and dead. Raises Unsettled: it is not."""
    if _in_service(session):
        _cancel_if_ours(session)
        return
    found = locks.in_text(stderr)
    recovering.expect_dead(found, _claim(session), here())
    if found:
        _cancel(session, found[0])


def _cancel_if_ours(session: Session) -> None:
    """What a service has under way, going by its history. Raises Unsettled: not ours and dead.

    Asked just before: a cancel has no name in it, and ends whatever is under way by then.
    """
    with reading.place(session.request.stack, "") as (folder, _):
        update = service_updates.under_way(_newest(session, folder))
    if update is None:
        return
    standing = service_updates.judge(update, _claim(session), here(), processes.runs)
    recovering.expect(update.lock, standing)
    _cancel(session, update.lock)


def _cancel(session: Session, lock: locks.Lock) -> None:
    """`pulumi cancel` removes every lock of the stack: so all of them have to be ours and dead."""
    session.note("locks", "cancel")
    with reading.place(session.request.stack, "") as (folder, _):
        reading.cancel(session.request.stack, session.cli, folder)
    session.tell(f"removed the lock of our own update that is gone: {lock.owner}")


def _claim(session: Session) -> locks.Claim:
    return recovering.claim(session.request, session.marks.found())


def remove_orphans(session: Session, settled: Settled, steps: tuple[Step, ...]) -> None:
    """What the program does not take over goes: an undo no longer makes it. Raises Unsettled."""
    adopted = {step.urn for step in steps if step.op.startswith("import")}
    for item in settled.objects:
        unwanted = item.urn in settled.remedy.adopt and item.urn not in adopted
        if unwanted or item in settled.remedy.remove:
            session.note("remove", item.urn)
            recovering.remove(item, session.objects, session.tell, within_s=_REMOVED_WITHIN_S)
            session.marks.created(item.urn)

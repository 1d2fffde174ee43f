"""The acts of a recovery, in order: who still runs, whose locks, what exists, then what is recorded.

Each may be interrupted and begun again: what is not settled stays in the stack's mark.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rollout_kit.drivers.pulumi import locks, recovery, service_updates
from rollout_kit.drivers.pulumi.api import Kind, Picture, Trouble, UpdateRequest
from rollout_kit.drivers.pulumi.contract import read_given
from rollout_kit.drivers.pulumi.events import name_of
from rollout_kit.drivers.pulumi.locks import Claim, Lock, Standing
from rollout_kit.drivers.pulumi.marks import Machine, Mark, Object
from rollout_kit.drivers.pulumi.objects import Objects
from rollout_kit.drivers.pulumi.recovery import Absence, Found, Remedy
from rollout_kit.drivers.pulumi.session import Unsettled
from rollout_kit.drivers.work import processes
from rollout_kit.model.stack_contract import NAMESPACE

ENDS_BY_ITSELF_S = 30.0
"""A CLI whose parent died finishes what runs, records it and ends; so long it is waited for."""
_KILLED_WITHIN_S = 5.0


def end_processes(mark: Mark | None, here: Machine, say: Callable[[str], None]) -> None:
    """Nothing of ours is at this stack any more when this returns: no CLI, and no provider of one."""
    if mark is None or mark.machine != here:
        return
    for pid, start in mark.pids:
        if processes.runs(pid, start):
            say(f"an update of ours still runs (process {pid}); its end is awaited")
            if not processes.wait(pid, start, ENDS_BY_ITSELF_S):
                processes.send(pid, start, processes.SIGINT)
                if not processes.wait(pid, start, ENDS_BY_ITSELF_S):
                    processes.send_group(pid, start, processes.SIGKILL)
                    processes.wait(pid, start, _KILLED_WITHIN_S)
        # What outlived it is a provider, whose work nobody will record.
        for orphan, since in _in_session(pid, start):
            processes.send(orphan, since, processes.SIGKILL)
            processes.wait(orphan, since, _KILLED_WITHIN_S)


def _in_session(leader: int, start: str) -> list[tuple[int, str]]:
    """Who is left of this session, with start times: as long as one is, its number is nobody else's."""
    if processes.started(leader) not in {None, start}:
        return []
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            text = (path / "stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        session = int(text.rpartition(")")[2].split()[3])
        since = processes.started(int(path.name)) if session == leader else None
        if since is not None and int(path.name) != leader:
            found.append((int(path.name), since))
    return found


def free_stack(
    found: tuple[Lock, ...], claim: Claim, here: Machine, say: Callable[[str], None]
) -> None:
    """Break what is provably ours and dead. Raises Unsettled: somebody else holds the stack."""
    expect_dead(found, claim, here)
    locks.break_all(found)
    if found:
        say(f"removed the lock of our own update that is gone: {found[0].owner}")


def expect_dead(found: tuple[Lock, ...], claim: Claim, here: Machine) -> None:
    """Raises Unsettled: one of them is not provably ours and dead."""
    for lock in found:
        expect(lock, locks.judge(lock, claim, here, processes.runs))


def expect(lock: Lock, standing: Standing) -> None:
    """Raises Unsettled: this one's owner is not provably ours and dead."""
    if standing is not Standing.OURS_AND_DEAD:
        raise Unsettled(_held(lock, standing))


def _held(lock: Lock, standing: Standing) -> Trouble:
    if standing is Standing.BROKEN:
        return Trouble(
            kind=Kind.REFUSED,
            name="broken-lock",
            message=f"the stack has a lock that cannot be read: {lock.path}",
            why="It names nobody, and keeps everybody out.",
            hint="If no update of this stack runs anywhere, remove it: pulumi cancel.",
        )
    hint = "Wait for it; `rollout-kit unlock` tells whose it is, and what to do if it is gone."
    if lock.said:
        hint = f"Wait for it: {service_updates.ENDS_SILENT}; then resume."
    return Trouble(
        kind=Kind.CONFLICT,
        name="locked",
        message=f"another update holds the stack: {lock.owner}; it is {standing.value}",
        why="Two updates at once overwrite each other's state. Nothing was sent.",
        hint=hint,
    )


def claim(request: UpdateRequest, mark: Mark | None) -> Claim:
    """What of the stack's locks may be ours."""
    intended = None
    if request.intended_at:
        intended = datetime.fromisoformat(request.intended_at).astimezone(UTC)
    return Claim(mark=mark, hosts=request.hosts, intended_at=intended, operation=request.operation)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What was found in the world of that which an interrupted update had begun to make."""

    objects: tuple[Object, ...]
    remedy: Remedy

    def without_adoption(self) -> Settled:
        """What was to be adopted is removed instead."""
        found = [item for item in self.objects if item.urn in self.remedy.adopt]
        removed = Remedy(adopt={}, remove=(*self.remedy.remove, *found), ask=self.remedy.ask)
        return Settled(objects=self.objects, remedy=removed)


def look_for(picture: Picture, mark: Mark | None, objects: Objects, *, can_adopt: bool) -> Settled:
    """Look for everything that may exist unrecorded. Raises Unsettled: nobody but a person can tell."""
    doubtful = recovery.suspects(picture, mark)
    given = read_given(picture.outputs.get(NAMESPACE)).given
    repeatable = given.repeatable if given else ()
    found: dict[str, Found] = {
        item.urn: Absence.REPEATABLE if item.type in repeatable else objects.find(item)
        for item in doubtful
    }
    remedy = recovery.remedy(
        found,
        doubtful,
        can_adopt=can_adopt,
        adopted_before=mark.adopting if mark else frozenset(),
    )
    if remedy.ask:
        raise Unsettled(_unknown(remedy.ask))
    return Settled(objects=doubtful, remedy=remedy)


def _unknown(asked: tuple[Object, ...]) -> Trouble:
    names = ", ".join(name_of(item.urn) for item in asked)
    return Trouble(
        kind=Kind.REFUSED,
        name="pending-create",
        message=f"an interrupted update may have made {names}, and nothing here can look for it",
        why="Made once more, there would be two; forgotten, one nobody knows of.",
        hint="If it exists, delete it or import it into the stack; then pulumi refresh "
        "--clear-pending-creates, remove open.jsonl in the stack's folder, and resume. A program whose "
        "resources of that type may be made again says so: `repeatable` in its output `fleet`.",
        urn=asked[0].urn,
    )


def remove(item: Object, objects: Objects, say: Callable[[str], None], *, within_s: float) -> None:
    """Delete what nobody can adopt, and see it gone. Raises Unsettled: it stays."""
    objects.remove(item)
    say(f"deleted {name_of(item.urn)}, which an interrupted update had made without recording it")
    deadline = time.monotonic() + within_s
    while objects.find(item) is not recovery.Absence.ABSENT:
        if time.monotonic() > deadline:
            raise Unsettled(
                Trouble(
                    kind=Kind.UNAVAILABLE,
                    name="orphan-stays",
                    message=f"{name_of(item.urn)} was deleted and is still there after {within_s:.0f} s",
                    why="It must be gone before it is made anew.",
                    hint="Look at what holds it (finalizers); then resume.",
                    trouble="timeout",
                    urn=item.urn,
                )
            )
        time.sleep(0.2)

"""Which resources one change of a rollout may touch, and how. Whatever else an update would do is refused.

A thing of the contract *owns* its resources: its change may update them. A creation, a replacement
or a deletion has to have been announced as well, unless nothing was announced at all and the change
is about starting the thing anew. Any other resource counts as foreign: only the plan can allow it. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import assert_never

from rollout_kit.drivers.pulumi.allowing import counts_as, is_root, root
from rollout_kit.drivers.pulumi.api import May, Stack, Step
from rollout_kit.model.operation import Announcement
from rollout_kit.model.stack_contract import Given, Placed
from rollout_kit.ports.infra import (
    InfraChange,
    RemoveCohort,
    ReplaceNode,
    RunCommand,
    RunJob,
    SetAttached,
    SetCohort,
    SetMaintenance,
    SetScheduler,
)

CREATE, UPDATE, REPLACE, DELETE = "create", "update", "replace", "delete"
HARMLESS = frozenset({"same", "read", "refresh"})
_BACK = {CREATE: DELETE, DELETE: CREATE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """The resources that a change is about. `anew`: it may start them afresh, not only alter them."""

    alters: tuple[str, ...]
    anew: tuple[str, ...] = ()


def own(change: InfraChange, given: Given) -> Own:
    """What makes up the thing that is to change; nothing where the output does not know it (yet)."""
    match change:
        case SetAttached(node=node):
            return Own(alters=_of(given.nodes, node).membership)
        case ReplaceNode(node=node):
            placed = _of(given.nodes, node)
            return Own(alters=placed.membership, anew=placed.resources)
        case SetScheduler():
            return Own(alters=(), anew=given.scheduler.resources if given.scheduler else ())
        case SetMaintenance(name=name):
            return Own(alters=(), anew=_of(given.maintenance, name).resources)
        case SetCohort(cohort=cohort) | RemoveCohort(cohort=cohort):
            return Own(alters=_of(given.cohorts, cohort.path).resources)
        case RunJob(job=job):
            return Own(alters=(), anew=_of(given.jobs, job).resources)
        case RunCommand():
            return Own(alters=())
        case _:
            assert_never(change)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What was announced: `here` of this operation, or of the one that it undoes; in the `rollout`."""

    here: Announcement | None = None
    rollout: tuple[Announcement, ...] = ()
    undoing: bool = False


def may(
    change: InfraChange,
    given: Given,
    said: Said,
    *,
    stack: Stack,
    allowed: tuple[str, ...] = (),
) -> tuple[May, ...]:
    """Everything that the update of this change may do, resource by resource.

    `allowed`: the plan's own patterns of URNs that an announced step may reach beyond its own
    resources. What one operation moves there may move again with every one after it: their previews
    one after the other cannot tell.
    """
    mine = own(change, given)
    ops: dict[str, set[str]] = {root(stack): {UPDATE}}
    for urn in (*mine.alters, *mine.anew):
        ops.setdefault(urn, set()).add(UPDATE)
    if isinstance(change, RunJob):  # each run is a thing of its own, and the one before goes
        for urn in mine.anew:
            ops[urn] |= {CREATE, REPLACE, DELETE}
    if isinstance(change, RemoveCohort):
        for urn in mine.alters:
            ops[urn].add(DELETE)
    announced, undoing = said.here, said.undoing
    if announced is None:
        for urn in mine.anew:
            ops[urn] |= {REPLACE, CREATE}
    else:
        names = frozenset((*mine.alters, *mine.anew, *announced.creates))
        kinds = {
            urn: op
            for urn, op in zip(announced.resources, announced.kinds, strict=True)
            if urn in names
        }
        for urn, op in kinds.items():
            ops.setdefault(urn, {UPDATE}).update(leads_to(op, undoing=undoing) | {UPDATE})
        if REPLACE in kinds.values():  # cut off, it may have taken along what hung on the old one
            for urn in (*mine.alters, *mine.anew):
                ops[urn].add(CREATE)
    beside = [pair for one in said.rollout for pair in zip(one.resources, one.kinds, strict=True)]
    for urn, op in beside:
        if _matches(urn, allowed):
            ops.setdefault(urn, {UPDATE}).update(leads_to(op, undoing=undoing))
    return tuple(May(urn=urn, ops=tuple(sorted(found))) for urn, found in ops.items())


def leads_to(op: str, *, undoing: bool = False) -> frozenset[str]:
    """What of an announced op may be seen to be left to do; or, undoing it, to put back.

    A replacement that was cut off between its halves has deleted the old, and will create the new.
    """
    found = {op, _BACK.get(op, op)} if undoing else {op}
    return frozenset(found | {CREATE} if op == REPLACE else found)


def beyond(
    change: InfraChange,
    before: Given,
    after: Given | None,
    steps: Iterable[Step],
    *,
    allowed: tuple[str, ...] = (),
) -> tuple[Step, ...]:
    """The steps that reach further than this change: foreign resources, or more than membership.

    `after`: the output with the change in force, which names what it creates; what belonged to
    another thing before still does.
    """
    mine, others = own(change, before), _foreign(change, before)
    anew, alters = set(mine.anew), set(mine.alters)
    if after is not None:
        new = own(change, after)
        born = {*new.alters, *new.anew} - others - alters
        anew |= born if not isinstance(change, SetAttached) else set()
    found = []
    for step in steps:
        if step.op in HARMLESS or is_root(step.urn) or _matches(step.urn, allowed):
            continue
        if step.urn in anew or (step.urn in alters and _alters(step, change)):
            continue
        found.append(step)
    return tuple(found)


def _alters(step: Step, change: InfraChange) -> bool:
    """Whether the step leaves the resource in place; with its node, membership may be made anew too."""
    if isinstance(change, RemoveCohort):
        return step.op == DELETE
    return step.op == UPDATE or (isinstance(change, ReplaceNode) and step.op != DELETE)


def _foreign(change: InfraChange, given: Given) -> frozenset[str]:
    from rollout_kit.drivers.pulumi.contract import things

    mine = own(change, given)
    everything = {
        urn for placed in things(given).values() for urn in (*placed.resources, *placed.membership)
    }
    return frozenset(everything - {*mine.alters, *mine.anew})


def in_words(steps: Iterable[Step]) -> str:
    """`replace StatefulSet api-2 (image), …`"""
    return ", ".join(step_in_words(step) for step in steps)


def step_in_words(step: Step) -> str:
    because = step.reasons or step.changed
    return f"{counts_as(step.op)} {short(step.urn)}" + (
        f" ({', '.join(because)})" if because else ""
    )


def short(urn: str) -> str:
    """`Type name` of a URN; the URN itself where it has not that form."""
    parts = urn.split("::")
    if len(parts) < 4:
        return urn
    kind = parts[2].rpartition("$")[2].rpartition(":")[2]
    return f"{kind} {'::'.join(parts[3:])}"


def _of(things: Mapping[str, Placed], name: str) -> Placed:
    return things.get(name, Placed(resources=()))


def _matches(urn: str, patterns: tuple[str, ...]) -> bool:
    """`*` stands for anything; all else for itself, brackets in a resource's name as well."""
    wanted = (".*".join(map(re.escape, pattern.split("*"))) for pattern in patterns)
    return any(re.fullmatch(pattern, urn, re.DOTALL) for pattern in wanted)

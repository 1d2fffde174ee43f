"""What each change of a plan would do to which processes, in order, each after the ones before it.

For drivers that only know what runs: it compares specs, and asks nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import TypeAlias, assert_never

from rollout_kit.model.operation import Announcement
from rollout_kit.ports.infra import (
    Answers,
    CohortSpec,
    InfraChange,
    InfraReader,
    ProcessSpec,
    RemoveCohort,
    ReplaceNode,
    RunCommand,
    RunJob,
    SetAttached,
    SetCohort,
    SetMaintenance,
    SetScheduler,
)

Known: TypeAlias = ProcessSpec | CohortSpec | bool | None


def announce(
    changes: tuple[tuple[str, InfraChange], ...], now: InfraReader
) -> tuple[Announcement, ...]:
    """Compare each change with what the changes before it will have left. Reads only.

    What the driver cannot say is compared with nothing: all of the change is announced.
    """
    world: dict[str, Known] = {}
    announced = []
    for operation, change in changes:
        resource, kind, after = _wanted(change)
        if resource not in world:
            world[resource] = _present(change, now)
        changed = tuple(_differences(world[resource], after))
        world[resource] = after
        announced.append(
            Announcement(operation=operation, resources=(resource,), kinds=(kind,), changed=changed)
        )
    return tuple(announced)


def resource_of(change: InfraChange) -> str:
    """What a change is of: `node/NAME`, `cohort/PATH`, `job/NAME` and so on."""
    return _wanted(change)[0]


def _wanted(change: InfraChange) -> tuple[str, str, Known]:
    match change:
        case SetAttached(node=node, attached=attached):
            return f"front/{node}", "membership", attached
        case ReplaceNode(node=node, spec=spec):
            return f"node/{node}", "process", spec
        case SetScheduler(spec=spec):
            return "scheduler", "process", spec
        case SetMaintenance(name=name, spec=spec):
            return f"maintenance/{name}", "process", spec
        case SetCohort(cohort=cohort, spec=spec):
            return f"cohort/{cohort.path}", "workers", spec
        case RemoveCohort(cohort=cohort):
            return f"cohort/{cohort.path}", "workers", None
        case RunJob(job=job):
            return f"job/{job}", "job", True
        case RunCommand(argv=argv):
            return f"command/{argv[0]}", "job", True
        case _:
            assert_never(change)


def _present(change: InfraChange, now: InfraReader) -> Known:
    answers = now.answers()
    match change:
        case RunJob() | RunCommand():
            return None
        case SetAttached(node=node):
            return now.attached(node) if Answers.MEMBERSHIP in answers else None
        case _ if Answers.SPEC not in answers:
            return None
        case ReplaceNode(node=node):
            return now.node_spec(node)
        case SetScheduler():
            return now.scheduler_spec()
        case SetMaintenance(name=name):
            return now.maintenance_specs().get(name)
        case SetCohort(cohort=cohort) | RemoveCohort(cohort=cohort):
            return now.cohort_specs().get(cohort)
        case _:
            assert_never(change)


def _differences(before: Known, after: Known) -> Iterator[str]:
    """Changed paths, values left out: an environment may name what is secret."""
    if isinstance(before, bool | None) or isinstance(after, bool | None):
        if before != after:
            yield "run" if not isinstance(after, bool) or before is None else "attached"
        return
    for item in fields(after):
        old, new = getattr(before, item.name, None), getattr(after, item.name)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            names = sorted(old.keys() | new.keys())
            yield from (f"{item.name}.{name}" for name in names if old.get(name) != new.get(name))
        elif old != new:
            yield item.name

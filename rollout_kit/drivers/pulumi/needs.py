"""What a plan asks of a program, and the list of what a program does not offer. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import assert_never

from rollout_kit.document.plan import (
    ApiCutoverStep,
    BootstrapStep,
    DrainStep,
    PlanDocument,
    RestoreStep,
    SchedulerHandoverStep,
    Step,
    WorkerCanaryStep,
)
from rollout_kit.model.stack_contract import Given, Key, Need, missing, needs_of_node
from rollout_kit.ports.errors import Refused, Trouble
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

BOOTSTRAP = "bootstrap"
MIGRATE_STATUS = "migrate-status"


def needs(
    document: PlanDocument, changes: Iterable[tuple[str, InfraChange]] = ()
) -> tuple[Need, ...]:
    """What the document's steps ask for, then what each planned change does; each once."""
    found = [need for step in document.steps for need in _of_step(step)]
    found += [need for name, change in changes for need in of_change(change, name)]
    return tuple(dict.fromkeys(found))


def refuse_missing(given: Given | None, asked: tuple[Need, ...], program: str) -> None:
    """Raises Refused, listing every need that the program's output does not meet."""
    lacking = missing(given, asked)
    if lacking:
        raise Refused(
            f"{program} does not offer what this plan needs: {in_words(lacking)}",
            why="Nothing was changed: what cannot be put back is not begun.",
            hint="`rollout-kit doctor PLAN` checks this; docs/drivers.md has the contract",
            trouble=Trouble.INCOMPATIBLE,
        )


def in_words(lacking: tuple[Need, ...]) -> str:
    """Each need with the first that asks for it."""
    first: dict[str, str] = {}
    for need in lacking:
        first.setdefault(need.what, need.why)
    return "; ".join(f"{what} (for {why})" for what, why in first.items())


def _of_step(step: Step) -> Iterator[Need]:
    why = f"step {step.id}"
    match step.with_:
        case BootstrapStep(additive=additive):
            yield from _of_job(BOOTSTRAP, why)
            if not additive:
                yield from _of_job(MIGRATE_STATUS, why)
        case ApiCutoverStep(order=order):
            for name in order:
                yield from needs_of_node(name, why)
        case SchedulerHandoverStep():
            yield from _of_scheduler(why)
        case WorkerCanaryStep() | DrainStep() | RestoreStep():
            yield Need(what=f"reads {Key.COHORTS.value}", why=why)
        case _:
            return


def of_change(change: InfraChange, why: str) -> tuple[Need, ...]:
    """What one change asks for. A cohort that is not there yet is given by the program once wanted."""
    match change:
        case ReplaceNode(node=node) | SetAttached(node=node):
            return needs_of_node(node, why)
        case SetScheduler():
            return _of_scheduler(why)
        case SetMaintenance(name=name):
            return (
                Need(what=f"reads {Key.MAINTENANCE.value}", why=why),
                Need(what=f"maintenance/{name}", why=why),
                Need(what=f"maintenance/{name}/resources", why=why),
            )
        case SetCohort() | RemoveCohort():
            return (Need(what=f"reads {Key.COHORTS.value}", why=why),)
        case RunJob(job=job):
            return _of_job(job, why)
        case RunCommand():
            return ()
        case _:
            assert_never(change)


def _of_scheduler(why: str) -> tuple[Need, ...]:
    return (
        Need(what=f"reads {Key.SCHEDULER.value}", why=why),
        Need(what="scheduler", why=why),
        Need(what="scheduler/resources", why=why),
    )


def _of_job(name: str, why: str) -> tuple[Need, ...]:
    """The job itself is there only once it is wanted; that the key is heeded can be known before."""
    return (Need(what=f"reads {Key.JOBS.value}", why=f"{why}, job {name}"),)

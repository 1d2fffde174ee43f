"""What a change asks of the configuration, and what the configuration says of specs. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import assert_never

from rollout_kit.model.stack_contract import (
    CohortWanted,
    JobWanted,
    Key,
    NodeWanted,
    SingletonWanted,
    Wanted,
)
from rollout_kit.ports.errors import Refused
from rollout_kit.ports.infra import (
    CohortSpec,
    InfraChange,
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


def run_name(key: str) -> str:
    """The name of one run of a job: short, and fit for whatever the program makes of it."""
    return f"r{hashlib.sha256(key.encode()).hexdigest()[:8]}"


def changed(wanted: Wanted, change: InfraChange, *, key: str) -> Wanted:
    """The whole configuration with this change in it. `key`: of the work, to name a job's run by.

    Raises Refused: the node is not known, or a scheduler is to stop of which nothing is known.
    """
    match change:
        case SetAttached(node=node, attached=attached):
            nodes = dict(wanted.nodes or {})
            nodes[node] = replace(_known(nodes, node), attached=attached)
            return replace(wanted, nodes=nodes)
        case ReplaceNode(node=node, spec=spec):
            nodes = dict(wanted.nodes or {})
            nodes[node] = node_wanted(spec, attached=_known(nodes, node).attached)
            return replace(wanted, nodes=nodes)
        case SetScheduler(spec=spec):
            running = singleton_wanted(spec) if spec else _stopped(wanted.scheduler)
            return replace(wanted, scheduler=running)
        case SetMaintenance(name=name, spec=spec):
            others = dict(wanted.maintenance or {})
            return replace(wanted, maintenance={**others, name: singleton_wanted(spec)})
        case SetCohort(cohort=cohort, spec=spec):
            cohorts = dict(wanted.cohorts or {})
            before = cohorts.get(cohort.path)
            cohorts[cohort.path] = CohortWanted(
                namespace=cohort.namespace,
                task_queue=cohort.task_queue,
                build_id=cohort.build_id,
                image=spec.image or (before.image if before else ""),  # "": not known to run
                replicas=spec.replicas,
                at_least=before.at_least if before else None,
                at_most=before.at_most if before else None,
                environment=spec.environment,
            )
            return replace(wanted, cohorts=cohorts)
        case RemoveCohort(cohort=cohort):
            left = {
                path: one for path, one in (wanted.cohorts or {}).items() if path != cohort.path
            }
            return replace(wanted, cohorts=left)
        case RunJob(job=job, image=image, revision=revision):
            entry = JobWanted(image=image, run=run_name(key), revision=revision)
            return replace(wanted, jobs={**(wanted.jobs or {}), job: entry})
        case RunCommand():
            return wanted
        case _:
            assert_never(change)


def key_of(change: InfraChange) -> Key | None:
    """The configuration key that a change writes; None: none."""
    match change:
        case SetAttached() | ReplaceNode():
            return Key.NODES
        case SetScheduler():
            return Key.SCHEDULER
        case SetMaintenance():
            return Key.MAINTENANCE
        case SetCohort() | RemoveCohort():
            return Key.COHORTS
        case RunJob():
            return Key.JOBS
        case RunCommand():
            return None
        case _:
            assert_never(change)


def node_wanted(spec: ProcessSpec, *, attached: bool) -> NodeWanted:
    return NodeWanted(
        image=spec.image,
        marker=spec.marker,
        attached=attached,
        server_id=spec.server_id,
        environment=spec.environment,
    )


def node_spec(wanted: NodeWanted) -> ProcessSpec:
    return ProcessSpec(
        image=wanted.image,
        marker=wanted.marker,
        server_id=wanted.server_id,
        environment=wanted.environment,
    )


def singleton_wanted(spec: ProcessSpec) -> SingletonWanted:
    return SingletonWanted(image=spec.image, marker=spec.marker, environment=spec.environment)


def singleton_spec(wanted: SingletonWanted) -> ProcessSpec | None:
    """None: it is not to run."""
    if not wanted.running:
        return None
    return ProcessSpec(image=wanted.image, marker=wanted.marker, environment=wanted.environment)


def cohort_spec(wanted: CohortWanted) -> CohortSpec:
    """Under an autoscaler the least that it keeps counts, until it is stopped."""
    scaled = wanted.at_least is not None
    count = wanted.at_least if scaled and wanted.replicas else wanted.replicas
    return CohortSpec(
        image=wanted.image,
        replicas=count or 0,
        environment=wanted.environment,
        autoscaled=scaled,
    )


def _known(nodes: dict[str, NodeWanted], name: str) -> NodeWanted:
    if name not in nodes:
        known = ", ".join(sorted(nodes)) or "none"
        raise Refused(
            f'the stack gives no node "{name}"; it has: {known}',
            why="Nobody knows what runs there now, so nothing could put it back.",
            hint="name the nodes in the plan as the program does",
        )
    return nodes[name]


def _stopped(scheduler: SingletonWanted | None) -> SingletonWanted:
    if scheduler is None:
        raise Refused(
            "the stack does not say what its scheduler runs",
            why="It is stopped by `running: false` beside what it ran, to start that again.",
            hint="let the program echo it as `runs` in the output `fleet`",
        )
    return replace(scheduler, running=False)

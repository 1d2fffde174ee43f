"""Looking at task queues: every cohort's facts and numbers, open runs, and the markers that pin them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rollout_kit.model.capability import Capability
from rollout_kit.model.identity import CohortRef, QueueRef
from rollout_kit.model.observation import (
    SCHEDULER_MARKER,
    SCHEDULER_RUNNING,
    Absent,
    FactValue,
    Observation,
    capability_fact,
    cohort_fact,
    node_fact,
)
from rollout_kit.model.situation import ProgramEnd, Situation
from rollout_kit.operations.api import Readers, Seen
from rollout_kit.operations.asking import Missing, ask, ask_driver
from rollout_kit.operations.endings import read_end
from rollout_kit.operations.queue_numbers import Look, cohort_numbers, owners_of, queue_numbers
from rollout_kit.operations.reading import merged
from rollout_kit.ports.engine import CohortTable
from rollout_kit.ports.infra import Answers, LiveProcess, ProcessSpec

RUNS = "runs/"
"""Prefix in `unread` of namespaces whose open runs could not be listed."""
NAMESPACES = "namespaces"
"""Key in `unread` for the list of namespaces itself."""
_NOT_ASKED = Missing(why=Absent.NOT_READ, reason="this look needs no windows")


def queue_fact(queue: QueueRef) -> str:
    """Whether the queue's cohorts were read. Without it "unknown cohort" and "not read" look alike."""
    return f"queue/{queue.path}/answers"


def read_queue(
    queue: QueueRef,
    readers: Readers,
    now_s: float,
    named: Sequence[CohortRef] = (),
    *,
    windows: bool = False,
) -> Seen:
    """Every cohort that the server or the driver knows on this queue.

    A cohort without a row on the server has no `drain_intent`, one without a spec no `replicas`: left
    out when that was read, an `Absent` when it was not. `named`: cohorts that appear in either case.
    `windows`: how long a poll and a heartbeat take is asked too; proofs that somebody is gone need it.
    """
    look = _look(queue, readers, windows=windows)
    cohorts = tuple(dict.fromkeys((*look.rows(), *_specified(look), *named)))
    facts: dict[str, FactValue] = {queue_fact(queue): _answers(look.table)}
    for cohort in cohorts:
        facts.update(_facts(look, cohort))
    facts.update(_capabilities(look.table))
    owners = owners_of(look)
    situation = Situation(
        cohorts={cohort.path: cohort_numbers(look, cohort, owners) for cohort in cohorts},
        queues={queue.path: queue_numbers(look)},
        unread={
            f"queue/{queue.path}/{name}": answer.reason
            for name, answer in _answers_by_name(look).items()
            if isinstance(answer, Missing)
        },
        ended=_ended(look, readers),
    )
    return Seen(observation=Observation(facts=facts), situation=situation, at_s=now_s)


def read_runs(namespace: str, readers: Readers, now_s: float) -> Seen:
    """The open runs of a namespace, with the pins known so far."""
    listing = ask(lambda: readers.engine.open_runs(namespace))
    if isinstance(listing, Missing):
        situation = Situation(unread={RUNS + namespace: listing.reason})
    else:
        situation = Situation(open_runs={namespace: listing})
    return Seen(observation=Observation(), situation=situation, at_s=now_s)


def read_markers(readers: Readers, now_s: float) -> Seen:
    """The markers of nodes and scheduler: what pins new runs where there is no selector."""
    facts: dict[str, FactValue] = {}
    for name in readers.scope.nodes:
        facts[node_fact(name, "marker")] = _marker(_node_spec(name, readers))
    scheduler = ask_driver(readers, Answers.SPEC, readers.infra.scheduler_spec)
    facts[SCHEDULER_MARKER] = _marker(scheduler)
    facts[SCHEDULER_RUNNING] = scheduler.why if isinstance(scheduler, Missing) else bool(scheduler)
    return Seen(observation=Observation(facts=facts), situation=Situation(), at_s=now_s)


def read_leaving(cohort: CohortRef, readers: Readers, now_s: float) -> Seen:
    """All that says whether a cohort may go: its queue, the markers, and wherever its pin has got to.

    A pin is carried onto other queues, so open runs are listed in the whole namespace, under marker
    routing in every one; queues with runs of this pin are looked at too. An independent queue stands
    alone.
    """
    own = read_queue(cohort.queue, readers, now_s, (cohort,), windows=True)
    looks = [own, read_markers(readers, now_s)]
    namespaces = _namespaces(cohort, own, readers)
    if isinstance(namespaces, Missing):
        unread = Situation(unread={NAMESPACES: namespaces.reason})
        looks.append(Seen(observation=Observation(), situation=unread, at_s=now_s))
    else:
        looks += [read_runs(namespace, readers, now_s) for namespace in namespaces]
    seen = merged(looks, now_s)
    reached = {
        QueueRef(namespace=run.namespace, task_queue=run.task_queue)
        for listing in seen.situation.open_runs.values()
        for run in listing.runs
        if run.described and run.pin == cohort.build_id
    }
    others = sorted(reached - {cohort.queue})
    return merged((seen, *(read_queue(queue, readers, now_s) for queue in others)), now_s)


def _namespaces(cohort: CohortRef, own: Seen, readers: Readers) -> tuple[str, ...] | Missing:
    independent = cohort.queue in readers.scope.independent_queues
    if independent or own.observation.get(capability_fact(Capability.MARKER_ROUTING)) is not True:
        return (cohort.namespace,)
    return ask(readers.engine.namespaces)


def _node_spec(name: str, readers: Readers) -> ProcessSpec | Missing:
    return ask_driver(readers, Answers.SPEC, lambda: readers.infra.node_spec(name))


def _marker(spec: ProcessSpec | Missing | None) -> FactValue:
    if isinstance(spec, Missing):
        return spec.why
    return None if spec is None else spec.marker


def _look(queue: QueueRef, readers: Readers, *, windows: bool) -> Look:
    engine, infra = readers.engine, readers.infra
    specs = ask_driver(readers, Answers.SPEC, infra.cohort_specs)
    known = () if isinstance(specs, Missing) else tuple(c for c in specs if c.queue == queue)
    return Look(
        queue=queue,
        table=ask(lambda: engine.cohorts(queue)),
        detail=ask(lambda: engine.queue(queue)),
        workers=ask(lambda: engine.workers(queue)),
        specs=specs,
        processes={cohort: _processes(cohort, readers) for cohort in known},
        info=ask(lambda: engine.cluster_info(None)) if windows else _NOT_ASKED,
    )


def _processes(cohort: CohortRef, readers: Readers) -> tuple[LiveProcess, ...] | Missing:
    infra = readers.infra
    return ask_driver(readers, Answers.PROCESSES, lambda: infra.cohort_processes(cohort))


def _ended(look: Look, readers: Readers) -> dict[str, ProgramEnd]:
    """Asked only of cohorts with fewer processes than they are to have."""
    found: dict[str, ProgramEnd] = {}
    for cohort, live in look.processes.items():
        spec = look.spec(cohort)
        if not isinstance(live, Missing) and spec is not None and len(live) < spec.replicas:
            found |= read_end(f"cohort/{cohort.path}", readers)
    return found


def _answers_by_name(look: Look) -> Mapping[str, object]:
    by_process = {f"processes/{c.path}": answer for c, answer in look.processes.items()}
    return {
        "build-ids": look.table,
        "leases": look.detail,
        "workers": look.workers,
        "specs": look.specs,
        **by_process,
    }


def _specified(look: Look) -> tuple[CohortRef, ...]:
    if isinstance(look.specs, Missing):
        return ()
    return tuple(cohort for cohort in look.specs if cohort.queue == look.queue)


def _answers(table: CohortTable | Missing) -> FactValue:
    return table.why if isinstance(table, Missing) else True


def _facts(look: Look, cohort: CohortRef) -> dict[str, FactValue]:
    facts: dict[str, FactValue] = {}
    row = look.rows().get(cohort)
    if isinstance(look.table, Missing):
        facts[cohort_fact(cohort, "drain_intent")] = look.table.why
        facts[cohort_fact(cohort, "selected")] = look.table.why
    elif row is not None:
        facts[cohort_fact(cohort, "drain_intent")] = row.drain_intent
        facts[cohort_fact(cohort, "selected")] = row.selected
        if row.rolled_back:
            facts[cohort_fact(cohort, "rolled_back")] = True
    spec = look.spec(cohort)
    if isinstance(look.specs, Missing):
        facts[cohort_fact(cohort, "image")] = look.specs.why
        facts[cohort_fact(cohort, "replicas")] = look.specs.why
    elif spec is not None:
        # What a stopped cohort would run is nobody's business: it is no difference either.
        facts[cohort_fact(cohort, "image")] = spec.image if spec.replicas else None
        facts[cohort_fact(cohort, "replicas")] = spec.replicas
        if spec.autoscaled:
            facts[cohort_fact(cohort, "autoscaled")] = True
    return facts


def _capabilities(table: CohortTable | Missing) -> dict[str, FactValue]:
    """Rule 18: what no read can show follows from the selector, which a row shows or does not."""
    if isinstance(table, Missing) or not table.rows:
        return {}
    selector = table.shows_selection
    return {
        capability_fact(Capability.PROMOTE): selector,
        capability_fact(Capability.DRAIN_REFUSES_POLLS): selector,
        capability_fact(Capability.PINNED_START): selector,
        capability_fact(Capability.MARKER_ROUTING): not selector,
    }

"""Looks at nodes, scheduler and schema that several kinds share: facts and numbers."""

from __future__ import annotations

from collections.abc import Iterable

from rollout_kit.model.observation import (
    SCHEDULER_RUNNING,
    Absent,
    FactValue,
    Observation,
    node_fact,
)
from rollout_kit.model.situation import NodeNumbers, SchedulerNumbers, Situation
from rollout_kit.operations.api import Readers, Seen
from rollout_kit.operations.asking import Missing, ask, ask_driver, unless_missing
from rollout_kit.operations.endings import read_end
from rollout_kit.operations.schema import read_bootstrap as read_bootstrap  # noqa: PLC0414
from rollout_kit.operations.specs import spec_facts
from rollout_kit.ports.engine import ClusterInfo, OperatorMetrics, Readiness
from rollout_kit.ports.infra import Answers, LiveProcess, ProcessSpec

SUPPORTERS = "workers.active_workers_supporting_required"
OVERDUE = "schedules.max_overdue_ms"
FIRES = "schedules.fires_total"
ACTIVE = "schedules.active"
SCHEDULES = "schedules"
"""Key in `unread` for the figures of schedules."""
NO_ADMIN = "operator metrics need an admin token"
NOT_READY = "it is not ready yet"
MOVING = "the driver is at work on it"
PROTOCOLS = ("control_plane", "worker_protocol", "accepts_lower_minors")


def merged(looks: Iterable[Seen], now_s: float) -> Seen:
    """Several looks as one."""
    facts: dict[str, FactValue] = {}
    situations = []
    for look in looks:
        facts.update(look.facts)
        situations.append(look.situation)
    situation = Situation().merged(*situations)
    return Seen(observation=Observation(facts=facts), situation=situation, at_s=now_s)


def read_node(
    name: str,
    readers: Readers,
    now_s: float,
    *,
    metrics: bool = False,
    unready: bool = True,
    moving: bool = False,
) -> Seen:
    """One API node: the driver's spec and membership, and what the node itself answers.

    `metrics` asks the node for its marker too (admin; takes long on a busy server). A node that does
    not answer its readiness probe is asked nothing else; nor is, without `unready`, one not ready yet.
    While the driver is `moving` it nothing is asked: what answered would be the one about to go.
    """
    infra = readers.infra
    spec = ask_driver(readers, Answers.SPEC, lambda: infra.node_spec(name))
    attached = ask_driver(readers, Answers.MEMBERSHIP, lambda: infra.attached(name))
    connections = ask_driver(readers, Answers.CONNECTIONS, lambda: infra.connections(name))
    processes = ask_driver(readers, Answers.PROCESSES, lambda: infra.node_processes(name))
    readiness: Readiness | Missing = Missing(why=Absent.PENDING, reason=MOVING)
    info: ClusterInfo | Missing = Missing(why=Absent.PENDING, reason=MOVING)
    answered: OperatorMetrics | Missing | None = None
    if not moving:
        readiness = ask(lambda: readers.engine.readiness(name))
        info = _info(name, readers, readiness, unready=unready)
        silent = isinstance(readiness, Missing) and readiness.why is Absent.NO_ANSWER
        if metrics and not silent and readers.engine.has_admin():
            answered = ask(lambda: readers.engine.operator_metrics(readers.scope.namespace, name))
    asked = {
        "spec": spec,
        "attached": attached,
        "connections": connections,
        "processes": processes,
        "version": info,
        "required_marker": answered,
    }
    unread = {
        node_fact(name, what): answer.reason
        for what, answer in asked.items()
        if isinstance(answer, Missing)
    }
    facts: dict[str, FactValue] = {
        **spec_facts(lambda attribute: node_fact(name, attribute), spec),
        node_fact(name, "attached"): _value(attached),
        **_answered_facts(name, info, spec, has_admin=readers.engine.has_admin()),
    }
    settled = not any(
        isinstance(answer, Missing) and answer.why is Absent.PENDING for answer in (spec, processes)
    )
    numbers = _node_numbers(readiness, connections, processes, answered, settled=settled)
    return Seen(
        observation=Observation(facts=facts),
        situation=Situation(
            nodes={name: numbers},
            unread=unread,
            ended=read_end(f"node/{name}", readers) if processes == () else {},
        ),
        at_s=now_s,
    )


def _info(
    name: str, readers: Readers, readiness: Readiness | Missing, *, unready: bool
) -> ClusterInfo | Missing:
    """What the node says it is; who did not answer a moment ago is not asked a second time."""
    if isinstance(readiness, Missing) and readiness.why is Absent.NO_ANSWER:
        return readiness
    if not unready and isinstance(readiness, Readiness) and not readiness.ready:
        return Missing(why=Absent.NOT_READ, reason=NOT_READY)
    return ask(lambda: readers.engine.cluster_info(name))


def read_protocols(name: str, readers: Readers, now_s: float) -> Seen:
    """What a node speaks, and nothing else of it."""
    info = ask(lambda: readers.engine.cluster_info(name))
    nobody = Missing(why=Absent.NOT_READ, reason="")
    shown = Observation(facts=_answered_facts(name, info, nobody, has_admin=False))
    spoken = shown.only(node_fact(name, attribute) for attribute in PROTOCOLS)
    return Seen(observation=spoken, situation=Situation(), at_s=now_s)


def read_all_nodes(readers: Readers, now_s: float, *, metrics: bool = False) -> Seen:
    """Every node of the scope."""
    looks = (read_node(name, readers, now_s, metrics=metrics) for name in readers.scope.nodes)
    return merged(looks, now_s)


def read_presence(name: str, readers: Readers, now_s: float, *, ready: bool = True) -> Seen:
    """Whether a node is in rotation and (where `ready`) ready: what its fellows need to know of it."""
    attached = ask_driver(readers, Answers.MEMBERSHIP, lambda: readers.infra.attached(name))
    facts = {node_fact(name, "attached"): _value(attached)}
    numbers = NodeNumbers()
    if ready:
        numbers = _node_numbers(ask(lambda: readers.engine.readiness(name)), None, None, None)
    return Seen(
        observation=Observation(facts=facts), situation=Situation(nodes={name: numbers}), at_s=now_s
    )


def read_others(names: tuple[str, ...], readers: Readers, now_s: float) -> Seen:
    """Membership of all of these, and readiness up to the first that is attached and ready."""
    looks: list[Seen] = []
    found = False
    for name in names:
        look = read_presence(name, readers, now_s, ready=not found)
        out = look.observation.node(name, "attached") is False
        found = found or (look.situation.node(name).ready is True and not out)
        looks.append(look)
    return merged(looks, now_s)


def read_a_ready_one(names: tuple[str, ...], readers: Readers, now_s: float) -> Seen:
    """These, up to the first that is attached and ready: all of them where none is."""
    looks: list[Seen] = []
    for name in names:
        looks.append(read_presence(name, readers, now_s))
        out = looks[-1].observation.node(name, "attached") is False
        if looks[-1].situation.node(name).ready and not out:
            break
    return merged(looks, now_s)


def read_scheduler(readers: Readers, now_s: float, *, metrics: bool = True) -> Seen:
    """The singleton scheduler; with `metrics` how far behind its schedules are (admin)."""
    spec = ask_driver(readers, Answers.SPEC, readers.infra.scheduler_spec)
    processes = ask_driver(readers, Answers.PROCESSES, readers.infra.scheduler_processes)
    facts = spec_facts(lambda attribute: f"scheduler/{attribute}", spec)
    facts[SCHEDULER_RUNNING] = spec.why if isinstance(spec, Missing) else spec is not None
    schedules = _read_schedules(readers) if metrics else {}
    asked = {"scheduler/spec": spec, "scheduler/processes": processes, SCHEDULES: schedules}
    unread = {key: item.reason for key, item in asked.items() if isinstance(item, Missing)}
    values = {} if isinstance(schedules, Missing) else schedules
    numbers = SchedulerNumbers(
        processes=counted(processes),
        settled=not (isinstance(processes, Missing) and processes.why is Absent.PENDING),
        fires_total=values.get(FIRES),
        max_overdue_ms=values.get(OVERDUE),
        active_schedules=values.get(ACTIVE),
    )
    return Seen(
        observation=Observation(facts=facts),
        situation=Situation(
            scheduler=numbers,
            unread=unread,
            ended=read_end("scheduler", readers) if processes == () else {},
        ),
        at_s=now_s,
    )


def _answered_facts(
    name: str, info: ClusterInfo | Missing, spec: ProcessSpec | Missing, *, has_admin: bool
) -> dict[str, FactValue]:
    """What the node says of itself. Its server id is a fact only where its spec sets one."""
    values: dict[str, FactValue]
    if isinstance(info, Missing):
        names = ("server_id", "version", "control_plane", "worker_protocol", "topology")
        more = ("accepts_lower_minors", "provenance", "ref", "poll_timeout_s")
        values = dict.fromkeys((*names, *more), info.why)
    else:
        unshown = None if has_admin else Absent.NOT_READ
        values = {
            "server_id": _server_id(info, spec),
            "version": info.version,
            "control_plane": info.control_plane,
            "worker_protocol": info.worker_protocol,
            "accepts_lower_minors": info.accepts_lower_minors,
            "topology": info.topology.canonical if info.topology else None,
            "provenance": info.provenance or unshown,
            "ref": _ref(info.provenance) or unshown,
            "poll_timeout_s": info.poll_timeout_s,
        }
    return {node_fact(name, attribute): value for attribute, value in values.items()}


def _server_id(info: ClusterInfo, spec: ProcessSpec | Missing) -> FactValue:
    """Whether the spec sets one is not known while the driver does not tell: that is no `none`."""
    if isinstance(spec, Missing):
        return spec.why if spec.why in (Absent.PENDING, Absent.NO_ANSWER) else None
    return info.server_id if spec.server_id is not None else None


def _ref(provenance: str | None) -> str | None:
    """The middle of `source@ref#commit`."""
    return provenance.rpartition("@")[2].partition("#")[0] if provenance else None


def _node_numbers(
    readiness: Readiness | Missing,
    connections: int | Missing | None,
    processes: tuple[LiveProcess, ...] | Missing | None,
    metrics: OperatorMetrics | Missing | None,
    *,
    settled: bool = True,
) -> NodeNumbers:
    answer = unless_missing(readiness)
    shown = unless_missing(metrics)
    supporters = shown.values.get(SUPPORTERS) if shown else None
    error = readiness.reason if isinstance(readiness, Missing) else None
    pending = isinstance(readiness, Missing) and readiness.why is Absent.PENDING
    return NodeNumbers(
        answers=None if pending else answer is not None,
        ready=answer.ready if answer else None,
        diagnosis=(answer.diagnosis or None) if answer else None,
        connections=unless_missing(connections),
        processes=counted(processes),
        settled=settled,
        error=error,
        required_marker=(shown.required_marker or "") if shown else None,
        supporters=int(supporters) if supporters is not None else None,
    )


def _read_schedules(readers: Readers) -> dict[str, int] | Missing:
    """Schedule figures over every namespace of the scope; one that lacks a count is no answer."""
    if not readers.engine.has_admin():
        return Missing(why=Absent.NOT_READ, reason=NO_ADMIN)
    most: dict[str, int] = {OVERDUE: 0, FIRES: 0, ACTIVE: 0}
    for namespace in readers.scope.namespaces:
        metrics = _metrics(readers, namespace)
        if isinstance(metrics, Missing):
            return metrics
        for path, so_far in most.items():
            value = metrics.values.get(path)
            if value is None:
                reason = f"operator metrics of namespace {namespace} lack {path}"
                return Missing(why=Absent.NO_ANSWER, reason=reason)
            most[path] = max(so_far, int(value)) if path == OVERDUE else so_far + int(value)
    return most


def _metrics(readers: Readers, namespace: str) -> OperatorMetrics | Missing:
    return ask(lambda: readers.engine.operator_metrics(namespace))


def counted(processes: tuple[LiveProcess, ...] | Missing | None) -> int | None:
    """How many there are; None where nobody says."""
    return None if processes is None or isinstance(processes, Missing) else len(processes)


def _value(answer: bool | Missing) -> FactValue:
    return answer.why if isinstance(answer, Missing) else answer

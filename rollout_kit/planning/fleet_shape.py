"""Preconditions about the fleet itself: it is one that can be rolled, node by node."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rollout_kit.document.plan import UNCOUNTED_WORKERS, CommandInfra, ManualInfra, ProcessInfra
from rollout_kit.model.capability import Capability
from rollout_kit.model.observation import Absent, capability_fact, node_fact
from rollout_kit.operations.asking import CANNOT
from rollout_kit.operations.specs import parse
from rollout_kit.planning.api import Problem
from rollout_kit.planning.draft import Draft
from rollout_kit.ports.infra import Answers

PIN = "DW_V2_PIN_TO_RECORDED_FINGERPRINT"
MULTI_NODE = "DW_V2_MULTI_NODE"
DATABASE = ("DB_CONNECTION", "DB_HOST", "DB_PORT", "DB_DATABASE", "DB_URL")
CACHE = ("CACHE_STORE", "REDIS_HOST", "REDIS_PORT", "REDIS_URL")

UNPINNED = "unpinned-fingerprints"
SINGLE_NODE = "single-node-mode"
OWN_DATABASE = "separate-databases"
OWN_CACHE = "separate-caches"
UNREAD = "unread-node-specs"
ACCEPTABLE = (UNPINNED, SINGLE_NODE, OWN_DATABASE, OWN_CACHE, UNREAD, UNCOUNTED_WORKERS)

_REPLACING = frozenset(
    {
        "detach_node",
        "replace_node",
        "replace_maintenance",
        "stop_scheduler",
        "deploy_cohort",
        "stop_cohort",
    }
)
_TRUE = frozenset({"1", "true", "yes", "on"})


def not_embedded(draft: Draft) -> Iterator[Problem]:
    """A server inside an application's own processes has no nodes that could be replaced alone."""
    for node in draft.scope.nodes:
        topology = draft.live.node(node, "topology")
        if isinstance(topology, str) and topology.split("/")[0] == "embedded":
            yield Problem(
                summary="Embedded server",
                detail=f"{node} says that its shape is embedded: the server lives in the"
                " application's processes, and replacing one would replace the application.",
                hint="roll the application itself; this tool rolls standalone servers",
            )


def fit_for_several_nodes(draft: Draft) -> Iterator[Problem]:
    """More than one node work on the same state, and say so in their environment."""
    if len(draft.scope.nodes) < 2:
        return
    environments: dict[str, Mapping[str, str]] = {}
    for node in draft.scope.nodes:
        value = draft.live.node(node, "spec_json")
        spec = parse(value)
        if isinstance(draft.document.infra, ManualInfra):
            # A node answers what it is, never the environment that it was started with.
            yield _unread(node)
        elif spec is not None:
            environments[node] = spec.environment
        elif value is Absent.NO_ANSWER or _never_read(draft, node):
            yield _unread(node)
    for node, environment in environments.items():
        yield from _switches(node, environment)
    yield from _apart(environments, DATABASE, OWN_DATABASE, "database")
    yield from _apart(environments, CACHE, OWN_CACHE, "cache store")
    # On one host, a cache of files is one cache.
    local = {"array"} if isinstance(draft.document.infra, ProcessInfra) else {"array", "file"}
    for node, environment in environments.items():
        store = environment.get("CACHE_STORE")
        if store in local:
            yield Problem(
                summary="Nodes do not share a cache store",
                detail=f"{node} keeps its cache to itself (CACHE_STORE={store}), and"
                f" {len(draft.scope.nodes)} nodes wake each other through it.",
                hint=f"give all nodes one cache store, or accept it under target.accept.{OWN_CACHE}",
                accept=OWN_CACHE,
            )


def known_before_it_is_replaced(draft: Draft) -> Iterator[Problem]:
    """What a script cannot name nobody could start again: no acceptance helps."""
    unable = f"{CANNOT} {Answers.SPEC.value}" in draft.situation.unread.values()
    if not unable or not isinstance(draft.document.infra, CommandInfra):
        return
    found = [one.operation.id for one in draft.writes if one.operation.kind in _REPLACING]
    if found:
        more = f" and {len(found) - 1} more operations" if len(found) > 1 else ""
        yield Problem(
            summary="What runs is not known",
            detail="The script does not answer spec:"
            f" what {found[0]}{more} would replace could not be put back.",
            hint="let its `observe` name each image, and its `describe` list spec",
        )


def workers_that_can_be_counted(draft: Draft) -> Iterator[Problem]:
    """Where all workers show as stale and the driver counts none, their life is a person's word."""
    routed = draft.live.get(capability_fact(Capability.MARKER_ROUTING)) is True
    queues = dict.fromkeys(worker.task_queue for worker in draft.document.release.workers)
    if isinstance(draft.document.infra, ManualInfra) and routed and queues:
        yield Problem(
            summary="Workers cannot be counted",
            detail="This server shows workers as stale whether they live or not, and `driver:"
            f" manual` counts no processes: whether those of {', '.join(queues)} run, and so serve"
            " the runs that are pinned to them, is for a person to say.",
            hint="see that they run, and say so under target.accept."
            f'{UNCOUNTED_WORKERS}: "who looked, and where"',
            accept=UNCOUNTED_WORKERS,
        )


def _switches(node: str, environment: Mapping[str, str]) -> Iterator[Problem]:
    pin = environment.get(PIN)
    if pin is not None and pin.lower() not in _TRUE:
        yield Problem(
            summary="Runs are not kept on the code that started them",
            detail=f"{node} has {PIN}={pin}: while two builds live together, a run may be replayed"
            " by code that it was not started with.",
            hint=f"leave {PIN} out, or accept it under target.accept.{UNPINNED}",
            accept=UNPINNED,
        )
    several = environment.get(MULTI_NODE)
    if several is None or several.lower() not in _TRUE:
        found = "is not set" if several is None else f"is {several}"
        yield Problem(
            summary="Node is not set up for a fleet",
            detail=f"{MULTI_NODE} of {node} {found} and has to be true where there is more than one"
            " node: without it the server does not check what several nodes need.",
            hint=f"set {MULTI_NODE}=true, or accept it under target.accept.{SINGLE_NODE}",
            accept=SINGLE_NODE,
        )


def _apart(
    environments: Mapping[str, Mapping[str, str]], names: tuple[str, ...], accept: str, what: str
) -> Iterator[Problem]:
    """All nodes name the same one. References to secrets are compared as they are written."""
    for name in names:
        values = {node: env.get(name) for node, env in environments.items()}
        if len(set(values.values())) < 2:
            continue
        shown = ", ".join(f"{node}: {value or 'not set'}" for node, value in values.items())
        yield Problem(
            summary=f"Nodes do not share a {what}",
            detail=f"{name} differs ({shown}). Nodes behind one address that keep separate state"
            " lose each other's runs.",
            hint=f"point all nodes at one {what}, or accept it under target.accept.{accept}",
            accept=accept,
        )
        return


def _never_read(draft: Draft, node: str) -> bool:
    """Whether this driver says of itself that it cannot tell: another session would not see more."""
    return draft.situation.unread.get(node_fact(node, "spec"), "").startswith(CANNOT)


def _unread(node: str) -> Problem:
    return Problem(
        summary="Node cannot be judged",
        detail=f"What {node} runs could not be read, so whether it shares database and cache with"
        " the others, and keeps runs on their code, is not judged.",
        hint=f"see why the driver does not answer, or accept it under target.accept.{UNREAD}",
        accept=UNREAD,
    )

"""A document that keeps to its schema and to the checks, as a `PlanDocument`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from rollout_kit.document.conditions import GuardDeclaration, GuardName
from rollout_kit.document.decode_conditions import decode_gate, decode_guard
from rollout_kit.document.decode_steps import decode_step
from rollout_kit.document.fields import (
    Section,
    choice,
    flag,
    optional_cohort,
    optional_s,
    optional_text,
    optional_texts,
    optional_whole,
    section,
    sections,
    text,
    texts,
)
from rollout_kit.document.nodes import Path
from rollout_kit.document.plan import PlanDocument
from rollout_kit.document.position import Position
from rollout_kit.document.release import (
    ProtocolSets,
    Release,
    ServerRelease,
    TopologyDeclaration,
    WorkerRelease,
)
from rollout_kit.document.sections import UNDECIDED
from rollout_kit.document.target import (
    Acceptance,
    CommandInfra,
    Credentials,
    Engine,
    Infra,
    ManualInfra,
    ProcessInfra,
    PulumiInfra,
    Target,
    TargetNode,
)
from rollout_kit.document.terms import Identity, SecretText
from rollout_kit.document.variables import Variable
from rollout_kit.model.operation import NewBuild, OnFailure, PinnedRuns, RollbackPolicy


def decode(
    document: Section, *, canonical: str, locate: Callable[[Path], Position | None]
) -> PlanDocument:
    """Give the plan; `locate` finds places in the file. Raises `UndecidedError`."""
    target = _target(section(document, "target"))
    release = _release(section(document, "release"), target)
    rollback = _rollback(section(document, "rollback"))
    fallback = OnFailure.ROLLBACK if rollback.forward_only is None else OnFailure.HOLD
    on_failure = choice(document, "on_failure", OnFailure, fallback)
    return PlanDocument(
        name=text(document, "name"),
        description=optional_text(document, "description"),
        variables=_variables(section(document, "vars")),
        target=target,
        infra=_infra(document),
        release=release,
        gates=tuple(
            decode_gate(name, section(section(document, "gates"), name), locate(("gates", name)))
            for name in sorted(section(document, "gates"))
        ),
        guards=_guards(section(document, "guards"), locate),
        steps=tuple(
            decode_step(
                entry,
                target=target,
                release=release,
                on_failure=on_failure,
                at=locate(("steps", index)),
            )
            for index, entry in enumerate(sections(document, "steps"))
        ),
        on_failure=on_failure,
        rollback=rollback,
        state=optional_text(document, "state"),
        canonical=canonical,
    )


def _variables(given: Section) -> tuple[Variable, ...]:
    return tuple(
        Variable(
            name=name,
            value=text(section(given, name), "default"),
            secret=flag(section(given, name), "secret"),
        )
        for name in sorted(given)
    )


def _target(given: Section) -> Target:
    credentials = section(given, "credentials")
    admin = optional_text(credentials, "admin")
    accept = section(given, "accept")
    namespace = text(given, "namespace")
    others = [one for one in texts(given, "namespaces") if one != namespace]
    no_answer_for_s = optional_s(given, "no_answer_for")
    return Target(
        name=text(given, "name"),
        engine=Engine(text(given, "engine")),
        url=text(given, "url"),
        namespace=namespace,
        namespaces=(namespace, *others),
        credentials=Credentials(
            operator=SecretText(text(credentials, "operator")),
            admin=None if admin is None else SecretText(admin),
        ),
        nodes=tuple(
            TargetNode(name=text(node, "name"), url=text(node, "url"))
            for node in sections(given, "nodes")
        ),
        accept=tuple(
            Acceptance(precondition=name, reason=text(accept, name)) for name in sorted(accept)
        ),
        no_answer_for_s=no_answer_for_s or 120.0,
    )


def _infra(document: Section) -> Infra | None:
    if "infra" not in document:
        return None
    given = section(document, "infra")
    if text(given, "driver") == "command":
        return _command(given)
    if text(given, "driver") == "pulumi":
        return _pulumi(given)
    if text(given, "driver") == "manual":
        return ManualInfra()
    fleet = text(given, "fleet")
    return ProcessInfra(fleet=None if UNDECIDED in fleet else fleet)


def _command(given: Section) -> CommandInfra:
    argv = texts(given, "argv")
    return CommandInfra(
        argv=None if any(UNDECIDED in part for part in argv) else argv,
        state=optional_text(given, "state") or ".rollout-kit/command",
    )


def _pulumi(given: Section) -> PulumiInfra:
    cluster = section(given, "kubernetes")
    found = PulumiInfra(
        program=text(given, "program"),
        stack=text(given, "stack"),
        backend=optional_text(given, "backend") or "",
        kubeconfig=optional_text(cluster, "kubeconfig") or "",
        context=optional_text(cluster, "context") or "",
        allow=texts(given, "allow"),
        state=optional_text(given, "state") or ".rollout-kit/pulumi",
    )
    parts = (
        found.program,
        found.stack,
        found.backend,
        found.kubeconfig,
        found.context,
        found.state,
    )
    return replace(found, waits=any(UNDECIDED in part for part in parts))


def _release(given: Section, target: Target) -> Release:
    return Release(
        server=_server(section(given, "server")) if "server" in given else None,
        workers=tuple(_worker(entry, target) for entry in sections(given, "workers")),
        independent_queues=texts(given, "independent_queues"),
        skew_window_at_most_s=optional_s(given, "skew_window_at_most"),
    )


def _server(given: Section) -> ServerRelease:
    protocols, topology = section(given, "protocols"), section(given, "topology")
    return ServerRelease(
        from_=text(given, "from"),
        to=text(given, "to"),
        image=text(given, "image"),
        revision=optional_text(given, "revision") or text(given, "to"),
        from_image=optional_text(given, "from_image"),
        identity=choice(given, "identity", Identity, Identity.VERSION),
        protocols=ProtocolSets(
            control_plane=optional_texts(protocols, "control_plane"),
            worker=optional_texts(protocols, "worker"),
        )
        if protocols
        else None,
        topology=_topology(topology) if topology else None,
    )


def _topology(given: Section) -> TopologyDeclaration:
    matching = section(given, "matching_role")
    fields = [(name, matching[name]) for name in sorted(matching)]
    return TopologyDeclaration(
        shape=optional_text(given, "shape"),
        process_class=optional_text(given, "process_class"),
        roles=optional_texts(given, "roles"),
        matching_role=tuple(
            (name, value) for name, value in fields if isinstance(value, str | bool)
        ),
    )


def _worker(given: Section, target: Target) -> WorkerRelease:
    return WorkerRelease(
        task_queue=text(given, "task_queue"),
        namespace=optional_text(given, "namespace") or target.namespace,
        from_=optional_cohort(given, "from"),
        to=optional_text(given, "to"),
        image=optional_text(given, "image"),
        replicas=optional_whole(given, "replicas"),
        serves=texts(given, "serves"),
        protocol=optional_text(given, "protocol"),
    )


def _guards(
    given: Section, locate: Callable[[Path], Position | None]
) -> tuple[GuardDeclaration, ...]:
    """Give the built-in guards first, which are there whether the plan names them or not."""
    built_in = [guard.value for guard in GuardName]
    names = [*built_in, *(name for name in sorted(given) if name not in built_in)]
    return tuple(
        decode_guard(
            name, section(given, name), locate(("guards", name)) if name in given else None
        )
        for name in names
    )


def _rollback(given: Section) -> RollbackPolicy:
    within_s = optional_s(given, "within")
    default = RollbackPolicy()
    return RollbackPolicy(
        within_s=within_s or default.within_s,
        pinned_runs=choice(given, "pinned_runs", PinnedRuns, default.pinned_runs),
        new_build=choice(given, "new_build", NewBuild, default.new_build),
        forward_only=optional_text(given, "forward_only"),
    )

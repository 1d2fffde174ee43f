"""Everything that a plan needs outside, looked at without changing anything."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

from rollout_kit.document.plan import ManualInfra, PlanDocument, PulumiInfra
from rollout_kit.ports.checkup import Finding, looked, unjudged, wrong
from rollout_kit.ports.errors import InFlight, OutsideError
from rollout_kit.ports.infra import Answers, InfraReader
from rollout_kit.wiring.clock import SystemClock
from rollout_kit.wiring.outside import Outside, connect

WITHIN_S = 60.0
LOOK_S = 0.25
DRIVER = "driver"


def examine(
    document: PlanDocument, folder: Path, environment: Mapping[str, str], clock: SystemClock
) -> Iterator[Finding]:
    """One finding after the other, as soon as each is known: server, nodes, driver.

    Raises what a missing or wrong file of the plan raises.
    """
    pulumi = isinstance(document.infra, PulumiInfra) and not document.infra.waits
    if pulumi:
        yield from _stack(document, folder)
    try:
        with connect(document, folder, environment, clock) as outside:
            yield from _server(document, outside, clock)
            yield from _driver(document, outside, clock)
    except OutsideError as error:
        yield wrong(DRIVER, error.message, hint=error.hint, trouble=error.trouble)


def _stack(document: PlanDocument, folder: Path) -> Iterator[Finding]:
    from rollout_kit.drivers.pulumi import doctor
    from rollout_kit.drivers.pulumi.needs import needs
    from rollout_kit.wiring.pulumi import stack_of

    assert isinstance(document.infra, PulumiInfra)
    yield from doctor.findings(stack_of(document.infra, folder), needs(document))


def _server(document: PlanDocument, outside: Outside, clock: SystemClock) -> Iterator[Finding]:
    engine, target = outside.readers.engine, document.target

    def operator() -> str:
        count = len(engine.queues(target.namespace))
        return f"{target.url} takes it; namespace {target.namespace} has {count} task queues"

    def admin() -> str:
        engine.operator_metrics(target.namespace)
        return "the server takes it"

    yield _asked("operator token", operator, clock)
    if engine.has_admin():
        yield _asked("admin token", admin, clock)
    elif target.credentials.admin is None:
        yield unjudged("admin token", "the plan names none: markers and metrics are not read")
    else:
        yield unjudged("admin token", "its variable is not set here")
    for node in target.nodes:
        yield _asked(f"node {node.name}", partial(_node, outside, node.name), clock)


def _node(outside: Outside, name: str) -> str:
    ready = outside.readers.engine.readiness(name)
    info = outside.readers.engine.cluster_info(name)
    state = "ready" if ready.ready else f"not ready ({ready.diagnosis})"
    return f"answers on its own: version {info.version}, {state}"


def _driver(document: PlanDocument, outside: Outside, clock: SystemClock) -> Iterator[Finding]:
    infra = outside.readers.infra
    if document.infra is None:
        yield unjudged(DRIVER, "the plan has no infra section: no step of it may need one")
        return
    if isinstance(document.infra, ManualInfra):
        yield unjudged(DRIVER, "somebody else changes this fleet: nothing can be asked of it")
        return
    try:
        answers = infra.answers()
    except OutsideError as error:
        yield wrong(DRIVER, error.message, hint=error.hint, trouble=error.trouble)
        return
    names = ", ".join(sorted(item.value for item in answers)) or "nothing"
    yield _asked(DRIVER, lambda: f"answers: {names}", clock)
    for node in document.target.nodes:
        what = f"driver on {node.name}"
        yield _asked(what, partial(_of_node, infra, answers, node.name), clock)
    if Answers.SPEC in answers:
        yield _asked("driver on the scheduler", partial(_of_scheduler, infra), clock)


def _of_node(infra: InfraReader, answers: frozenset[Answers], name: str) -> str:
    parts = []
    if Answers.SPEC in answers:
        spec = infra.node_spec(name)
        parts.append(f"runs {spec.image or 'nothing known'}")
    if Answers.MEMBERSHIP in answers:
        parts.append("in rotation" if infra.attached(name) else "out of rotation")
    return ", ".join(parts) or "it does not say what runs there"


def _of_scheduler(infra: InfraReader) -> str:
    spec = infra.scheduler_spec()
    return "is not to run" if spec is None else f"is to run {spec.image}"


def _asked(what: str, ask: Callable[[], str], clock: SystemClock) -> Finding:
    """The answer, awaited while it is in flight."""

    def landed() -> str:
        until_s = clock.monotonic_s() + WITHIN_S
        while True:
            try:
                return ask()
            except InFlight:
                if clock.interrupted() or clock.monotonic_s() > until_s:
                    raise
            clock.sleep(LOOK_S)

    return looked(what, landed)

"""The ports of one target, built from its document and the environment."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rollout_kit.document.plan import (
    AddedGuard,
    CommandInfra,
    HttpSource,
    ManualInfra,
    PlanDocument,
    PulumiInfra,
    SecretText,
    UnsetEnvironmentError,
)
from rollout_kit.drivers.absent import AbsentDriver
from rollout_kit.engines.durable_workflow.engine import DurableWorkflowEngine
from rollout_kit.metrics.http_json import HttpJsonMetrics
from rollout_kit.operations.api import Readers, Writers
from rollout_kit.planning.scope import scope_of
from rollout_kit.ports.engine import EngineReader
from rollout_kit.ports.infra import Infra as InfraPort
from rollout_kit.ports.infra import Programmed
from rollout_kit.transport.client import JsonClient, Patience
from rollout_kit.transport.flights import ThreadFlights
from rollout_kit.transport.network import NetworkExchange
from rollout_kit.transport.secret import Secret
from rollout_kit.wiring.addresses import Addresses
from rollout_kit.wiring.clock import SystemClock
from rollout_kit.wiring.reaching import reaching


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """Everything outside that one target has."""

    readers: Readers
    writers: Writers


@contextmanager
def connect(
    document: PlanDocument, plan_folder: Path, environment: Mapping[str, str], clock: SystemClock
) -> Iterator[Outside]:
    """Build engine, driver and metrics for this document; close them at the end.

    Nothing is asked yet. An unset admin token or driver makes what it feeds "not read".
    """
    direct = NetworkExchange(monotonic_s=clock.monotonic_s)
    exchange = reaching(document.infra, plan_folder, direct, environment, clock)
    client = JsonClient(
        exchange=exchange,
        flights=ThreadFlights(interrupted=clock.interrupted, monotonic_s=clock.monotonic_s),
        patience=Patience(monotonic_s=clock.monotonic_s, sleep=clock.sleep, jitter=random.random),
    )
    target = document.target
    operator = _token(target.credentials.operator, environment)
    addresses = Addresses({node.name: node.url for node in target.nodes})
    engine = DurableWorkflowEngine(
        url=target.url,
        nodes=addresses,
        operator=operator or Secret(""),
        admin=_token(target.credentials.admin, environment),
        client=client,
        monotonic_s=clock.monotonic_s,
    )
    driver = _driver(document, plan_folder, environment, engine)
    addresses.stack = driver if isinstance(driver, Programmed) else None
    metrics = HttpJsonMetrics(client=client, environ=environment)
    try:
        yield Outside(
            readers=Readers(engine=engine, infra=driver, metrics=metrics, scope=scope_of(document)),
            writers=Writers(engine=engine, infra=driver),
        )
    finally:
        exchange.close()


def _token(secret: SecretText | None, environment: Mapping[str, str]) -> Secret | None:
    if secret is None:
        return None
    try:
        return Secret(secret.resolve(environment))
    except UnsetEnvironmentError:
        return None


def _driver(
    document: PlanDocument, plan_folder: Path, environment: Mapping[str, str], engine: EngineReader
) -> InfraPort:
    """The plan's driver; a fleet file that is missing or wrong raises at once, with places."""
    infra = document.infra
    if infra is None:
        return AbsentDriver("the plan names no fleet")
    if isinstance(infra, ManualInfra):
        from rollout_kit.drivers.manual.driver import ManualDriver

        return ManualDriver(engine, document)
    if isinstance(infra, PulumiInfra):
        return _pulumi(infra, plan_folder, environment, _secret_names(document))
    if isinstance(infra, CommandInfra):
        return _command(infra, plan_folder, environment, _secret_names(document))
    if infra.fleet is None:
        return AbsentDriver("a variable of infra.fleet is not set", unset=True)
    from rollout_kit.drivers.process.driver import ProcessDriver

    return ProcessDriver(plan_folder / infra.fleet, environment, _secret_names(document))


def _command(
    infra: CommandInfra, folder: Path, environment: Mapping[str, str], secrets: tuple[str, ...]
) -> InfraPort:
    if infra.argv is None:
        return AbsentDriver("a variable of infra.argv is not set", unset=True)
    from rollout_kit.drivers.command.driver import CommandDriver

    return CommandDriver(infra.argv, folder, folder / infra.state, environment, secrets)


def _pulumi(
    infra: PulumiInfra, folder: Path, environment: Mapping[str, str], secrets: tuple[str, ...]
) -> InfraPort:
    if infra.waits:
        return AbsentDriver("a variable of the plan's infra section is not set", unset=True)
    from rollout_kit.wiring.pulumi import pulumi_driver

    return pulumi_driver(infra, folder, environment, secrets)


def _secret_names(document: PlanDocument) -> tuple[str, ...]:
    """The environment variables that secret fields of the plan refer to."""
    credentials = document.target.credentials
    texts = [credentials.operator, *([credentials.admin] if credentials.admin else [])]
    sources = [gate.source for gate in document.gates]
    sources += [guard.source for guard in document.guards if isinstance(guard, AddedGuard)]
    for source in sources:
        if isinstance(source, HttpSource):
            texts += [text for _, text in source.headers]
    return tuple(dict.fromkeys(name for text in texts for name in text.names))

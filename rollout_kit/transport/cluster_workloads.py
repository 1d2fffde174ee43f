"""Workloads of the cluster that a kubeconfig names, with the patience of every other request."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from rollout_kit.transport.client import JsonClient, Patience
from rollout_kit.transport.cluster_api import ApiServer
from rollout_kit.transport.flights import ThreadFlights
from rollout_kit.transport.workloads import Workloads


def cluster_workloads(
    *,
    kubeconfig: Path | None,
    context: str,
    environment: Mapping[str, str],
    interrupted: Callable[[], bool] = lambda: False,
    monotonic_s: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[Workloads, ThreadFlights]:
    """Nothing is asked yet. `kubeconfig` None and `context` "": those of the environment."""
    api = ApiServer(
        kubeconfig=kubeconfig, context=context, environment=environment, monotonic_s=monotonic_s
    )
    flights = ThreadFlights(interrupted=interrupted, monotonic_s=monotonic_s)
    patience = Patience(monotonic_s=monotonic_s, sleep=sleep, jitter=random.random)
    client = JsonClient(exchange=api, flights=flights, patience=patience)
    return Workloads(client, api.label, monotonic_s), flights

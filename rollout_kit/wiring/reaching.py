"""How a plan's addresses are reached: directly, and pods through the API server of their cluster."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from rollout_kit.document.plan import PulumiInfra
from rollout_kit.document.target import Infra
from rollout_kit.transport.messages import Request, Response
from rollout_kit.transport.network import NetworkExchange
from rollout_kit.wiring.clock import SystemClock

if TYPE_CHECKING:
    from rollout_kit.transport.pod_proxy import PodProxy

POD_SCHEME = "kubernetes://"


def reaching(
    infra: Infra | None,
    folder: Path,
    direct: NetworkExchange,
    environment: Mapping[str, str],
    clock: SystemClock,
) -> Reaching:
    """How this plan's addresses are reached: pods through the cluster that its `infra` names."""
    kubeconfig, context = None, ""
    if isinstance(infra, PulumiInfra):
        kubeconfig = folder / infra.kubeconfig if infra.kubeconfig else None
        context = infra.context
    return Reaching(
        direct, environment=environment, clock=clock, kubeconfig=kubeconfig, context=context
    )


class Reaching:
    """An `Exchange`: what leads to pods, once the first such address is asked, and else `direct`.

    `kubeconfig` None and `context` "": those of the environment.
    """

    def __init__(
        self,
        direct: NetworkExchange,
        *,
        environment: Mapping[str, str],
        clock: SystemClock,
        kubeconfig: Path | None = None,
        context: str = "",
    ) -> None:
        self._direct = direct
        self._environment = environment
        self._clock = clock
        self._kubeconfig = kubeconfig
        self._context = context
        self._guard = threading.Lock()
        self._pods: PodProxy | None = None

    def __call__(self, request: Request) -> Response:
        if not request.url.startswith(POD_SCHEME):
            return self._direct(request)
        with self._guard:
            if self._pods is None:
                self._pods = self._through_the_cluster()
            pods = self._pods
        return pods(request)

    def close(self) -> None:
        self._direct.close()
        with self._guard:
            if self._pods is not None:
                self._pods.close()
                self._pods = None

    def _through_the_cluster(self) -> PodProxy:
        from rollout_kit.transport.client import JsonClient, Patience
        from rollout_kit.transport.cluster_api import ApiServer
        from rollout_kit.transport.flights import InlineFlights
        from rollout_kit.transport.pod_proxy import PodProxy
        from rollout_kit.transport.pod_reasons import sentence
        from rollout_kit.transport.workloads import BUDGET_S, Workloads

        api = ApiServer(
            kubeconfig=self._kubeconfig,
            context=self._context,
            environment=self._environment,
            monotonic_s=self._clock.monotonic_s,
        )
        client = JsonClient(
            exchange=api,
            flights=InlineFlights(),  # whoever asks waits in a thread of its own already
            patience=Patience(monotonic_s=self._clock.monotonic_s, sleep=self._clock.sleep),
        )
        workloads = Workloads(client, api.label, self._clock.monotonic_s, BUDGET_S)
        return PodProxy(api=api, workloads=workloads, explain=sentence)

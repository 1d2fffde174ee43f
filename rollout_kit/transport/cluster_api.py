"""One Kubernetes API server, as an exchange: kubeconfig, TLS and credentials are the library's.

An address is a path of the server behind `SCHEME`. The library is imported, and the credentials
are looked up (a plugin may have to run for them), at the first request, in the thread that sends
it: whoever must not wait long asks through `transport.flights`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rollout_kit.ports.errors import OutsideError
from rollout_kit.transport import cluster_faults, faults
from rollout_kit.transport.cluster_ways import open_websocket, settle_proxy
from rollout_kit.transport.messages import Request, Response
from rollout_kit.transport.network import BODY_LIMIT_BYTES, CONNECT_TIMEOUT_S
from rollout_kit.transport.port_forward import Tunnel
from rollout_kit.transport.secret import Secret

if TYPE_CHECKING:
    from kubernetes.client import ApiClient, Configuration
    from urllib3.response import BaseHTTPResponse

SCHEME = "kubernetes-api://"


class ApiServer:
    """An `Exchange` to the server that a kubeconfig names. Safe to call from several threads.

    Args:
        kubeconfig: None for the usual places: `KUBECONFIG`, the home folder, a pod's own account.
        context: "" for the kubeconfig's current one.
    """

    def __init__(
        self,
        *,
        kubeconfig: Path | None,
        context: str,
        environment: Mapping[str, str],
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._kubeconfig = kubeconfig
        self._context = context
        self._environment = environment
        self._monotonic_s = monotonic_s
        self._guard = threading.Lock()
        self._client: ApiClient | None = None

    @property
    def label(self) -> str:
        """`the cluster of context prod`: for messages."""
        return f"the cluster of context {self._context}" if self._context else "the cluster"

    def __call__(self, request: Request) -> Response:
        """Send once.

        Raises:
            OutsideError: there is no answer: credentials, network, or one that is too large.
        """
        from urllib3.exceptions import HTTPError

        client = self._connected()
        headers = {
            name: value.reveal() if isinstance(value, Secret) else value
            for name, value in request.headers.items()
        }
        try:
            self._sign(client, headers)
            return self._send(client, headers, request)
        except HTTPError as error:
            failure: OutsideError = cluster_faults.explain(error, request, self.label)
        raise failure

    def tunnel(self, namespace: str, pod: str, port: int, request: Request) -> Tunnel:
        """A connection to a port of a pod, for as long as `request` may take; to be closed.

        Raises:
            OutsideError: it could not be opened.
        """
        from urllib3.exceptions import HTTPError
        from websocket import WebSocketException

        failure: OutsideError
        client = self._connected()
        headers: dict[str, str] = {}
        self._sign(client, headers)
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/portforward?ports={port}"
        until_s = self._monotonic_s() + request.timeout_s
        step_s = min(CONNECT_TIMEOUT_S, request.timeout_s)
        try:
            websocket = open_websocket(client.configuration, path, headers, Tunnel.PROTOCOL, step_s)
        except HTTPError as error:
            failure = cluster_faults.explain(error, request, self.label)
        except (WebSocketException, OSError) as error:
            failure = cluster_faults.explain_websocket(error, request, self.label)
        else:
            return Tunnel(websocket, until_s=until_s, monotonic_s=self._monotonic_s)
        raise failure

    def close(self) -> None:
        with self._guard:
            if self._client is not None:
                self._client.close()
                self._client = None

    def _send(self, client: ApiClient, headers: dict[str, str], request: Request) -> Response:
        from urllib3 import Timeout

        deadline_s = self._monotonic_s() + request.timeout_s
        answer: BaseHTTPResponse = client.rest_client.pool_manager.request(
            request.method,
            client.configuration.host + request.url.removeprefix(SCHEME),
            body=request.body or None,
            headers=headers,
            timeout=Timeout(
                connect=min(CONNECT_TIMEOUT_S, request.timeout_s), read=request.timeout_s
            ),
            retries=False,
            redirect=False,
            preload_content=False,
        )
        with closing(answer):
            body = bytearray()
            for chunk in answer.stream(65536):
                body += chunk
                if len(body) > BODY_LIMIT_BYTES:
                    raise cluster_faults.too_large(request)
                if self._monotonic_s() > deadline_s:
                    raise faults.timed_out(request)
            return Response(
                status=answer.status,
                headers={name.lower(): value for name, value in answer.headers.items()},
                body=bytes(body),
            )

    def _sign(self, client: ApiClient, headers: dict[str, str]) -> None:
        """Put in the cluster's credentials; a plugin that gives short-lived ones runs again here."""
        failure: OutsideError
        try:
            with _overhearing():
                settings = client.configuration.auth_settings()
        except Exception as error:  # noqa: BLE001 - a plugin may fail in any way
            failure = cluster_faults.no_credentials(error, self._place())
        else:
            for one in settings.values():
                headers[one["key"]] = one["value"].strip()
                if not headers[one["key"]].isprintable():
                    odd = ValueError("its token has a character that no header can carry")
                    raise cluster_faults.no_credentials(odd, self._place())
            return
        raise failure

    def _connected(self) -> ApiClient:
        with self._guard:
            if self._client is None:
                self._client = self._loaded()
            return self._client

    def _loaded(self) -> ApiClient:
        failure: OutsideError
        try:
            from kubernetes import client, config
        except ImportError:
            raise cluster_faults.no_library() from None
        configuration = client.Configuration()
        configuration.connection_pool_maxsize = 16
        place = self._file()
        try:
            with _overhearing() as said:
                if place is None:
                    self._own_account(configuration)
                else:
                    config.load_kube_config(
                        config_file=str(place),
                        context=self._context or None,
                        client_configuration=configuration,
                        persist_config=False,
                    )
            if said and not configuration.api_key:
                raise ValueError(said[-1])
            settle_proxy(configuration)
            return client.ApiClient(configuration)
        except Exception as error:  # noqa: BLE001 - files, YAML, certificates, plugins: of any kind
            failure = cluster_faults.no_credentials(error, self._place())
        raise failure

    def _own_account(self, configuration: Configuration) -> None:
        """That of the pod that we run in. Its token is read again every minute: it is short-lived."""
        from kubernetes.config import incluster_config

        if self._context:
            raise ValueError("a context is named, and there is no kubeconfig to have it")
        incluster_config.InClusterConfigLoader(
            token_filename=incluster_config.SERVICE_TOKEN_FILENAME,
            cert_filename=incluster_config.SERVICE_CERT_FILENAME,
            environ=self._environment,
        ).load_and_set(configuration)

    def _file(self) -> Path | str | None:
        """The kubeconfig to read; None inside a pod that was given none. KUBECONFIG may be a list."""
        if self._kubeconfig is not None:
            return self._kubeconfig
        named = self._environment.get("KUBECONFIG")
        if named:
            return named
        usual = Path(self._environment.get("HOME", "~")).expanduser() / ".kube" / "config"
        inside = "KUBERNETES_SERVICE_HOST" in self._environment and not usual.exists()
        return None if inside else usual

    def _place(self) -> str:
        place = self._file()
        where = "the pod's service account" if place is None else str(place)
        return f"{where}, context {self._context}" if self._context else where


@contextmanager
def _overhearing() -> Iterator[list[str]]:
    """The library logs that a plugin failed, and goes on without credentials: catch what it says."""
    said: list[str] = []

    def keep(record: logging.LogRecord) -> bool:
        if record.module != "kube_config":
            return True
        said.append(record.getMessage())
        return False

    root = logging.getLogger()
    root.addFilter(keep)
    try:
        yield said
    finally:
        root.removeFilter(keep)

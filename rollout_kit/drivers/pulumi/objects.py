"""Objects in the world by what they are known by, for what no state records."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from rollout_kit.drivers.pulumi.marks import Object
from rollout_kit.drivers.pulumi.recovery import Absence, Found
from rollout_kit.ports.errors import Refused, Trouble, Unavailable

if TYPE_CHECKING:
    from rollout_kit.transport.workloads import Workloads

_REQUEST_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """Why an object does not come up. `for_good`: no waiting will help."""

    text: str
    for_good: bool = False


class Objects(Protocol):
    """Looks for objects that an update may have made, and deletes those that nobody can adopt."""

    def find(self, item: Object) -> Found:
        """Raises Unavailable: the world does not answer."""
        ...

    def remove(self, item: Object) -> None: ...

    def obstacle(self, item: Object) -> Obstacle | None:
        """What is in the way of a workload, as soon as it is known. Raises an OutsideError."""
        ...


class NoObjects:
    """Where the world cannot be asked: no knowing."""

    def find(self, item: Object) -> Found:  # noqa: ARG002
        return Absence.UNKNOWN

    def remove(self, item: Object) -> None:
        raise Refused(f"nothing here can delete {item.urn}")

    def obstacle(self, item: Object) -> Obstacle | None:  # noqa: ARG002
        return None


class ClusterObjects:
    """Objects of a Kubernetes cluster, through its client library. Anything else: no knowing."""

    def __init__(self, kubeconfig: str, context: str) -> None:
        self._kubeconfig = kubeconfig
        self._context = context
        self._client: Any = None
        self._workloads: Workloads | None = None

    def find(self, item: Object) -> Found:
        if not {"apiVersion", "kind", "name"} <= set(item.facts):
            return Absence.UNKNOWN
        try:
            self._asked(lambda client: _resource(client, item).get(**_named(item)))
        except LookupError:
            return Absence.ABSENT
        namespace = item.facts.get("namespace", "")
        return f"{namespace}/{item.facts['name']}" if namespace else item.facts["name"]

    def remove(self, item: Object) -> None:
        """It and all that belongs to it; whoever looks afterwards may still see it end."""
        body = {"propagationPolicy": "Foreground"}
        try:
            self._asked(lambda client: _resource(client, item).delete(**_named(item), body=body))
        except LookupError:
            return

    def obstacle(self, item: Object) -> Obstacle | None:
        from rollout_kit.transport import pod_reasons
        from rollout_kit.transport.cluster_workloads import cluster_workloads
        from rollout_kit.transport.workloads import WorkloadRef

        if self._workloads is None:
            kubeconfig = Path(self._kubeconfig) if self._kubeconfig else None
            self._workloads, _ = cluster_workloads(
                kubeconfig=kubeconfig, context=self._context, environment=os.environ
            )
        facts = item.facts
        namespace = facts.get("namespace", "default")
        ref = WorkloadRef(namespace=namespace, kind=facts["kind"], name=facts["name"])
        found = pod_reasons.of_workload(self._workloads.read(ref))
        return None if found is None else Obstacle(text=found.text, for_good=found.cannot_start)

    def _asked(self, act: Callable[[Any], object]) -> None:
        """Raises LookupError: there is no such object, or no such kind."""
        from kubernetes.client.exceptions import ApiException
        from kubernetes.config import ConfigException
        from kubernetes.dynamic.exceptions import (
            DynamicApiError,
            NotFoundError,
            ResourceNotFoundError,
        )
        from urllib3.exceptions import HTTPError

        try:
            act(self._dynamic())
        except (NotFoundError, ResourceNotFoundError) as error:
            raise LookupError from error
        except (ApiException, DynamicApiError, ConfigException) as error:
            raise Refused(
                f"the Kubernetes cluster does not tell: {' '.join(str(error).split())[:200]}",
                why="Whether an interrupted update has made an object can be seen there alone.",
                hint="Give whoever runs this the right to read and delete what the program makes.",
                trouble=Trouble.AUTH,
            ) from None
        except (HTTPError, OSError) as error:
            raise Unavailable(
                f"the Kubernetes cluster does not answer: {error}",
                why="Whether an interrupted update has made an object can be seen there alone.",
                hint="Look at kubeconfig and context, and whether the API server is up.",
            ) from None

    def _dynamic(self) -> Any:
        if self._client is None:
            from kubernetes import config
            from kubernetes.dynamic import DynamicClient

            client: Any = config.new_client_from_config
            dynamic: Any = DynamicClient
            self._client = dynamic(
                client(config_file=self._kubeconfig or None, context=self._context or None)
            )
        return self._client


def _resource(client: Any, item: Object) -> Any:
    return client.resources.get(api_version=item.facts["apiVersion"], kind=item.facts["kind"])


def _named(item: Object) -> dict[str, object]:
    return {
        "name": item.facts["name"],
        "namespace": item.facts.get("namespace") or None,
        "_request_timeout": _REQUEST_S,
    }

"""What a Kubernetes API server, or the way to it, said no with: errors of the outside world."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rollout_kit.ports.errors import (
    Conflict,
    Incompatible,
    OutsideError,
    Refused,
    Trouble,
    Unavailable,
)
from rollout_kit.transport import faults
from rollout_kit.transport.errors import Transient
from rollout_kit.transport.faults import There
from rollout_kit.transport.messages import Request
from rollout_kit.transport.network import BODY_LIMIT_BYTES

if TYPE_CHECKING:
    from urllib3.exceptions import HTTPError

NOT_YET = ("does not have a host assigned", "address not allowed")
"""What the API server says, with status 400, of a pod that is made and runs nowhere yet."""
ROLE = "docs/drivers.md, section kubernetes, has the Role that is needed"


def no_library() -> OutsideError:
    return Refused(
        "the Kubernetes client library is not installed",
        why="The plan names things on a cluster, and nothing else can look at them.",
        hint="pip install 'rollout-kit[kubernetes]'",
    )


def no_credentials(error: Exception, place: str) -> OutsideError:
    """The kubeconfig cannot be used: missing, without that context, or its plugin failed."""
    said = " ".join(str(error).split())[:300] or type(error).__name__
    return Refused(
        f"no way to the cluster by {place}: {said}",
        why="It says where the cluster is and who we are to it.",
        hint="name a kubeconfig (KUBECONFIG, infra.kubernetes) with which `kubectl get pods` works",
        trouble=Trouble.AUTH,
    )


def too_large(request: Request) -> OutsideError:
    return Incompatible(
        f"{request.label}: the answer is larger than {BODY_LIMIT_BYTES // 2**20} MiB",
        hint="look what else lives in this namespace",
        trouble=Trouble.INCOMPATIBLE,
    )


def _there(cluster: str) -> There:
    return There(
        name=cluster,
        vouches="the kubeconfig's certificate-authority is that of another one",
        certificate="take the kubeconfig from the cluster again",
        tls="is the server of the kubeconfig the address of an API server?",
        address="check the server of the kubeconfig, DNS and VPN",
        port="does its API server run, and is this its port?",
        network="check the server of the kubeconfig, firewall and VPN",
        proxy="check HTTPS_PROXY, NO_PROXY and the proxy-url of the kubeconfig",
        stopped="the pod was stopped in the middle, or the network between here and there is bad",
    )


def explain(error: HTTPError, request: Request, cluster: str) -> OutsideError:
    """What the library raised; it carries headers, and none of it is kept."""
    from urllib3 import exceptions

    there = _there(cluster)
    match error:
        case exceptions.ProxyError():
            return faults.no_way_through(there, _said_by_proxy(error))
        case _ if (found := faults.by_cause(error, there)) is not None:
            return found
        case exceptions.ConnectTimeoutError():
            return faults.silent(there)
        case exceptions.TimeoutError():
            return Unavailable(
                f"{cluster} gave no answer to {request.label} within {request.timeout_s:g} s",
                why=faults.outcome(request),
                hint="is the API server overloaded, or the pod behind it frozen?",
                trouble=Trouble.TIMEOUT,
            )
        case exceptions.NewConnectionError():
            return faults.no_connection(there)
        case _:
            return _broken_off(request, there)


def explain_websocket(error: Exception, request: Request, cluster: str) -> OutsideError:
    """Why no port-forward came about."""
    from websocket import WebSocketBadStatusException, WebSocketTimeoutException

    there = _there(cluster)
    match error:
        case WebSocketBadStatusException():
            body = error.resp_body or b""
            text = body if isinstance(body, bytes) else str(body).encode()
            what = "a port-forward to the pod (get and create pods/portforward)"
            return refusal(error.status_code, _status(text), what, cluster)
        case WebSocketTimeoutException() | TimeoutError():
            return faults.silent(there)
        case _:
            return faults.by_cause(error, there) or _broken_off(request, there)


def _broken_off(request: Request, there: There) -> OutsideError:
    return faults.broken_off(request, there, f"the connection through {there.name} broke off")


def _said_by_proxy(error: Exception) -> str:
    """Its status, which is all that both libraries pass on; no address: it may hold a password."""
    found = re.search(r"\b[45]\d\d\b", str(error))
    return f"HTTP {found[0]}" if found else "it does not answer, or is none"


def refusal(status: int, said: Mapping[str, Any], what: str, cluster: str) -> OutsideError:
    """An answer of the API server itself that is no success. `said`: its `Status` object."""
    message = str(said.get("message") or f"HTTP {status}")[:400].rstrip(".: ")
    match status:
        case 400 if any(text in message for text in NOT_YET):
            return Transient(
                f"{cluster} has no way to the pod yet: {message}",
                why="Nothing was sent: the pod was replaced a moment ago, and waits for a machine.",
                hint="`kubectl get pods` shows what keeps it, should it last",
                trouble=Trouble.NETWORK,
            )
        case 401:
            return Refused(
                f"{cluster} does not accept our credentials",
                why="HTTP 401: the token or certificate shown is expired, or for another cluster.",
                hint="log in to the cluster again; `kubectl auth whoami` tries it",
                trouble=Trouble.AUTH,
            )
        case 403 if "exceeded quota" in message:
            return Refused(f"{cluster} refuses {what}: {message}", hint="raise the quota")
        case 403:
            return Refused(
                f"{cluster} does not allow us {what}: {message}",
                why="HTTP 403: the account is known and has no such right.",
                hint=ROLE,
                trouble=Trouble.AUTH,
            )
        case 404:
            return Refused(
                f"{cluster} has no such thing: {message}",
                hint="check namespace, kind and name; was it deleted?",
                trouble=Trouble.NOT_FOUND,
            )
        case 409:
            return Conflict(
                f"{cluster}: {message}",
                why="Somebody else changed it in the meantime.",
                hint="look at it before going on",
            )
        case 410 | 429 | 500 | 502 | 503 | 504:
            return Transient(
                f"{cluster} cannot answer for {what} now: {message}",
                hint="see the state of its control plane",
                trouble=Trouble.SERVER,
            )
        case _:
            return Refused(f"{cluster} refuses {what}: {message}")


def own_words(status: int, body: bytes, content_type: str) -> Mapping[str, Any] | None:
    """The `Status` of an answer that the API server gave instead of the pod; None: it is the pod's."""
    if status < 400:
        return None
    said = _status(body)
    if said:
        return said
    if not content_type.startswith("application/json") and body.startswith(
        b"error trying to reach service"
    ):
        return {"message": body.decode(errors="replace").strip()}
    return None


def _status(body: bytes) -> Mapping[str, Any]:
    try:
        said = json.loads(body)
    except ValueError:
        return {}
    known = isinstance(said, dict) and said.get("kind") == "Status"
    return said if known and said.get("apiVersion") == "v1" else {}

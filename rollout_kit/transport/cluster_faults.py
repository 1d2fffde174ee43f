"""What a Kubernetes API server, or the way to it, said no with: errors of the outside world."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from rollout_kit.ports.errors import (
    Conflict,
    Incompatible,
    OutsideError,
    Refused,
    Trouble,
    Unavailable,
)
from rollout_kit.transport.errors import Transient
from rollout_kit.transport.messages import Request
from rollout_kit.transport.network import BODY_LIMIT_BYTES

if TYPE_CHECKING:
    from urllib3.exceptions import HTTPError

ROLE = "docs/drivers.md, section kubernetes, has the Role that is needed"
_NOTHING_SENT = "Nothing was sent."
_UNKNOWN = "Whether the request took effect is not known."


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
        why="The kubeconfig says where the cluster is and who we are to it.",
        hint="try the same with `kubectl --kubeconfig … --context … get pods`",
        trouble=Trouble.AUTH,
    )


def too_large(request: Request) -> OutsideError:
    return Incompatible(
        f"{request.label}: the answer is larger than {BODY_LIMIT_BYTES // 2**20} MiB",
        hint="look what else lives in this namespace",
        trouble=Trouble.INCOMPATIBLE,
    )


def explain(error: HTTPError, request: Request, cluster: str) -> OutsideError:
    """What the library raised; it carries headers, and none of it is kept."""
    from urllib3 import exceptions

    found = _by_cause(error, cluster)
    if found is not None:
        return found
    match error:
        case exceptions.ConnectTimeoutError():
            return _silent(cluster)
        case exceptions.TimeoutError():
            return Unavailable(
                f"{cluster} gave no answer to {request.label} within {request.timeout_s:g} s",
                why="" if request.method == "GET" else _UNKNOWN,
                hint="is the API server overloaded, or the pod behind it frozen?",
                trouble=Trouble.TIMEOUT,
            )
        case exceptions.NewConnectionError() | exceptions.ProxyError():
            return Transient(
                f"no connection to {cluster}",
                why=_NOTHING_SENT,
                hint="check the network, VPN and proxy between here and its API server",
            )
        case _:
            return _broken_off(request, cluster)


def explain_websocket(error: Exception, request: Request, cluster: str) -> OutsideError:
    """Why no port-forward came about."""
    from websocket import WebSocketBadStatusException

    if isinstance(error, WebSocketBadStatusException):
        body = error.resp_body or b""
        text = body if isinstance(body, bytes) else str(body).encode()
        what = "a port-forward to the pod (get and create pods/portforward)"
        return refusal(error.status_code, _status(text), what, cluster)
    return _by_cause(error, cluster) or _broken_off(request, cluster)


def refusal(status: int, said: Mapping[str, Any], what: str, cluster: str) -> OutsideError:
    """An answer of the API server itself that is no success. `said`: its `Status` object."""
    message = str(said.get("message") or f"HTTP {status}")[:400].rstrip(".: ")
    match status:
        case 401:
            return Refused(
                f"{cluster} does not accept our credentials",
                why="HTTP 401: the token or certificate of the kubeconfig is expired or not its own.",
                hint="log in to the cluster again, then `kubectl auth whoami`",
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


def _by_cause(error: BaseException, cluster: str) -> OutsideError | None:
    for cause in _chain(error):
        match cause:
            case ssl.SSLCertVerificationError():
                return Unavailable(
                    f"the certificate of {cluster} is not trusted: {cause.verify_message}",
                    why="Nobody knows who would receive our credentials; nothing was sent.",
                    hint="the kubeconfig's certificate-authority is that of another cluster",
                    trouble=Trouble.NETWORK,
                )
            case ssl.SSLError():
                reason = (cause.reason or "handshake failed").replace("_", " ").lower()
                return Unavailable(
                    f"no TLS connection to {cluster}: {reason}",
                    hint="is this the address of an API server?",
                    trouble=Trouble.NETWORK,
                )
            case socket.gaierror():
                return Unavailable(
                    f"the address of {cluster} does not resolve",
                    why=_NOTHING_SENT,
                    hint="check the server of the kubeconfig, DNS and VPN",
                    trouble=Trouble.NETWORK,
                )
            case ConnectionRefusedError():
                return Unavailable(
                    f"{cluster} refused the connection",
                    why=_NOTHING_SENT,
                    hint="does its API server run, and is this its port?",
                    trouble=Trouble.NETWORK,
                )
    return None


def _silent(cluster: str) -> OutsideError:
    return Unavailable(
        f"{cluster} did not accept a connection in time",
        why=_NOTHING_SENT,
        hint="check the address of the kubeconfig, firewall and VPN",
        trouble=Trouble.TIMEOUT,
    )


def _broken_off(request: Request, cluster: str) -> OutsideError:
    return Transient(
        f"{request.label}: the connection through {cluster} broke off",
        why="" if request.method == "GET" else _UNKNOWN,
        hint="the pod was stopped in the middle, or the network between here and there is bad",
    )


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    for _ in range(8):
        if seen is None:
            return
        yield seen
        reason = getattr(seen, "reason", None)
        seen = reason if isinstance(reason, BaseException) else seen.__cause__ or seen.__context__

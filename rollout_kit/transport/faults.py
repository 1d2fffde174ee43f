"""Why there was no answer at all: exceptions of the wire as errors of the outside world."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rollout_kit.ports.errors import OutsideError, Trouble, Unavailable
from rollout_kit.transport.errors import Transient
from rollout_kit.transport.messages import Request, origin, shown_url

if TYPE_CHECKING:
    import httpx

_UNKNOWN_OUTCOME = "Whether the request took effect is not known."


def explain(error: httpx.HTTPError | httpx.InvalidURL, request: Request) -> OutsideError:
    """The error to raise for what httpx raised. It carries nothing of the original."""
    import httpx

    for cause in _chain(error):
        match cause:
            case ssl.SSLCertVerificationError():
                return _bad_certificate(cause, request)
            case ssl.SSLError():
                return _no_tls(cause, request)
            case socket.gaierror():
                return _unknown_host(cause, request)
            case ConnectionRefusedError():
                return _refused(request)
    match error:
        case httpx.ConnectTimeout() | httpx.PoolTimeout():
            return _no_connection_in_time(request)
        case httpx.TimeoutException():
            return timed_out(request)
        case httpx.ProxyError():
            return Unavailable(
                f"the proxy between here and {origin(request.url)} refused the request",
                why=_why(request),
                hint="check HTTPS_PROXY, HTTP_PROXY and NO_PROXY",
                trouble=Trouble.NETWORK,
            )
        case httpx.DecodingError():
            return Unavailable(
                f"{request.label}: the body does not decompress as its Content-Encoding says",
                why=_why(request),
                hint="look for a proxy that changes bodies",
                trouble=Trouble.INCOMPATIBLE,
            )
        case httpx.InvalidURL() | httpx.UnsupportedProtocol():
            return Unavailable(
                f"{shown_url(request.url)} is not an HTTP address",
                hint="an address reads http://host:port or https://host",
                trouble=Trouble.NETWORK,
            )
        case httpx.RemoteProtocolError():
            return _broken_off(request)
        case httpx.ConnectError():
            return _unreachable(request)
        case _:
            return _reset(request)


def timed_out(request: Request) -> OutsideError:
    """No answer within the time of the request."""
    return Unavailable(
        f"{request.label} gave no answer within {request.timeout_s:g} s",
        why=_why(request),
        hint="the node is overloaded, frozen, or held by long polls; look at its log",
        trouble=Trouble.TIMEOUT,
    )


def no_trust(error: OSError) -> OutsideError:
    """The CAs that would vouch for a server cannot be read."""
    named = next((name for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if os.environ.get(name)), "")
    where = f"{named} names {os.environ[named]}" if named else "the public CAs cannot be used"
    said = "there is no certificate in it" if isinstance(error, ssl.SSLError) else error.strerror
    return Unavailable(
        f"{where}: {said}",
        why="Without it no server's certificate can be trusted; nothing was sent.",
        hint=f"let {named or 'SSL_CERT_FILE'} name a PEM file of the CA that signed them",
        trouble=Trouble.NETWORK,
    )


def _why(request: Request) -> str:
    return "" if request.method == "GET" else _UNKNOWN_OUTCOME


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    for _ in range(8):
        if seen is None:
            return
        yield seen
        seen = seen.__cause__ or seen.__context__


def _bad_certificate(cause: ssl.SSLCertVerificationError, request: Request) -> OutsideError:
    return Unavailable(
        f"the TLS certificate of {origin(request.url)} is not trusted: {cause.verify_message}"
        " (SSL_CERT_FILE can name the CA that signed it)",
        why="Without it nobody knows who would receive the token; nothing was sent.",
        hint="set SSL_CERT_FILE to a PEM file of that CA, or correct the host name",
        trouble=Trouble.NETWORK,
    )


def _no_tls(cause: ssl.SSLError, request: Request) -> OutsideError:
    reason = (cause.reason or "handshake failed").replace("_", " ").lower()
    return Unavailable(
        f"no TLS connection to {origin(request.url)}: {reason}",
        why="Nothing was sent.",
        hint="does this port speak https? an http server answers like this",
        trouble=Trouble.NETWORK,
    )


def _unknown_host(cause: socket.gaierror, request: Request) -> OutsideError:
    said = cause.strerror or "it does not resolve"
    return Unavailable(
        f"the host of {origin(request.url)} has no address: {said}",
        why="Nothing was sent.",
        hint="check the spelling of the address, and the DNS of this machine",
        trouble=Trouble.NETWORK,
    )


def _refused(request: Request) -> OutsideError:
    return Unavailable(
        f"{origin(request.url)} refused the connection",
        why="Nothing listens there; nothing was sent.",
        hint="is the process running, and is this its port?",
        trouble=Trouble.NETWORK,
    )


def _unreachable(request: Request) -> OutsideError:
    return Transient(
        f"no connection to {origin(request.url)}",
        why="Nothing was sent.",
        hint="check the network between here and there",
    )


def _no_connection_in_time(request: Request) -> OutsideError:
    return Unavailable(
        f"{origin(request.url)} did not accept a connection in time",
        why="Nothing was sent.",
        hint="check address, firewall and VPN",
        trouble=Trouble.TIMEOUT,
    )


def _broken_off(request: Request) -> OutsideError:
    return Transient(
        f"{request.label}: the answer broke off, or is not HTTP",
        why=_why(request),
        hint="the node was stopped in the middle, or something else listens on this port",
    )


def _reset(request: Request) -> OutsideError:
    return Transient(
        f"{request.label}: the connection was reset before the answer was there",
        why=_why(request),
        hint="the node was stopped or restarted in the middle",
    )

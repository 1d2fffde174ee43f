"""Why there was no answer at all: exceptions of the wire as errors of the outside world.

Whatever the library that raised them, the causes are the same; `There` says whom they are about.
"""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rollout_kit.ports.errors import OutsideError, Trouble, Unavailable
from rollout_kit.transport.errors import Transient
from rollout_kit.transport.messages import Request, origin, shown_url

if TYPE_CHECKING:
    import httpx

NOTHING_SENT = "Nothing was sent."
_UNKNOWN_OUTCOME = "Whether the request took effect is not known."


@dataclass(frozen=True, slots=True, kw_only=True)
class There:
    """Whom a request goes to, as messages call it, and what to look at for each way to fail."""

    name: str
    vouches: str
    certificate: str
    tls: str
    address: str
    port: str
    network: str
    proxy: str
    stopped: str


def _node(request: Request) -> There:
    return There(
        name=origin(request.url),
        vouches="SSL_CERT_FILE can name the CA that signed it",
        certificate="set SSL_CERT_FILE to a PEM file of that CA, or correct the host name",
        tls="does this port speak https? an http server answers like this",
        address="check the spelling of the address, and the DNS of this machine",
        port="is the process running, and is this its port?",
        network="check address, firewall and VPN",
        proxy="check HTTPS_PROXY, HTTP_PROXY and NO_PROXY",
        stopped="the node was stopped in the middle, or something else listens on this port",
    )


def explain(error: httpx.HTTPError | httpx.InvalidURL, request: Request) -> OutsideError:
    """The error to raise for what httpx raised. It carries nothing of the original."""
    import httpx

    there = _node(request)
    found = by_cause(error, there)
    if found is not None:
        return found
    match error:
        case httpx.ConnectTimeout() | httpx.PoolTimeout():
            return silent(there)
        case httpx.TimeoutException():
            return timed_out(request)
        case httpx.ProxyError():
            return no_way_through(there, "")
        case httpx.DecodingError():
            return Unavailable(
                f"{request.label}: the body does not decompress as its Content-Encoding says",
                why=outcome(request),
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
            return broken_off(request, there, "the answer broke off, or is not HTTP")
        case httpx.ConnectError():
            return no_connection(there)
        case _:
            said = "the connection was reset before the answer was there"
            return broken_off(request, there, said)


def by_cause(error: BaseException, there: There) -> OutsideError | None:
    """The error for what lies at the bottom of this one, where that is known."""
    for cause in _chain(error):
        match cause:
            case ssl.SSLCertVerificationError():
                return Unavailable(
                    f"the TLS certificate of {there.name} is not trusted: {cause.verify_message}"
                    f" ({there.vouches})",
                    why="Without it nobody knows who would receive the token; nothing was sent.",
                    hint=there.certificate,
                    trouble=Trouble.NETWORK,
                )
            case ssl.SSLError():
                reason = (cause.reason or "handshake failed").replace("_", " ").lower()
                return _nobody(f"no TLS connection to {there.name}: {reason}", there.tls)
            case socket.gaierror():
                said = cause.strerror or "it does not resolve"
                return _nobody(f"the host of {there.name} has no address: {said}", there.address)
            case ConnectionRefusedError():
                return _nobody(f"{there.name} refused the connection", there.port)
    return None


def silent(there: There) -> OutsideError:
    """No connection in time."""
    return Unavailable(
        f"{there.name} did not accept a connection in time",
        why=NOTHING_SENT,
        hint=there.network,
        trouble=Trouble.TIMEOUT,
    )


def no_connection(there: There) -> OutsideError:
    """Something between here and there, which may be over soon."""
    return Transient(
        f"no connection to {there.name}",
        why=NOTHING_SENT,
        hint="check the network between here and there",
    )


def no_way_through(there: There, said: str) -> OutsideError:
    """The proxy does not let us through. `said`: what it said."""
    return _nobody(
        f"the proxy between here and {there.name} refused the request{said and ': '}{said}",
        there.proxy,
    )


def broken_off(request: Request, there: There, how: str) -> OutsideError:
    """There was a connection, and no answer over it."""
    return Transient(f"{request.label}: {how}", why=outcome(request), hint=there.stopped)


def timed_out(request: Request) -> OutsideError:
    """No answer within the time of the request."""
    return Unavailable(
        f"{request.label} gave no answer within {request.timeout_s:g} s",
        why=outcome(request),
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


def outcome(request: Request) -> str:
    """What is not known once a request may have been sent; of a read it does not matter."""
    return "" if request.method == "GET" else _UNKNOWN_OUTCOME


def _nobody(message: str, hint: str) -> OutsideError:
    return Unavailable(message, why=NOTHING_SENT, hint=hint, trouble=Trouble.NETWORK)


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    for _ in range(8):
        if seen is None:
            return
        yield seen
        reason = getattr(seen, "reason", None)  # urllib3 keeps a cause there
        seen = reason if isinstance(reason, BaseException) else seen.__cause__ or seen.__context__

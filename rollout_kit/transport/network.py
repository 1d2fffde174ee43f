"""The exchange over real connections: httpx, TLS verified, no redirect followed, no cookie kept."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.request import getproxies

import rollout_kit
from rollout_kit.ports.errors import Incompatible, OutsideError, Refused, Trouble
from rollout_kit.transport import faults
from rollout_kit.transport.messages import Request, Response
from rollout_kit.transport.secret import Secret

if TYPE_CHECKING:
    import ssl

    import httpx

BODY_LIMIT_BYTES = 8 * 1024 * 1024
CONNECT_TIMEOUT_S = 3.0
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


class NetworkExchange:
    """An `Exchange`. Safe to call from several threads; `close` it when done.

    Proxies and CA files of the environment are honoured, except for loopback addresses, which are
    never asked of a proxy.

    Args:
        trust: the TLS context; by default the public CAs, or those of SSL_CERT_FILE.
    """

    def __init__(
        self,
        *,
        trust: ssl.SSLContext | None = None,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._trust = trust
        self._monotonic_s = monotonic_s
        self._guard = threading.Lock()
        self._behind_proxy = bool(getproxies())
        self._proxied: httpx.Client | None = None
        self._direct: dict[bool, httpx.HTTPTransport] = {}

    def __call__(self, request: Request) -> Response:
        """Send once.

        Raises:
            OutsideError: there is no answer, or none that fits into 8 MiB.
        """
        import httpx

        headers = plain_headers(request)
        try:
            return self._send(request, headers)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            failure: OutsideError = faults.explain(error, request)
        # Raised outside of `except`: what httpx raised carries the request with its headers.
        raise failure

    def close(self) -> None:
        with self._guard:
            for transport in self._direct.values():
                transport.close()
            self._direct.clear()
            if self._proxied is not None:
                self._proxied.close()
                self._proxied = None

    def _send(self, request: Request, headers: dict[str, str]) -> Response:
        import httpx

        deadline_s = self._monotonic_s() + request.timeout_s
        timeout = httpx.Timeout(
            request.timeout_s, connect=min(CONNECT_TIMEOUT_S, request.timeout_s)
        )
        prepared = httpx.Request(
            request.method,
            _parsed(request.url),
            headers={**_own_headers(), **headers},
            content=request.body or None,
            extensions={"timeout": timeout.as_dict()},
        )
        with closing(self._answered(prepared)) as answer:
            answer.request = prepared  # what a body that does not decompress is blamed on
            body = bytearray()
            for chunk in answer.iter_bytes():
                body += chunk
                if len(body) > BODY_LIMIT_BYTES:
                    raise _too_large(request)
                if self._monotonic_s() > deadline_s:
                    raise faults.timed_out(request)
            return Response(
                status=answer.status_code,
                headers={name.lower(): value for name, value in answer.headers.items()},
                body=bytes(body),
            )

    def _answered(self, request: httpx.Request) -> httpx.Response:
        """The answer without its body. A client, which finds proxies, costs as much as all the rest."""
        if request.url.userinfo or self._behind_proxy:
            return self._client().send(request, stream=True)
        return self._transport(secure=request.url.scheme != "http").handle_request(request)

    def _client(self) -> httpx.Client:
        import httpx

        with self._guard:
            if self._proxied is None:
                with _telling_what_trust_lacks():
                    self._proxied = httpx.Client(
                        verify=self._trust or True,
                        mounts={f"all://{host}": None for host in _LOOPBACK},
                    )
            return self._proxied

    def _transport(self, *, secure: bool) -> httpx.HTTPTransport:
        """Reading the public CAs takes long: only where TLS may be asked for."""
        import httpx

        with self._guard:
            if secure not in self._direct:
                with _telling_what_trust_lacks():
                    trust = self._trust or (True if secure else _nobody())
                    self._direct[secure] = httpx.HTTPTransport(verify=trust)
            return self._direct[secure]


@contextmanager
def _telling_what_trust_lacks() -> Iterator[None]:
    try:
        yield
    except OSError as error:  # the file of CAs cannot be read, or holds none
        failure: OutsideError = faults.no_trust(error)
        raise failure from None


@lru_cache(maxsize=256)
def _parsed(url: str) -> httpx.URL:
    """Raises httpx.InvalidURL."""
    import httpx

    return httpx.URL(url)


def _own_headers() -> dict[str, str]:
    return {
        "User-Agent": f"rollout-kit/{rollout_kit.__version__}",
        "Accept-Encoding": "gzip, deflate",
    }


def _nobody() -> ssl.SSLContext:
    """Verifies, and trusts nobody: TLS where none was expected fails."""
    import ssl

    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def plain_headers(request: Request) -> dict[str, str]:
    """Reveal the secrets; one that no header can hold is refused before a library prints it."""
    plain: dict[str, str] = {}
    for name, value in request.headers.items():
        text = value.reveal() if isinstance(value, Secret) else value
        odd = next((n for n, char in enumerate(text) if not " " <= char <= "~"), None)
        if odd is not None or text != text.strip():
            where = "at its ends" if odd is None else f"at position {odd + 1} of {len(text)}"
            raise Refused(
                f"the value of the header {name} cannot be sent: a character {where} "
                "is not allowed in a header",
                why="Most often a line end or a space was copied along with a token.",
                hint=f"look at the variable that holds the {request.credential or name} value",
                trouble=Trouble.AUTH if isinstance(value, Secret) else Trouble.OTHER,
            )
        plain[name] = text
    return plain


def _too_large(request: Request) -> OutsideError:
    return Incompatible(
        f"{request.label}: the answer is larger than {BODY_LIMIT_BYTES // 2**20} MiB",
        why="No answer of this server is; reading on would only fill the memory.",
        hint="check that the address is that of the workflow server",
        trouble=Trouble.INCOMPATIBLE,
    )

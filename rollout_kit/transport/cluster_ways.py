"""The way to an API server, the same for requests and for port-forwards: which proxy, whose trust.

The Kubernetes library leaves gaps between the two: it judges NO_PROXY differently for each, asks a
proxy of the environment for loopback, too, forgets the name and password in a proxy's address, and
opens websockets without any time limit.
"""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies

if TYPE_CHECKING:
    import socket

    from kubernetes.client import Configuration
    from websocket import WebSocket


def settle_proxy(configuration: Configuration) -> None:
    """Decide whether a proxy is asked: a kubeconfig's always, the environment's where it should be.

    That is not where NO_PROXY names the server, nor where the server is this machine.

    Raises:
        ValueError: it is a proxy of a kind that port-forwards cannot go through.
    """
    from kubernetes.client.rest import should_bypass_proxies
    from urllib3.util import make_headers

    host = configuration.host
    around = should_bypass_proxies(host, configuration.no_proxy or "") or _is_here(host)
    if around and configuration.proxy == _of_environment(host):
        configuration.proxy = None
    configuration.no_proxy = None
    if not configuration.proxy:
        return
    if "://" not in configuration.proxy:
        configuration.proxy = f"http://{configuration.proxy}"
    proxy = urlsplit(configuration.proxy)
    if proxy.scheme != "http":
        raise ValueError(
            f"its proxy {proxy.scheme}://{proxy.hostname} is of a kind that port-forwards "
            "cannot go through; name one with http://"
        )
    if proxy.username is not None:
        login = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
        configuration.proxy_headers = make_headers(proxy_basic_auth=login)


def open_websocket(
    configuration: Configuration,
    path: str,
    headers: Mapping[str, str],
    protocol: str,
    timeout_s: float,
) -> WebSocket:
    """Connect and shake hands; no single step of it may take longer than `timeout_s`.

    Raises:
        urllib3.exceptions.ProxyError: the proxy does not let us through.
        OSError, HTTPException, WebSocketException: there is no connection, or no websocket.
    """
    from websocket import WebSocket

    server = urlsplit(configuration.host)
    secure = server.scheme == "https"
    connection = _connected(
        configuration, server.hostname or "", _port(server.port, secure), timeout_s
    )
    try:
        if secure:
            name = configuration.tls_server_name or server.hostname
            connection = _trust(configuration).wrap_socket(connection, server_hostname=name)
        websocket: WebSocket = WebSocket()
        websocket.connect(
            f"{'wss' if secure else 'ws'}://{server.netloc}{server.path}{path}",
            socket=connection,
            header=dict(headers),
            subprotocols=[protocol],
            timeout=timeout_s,
        )
    except BaseException:
        connection.close()
        raise
    return websocket


def _connected(
    configuration: Configuration, host: str, port: int, timeout_s: float
) -> socket.socket:
    from urllib3.exceptions import ProxyError

    if not configuration.proxy:
        direct = HTTPConnection(host, port, timeout=timeout_s)
        direct.connect()
        return direct.sock
    proxy = urlsplit(configuration.proxy)
    through = HTTPConnection(proxy.hostname or "", proxy.port or 80, timeout=timeout_s)
    through.set_tunnel(host, port, configuration.proxy_headers)
    try:
        through.connect()
    except (OSError, HTTPException) as error:
        through.close()
        raise ProxyError(str(error), error) from None
    return through.sock


def _port(given: int | None, secure: bool) -> int:
    return given or (443 if secure else 80)


def _trust(configuration: Configuration) -> ssl.SSLContext:
    """As the library has it for requests."""
    from urllib3.util.ssl_ import create_urllib3_context

    verify = ssl.CERT_REQUIRED if configuration.verify_ssl else ssl.CERT_NONE
    context = create_urllib3_context(cert_reqs=verify)
    if configuration.ssl_ca_cert or configuration.ca_cert_data:
        context.load_verify_locations(configuration.ssl_ca_cert, cadata=configuration.ca_cert_data)
    else:
        context.load_default_certs()
    if configuration.cert_file:
        context.load_cert_chain(configuration.cert_file, configuration.key_file)
    return context


def _of_environment(host: str) -> str | None:
    proxies = getproxies()
    return proxies.get(urlsplit(host).scheme) or proxies.get("all")


def _is_here(host: str) -> bool:
    name = urlsplit(host).hostname or ""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"

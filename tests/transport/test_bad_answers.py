"""Whatever a server can answer, in one table: the error it is, its trouble, and the words in it."""

from __future__ import annotations

import gzip
import socket
import ssl
from collections.abc import Iterator

import pytest

from rollout_kit.ports.errors import (
    Conflict,
    Incompatible,
    OutsideError,
    Refused,
    Trouble,
    Unavailable,
)
from rollout_kit.sandbox.free_ports import free_ports
from rollout_kit.transport.client import JsonClient, Patience, Reply, Terms
from rollout_kit.transport.flights import InlineFlights
from rollout_kit.transport.messages import Request
from rollout_kit.transport.network import NetworkExchange
from rollout_kit.transport.secret import Secret
from tests.transport.misbehaving import (
    TLS,
    Behaviour,
    raw,
    resets,
    says,
    serving,
)

TOKEN = "canary-5f0c1e"
HTML = b"<!DOCTYPE html>\n<html><body>Sign in</body></html>"
OBJECT = b'{"message": "Server Error"}'


def json(reason: str, message: str = "No.", more: str = "") -> bytes:
    return f'{{"message": "{message}", "reason": "{reason}"{more}}}'.encode()


def answer(status: str, body: bytes = OBJECT, headers: str = "") -> Behaviour:
    return says(status, body, headers=headers)


FORBIDDEN = json("forbidden", more=', "role": "operator", "allowed_roles": ["admin"]')
FIELDS = json("validation_failed", more=', "errors": {"build_id": ["must be a string."]}')
VERSION = json(
    "unsupported_control_plane_version",
    more=', "supported_version": "3", "requested_version": "2"',
)
NAMESPACE = json("namespace_not_found", more=', "namespace": "ordres"')
ROLES = json("topology_role_unavailable", more=', "missing_roles": ["control_plane"]')
RETRY = "Retry-After: 7\r\n"
DATED = "Date: Sat, 21 Nov 2026 10:00:00 GMT\r\nRetry-After: Sat, 21 Nov 2026 10:00:09 GMT\r\n"
NETWORK, AUTH, MISSING, SERVER, TIMEOUT, FOREIGN, OTHER = (
    Trouble.NETWORK,
    Trouble.AUTH,
    Trouble.NOT_FOUND,
    Trouble.SERVER,
    Trouble.TIMEOUT,
    Trouble.INCOMPATIBLE,
    Trouble.OTHER,
)

# what the server does -> class of error to a read, its trouble, words that must appear
BAD_ANSWERS: dict[str, tuple[Behaviour, type[OutsideError], Trouble, tuple[str, ...]]] = {
    "resets the connection": (resets, Unavailable, NETWORK, ("reset",)),
    "closes without a word": (lambda _: None, Unavailable, NETWORK, ("broke off", "not HTTP")),
    "speaks another protocol": (raw(b"SSH-2.0-OpenSSH_9.2\r\n"), Unavailable, NETWORK, ("HTTP",)),
    "cuts the body short": (says(body=b'{"a": 1', length=90), Unavailable, NETWORK, ("broke off",)),
    "truncates the JSON": (says(body=b'{"a": [1, 2'), Unavailable, NETWORK, ("11 bytes",)),
    "truncates inside a word": (says(body=b'{"a": tru'), Unavailable, NETWORK, ("mid JSON",)),
    "sends nothing": (says(body=b""), Unavailable, NETWORK, ("HTTP 200", "empty body")),
    "sends a page": (says(body=HTML), Unavailable, FOREIGN, ("HTML page", "JSON was due")),
    "doubles the body": (says(body=OBJECT * 2), Unavailable, FOREIGN, ("two JSON documents",)),
    "sends text": (
        says(body=b"pong", content_type="text/plain"),
        Unavailable,
        FOREIGN,
        ("text/plain", "'pong'"),
    ),
    "sends bytes": (says(body=b"\xff\xfe\x00"), Unavailable, FOREIGN, ("not UTF-8",)),
    "sends NaN": (says(body=b'{"a": NaN}'), Unavailable, FOREIGN, ("not JSON",)),
    "lies about gzip": (
        says(body=b'{"a": 1}', headers="Content-Encoding: gzip\r\n"),
        Unavailable,
        FOREIGN,
        ("decompress",),
    ),
    "never stops": (says(body=b" " * 9_000_000), Incompatible, FOREIGN, ("larger than 8 MiB",)),
    "packs 9 MB into 9 KB": (
        says(body=gzip.compress(b" " * 9_000_000), headers="Content-Encoding: gzip\r\n"),
        Incompatible,
        FOREIGN,
        ("larger than 8 MiB",),
    ),
    "301": (answer("301 Moved", b"", "Location: https://sso/x?t=1\r\n"), Incompatible, FOREIGN,
            ("redirect to https://sso", "token would go")),
    "204": (answer("204 No Content", b""), Unavailable, FOREIGN, ("HTTP 204",)),
    "400 for its version": (answer("400 Bad", VERSION), Incompatible, FOREIGN,
                            ("supported 3", "requested 2")),
    "400": (answer("400 Bad", json("malformed_json")), Refused, OTHER, ("malformed_json",)),
    "401": (answer("401 No", json("unauthorized")), Refused, AUTH,
            ("does not accept the operator token", "credentials.operator")),
    "403": (answer("403 No", FORBIDDEN), Refused, AUTH,
            ("needs the role admin", "has the role operator")),
    "403 by a proxy": (answer("403 No", HTML), Refused, AUTH, ("forbidden", "HTML page")),
    "404": (answer("404 No", json("not_found")), Refused, MISSING, ("HTTP 404", "not_found")),
    "404 for its namespace": (answer("404 No", NAMESPACE), Refused, MISSING,
                              ("no namespace 'ordres'", "target.namespace")),
    "405": (answer("405 No", json("method_not_allowed")), Refused, MISSING, ("HTTP 405",)),
    "408": (answer("408 Timeout"), Unavailable, TIMEOUT, ("HTTP 408",)),
    "409": (answer("409 Conflict", json("task_queue_draining")), Refused, OTHER,
            ("task_queue_draining",)),
    "412": (answer("412 Failed", json("precondition")), Conflict, OTHER, ("Somebody else",)),
    "422": (answer("422 Invalid", FIELDS), Refused, OTHER, ("build_id: must be a string.",)),
    "429": (answer("429 Slow", OBJECT, RETRY), Unavailable, SERVER, ("to wait 7 s",)),
    "500": (answer("500 Error"), Unavailable, SERVER, ("HTTP 500", "Server Error")),
    "500 with a page": (answer("500 Error", HTML), Unavailable, SERVER, ("500", "HTML page")),
    "500 twice in a body": (answer("500 Error", OBJECT * 2), Unavailable, SERVER, ("HTTP 500",)),
    "501": (answer("501 No", json("rust_capability_not_implemented")), Incompatible, FOREIGN,
            ("does not implement", "rust_capability_not_implemented")),
    "502 with a page": (answer("502 Bad Gateway", HTML), Unavailable, SERVER, ("HTTP 502",)),
    "503 until a date": (answer("503 Busy", OBJECT, DATED), Unavailable, SERVER, ("to wait 9 s",)),
    "503 for its role": (answer("503 Busy", ROLES), Unavailable, SERVER,
                         ("missing roles: control_plane",)),
    "504": (answer("504 Timeout", HTML), Unavailable, TIMEOUT, ("HTTP 504",)),
}  # fmt: skip


@pytest.fixture(scope="module")
def exchange() -> Iterator[NetworkExchange]:
    opened = NetworkExchange()
    yield opened
    opened.close()


def client(exchange: NetworkExchange) -> JsonClient:
    patience = Patience(sleep=lambda _: None, jitter=lambda: 0.0)
    return JsonClient(exchange=exchange, flights=InlineFlights(), patience=patience)


def ask(url: str, method: str = "GET", *, timeout_s: float = 5.0) -> Request:
    return Request(
        method=method,
        url=url + "/api/cluster/info",
        headers={"Authorization": Secret(f"Bearer {TOKEN}"), "Accept": "application/json"},
        credential="operator",
        timeout_s=timeout_s,
    )


def failure(exchange: NetworkExchange, request: Request) -> OutsideError:
    asking = client(exchange)
    send = asking.read if request.method == "GET" else asking.write
    with pytest.raises(OutsideError) as caught:
        send(request, lambda reply: reply.body)
    return caught.value


def everything_said(error: BaseException) -> str:
    """The error, its parts, and whatever hangs behind it."""
    parts = [repr(error), str(error), repr(error.args), repr(getattr(error, "__dict__", ""))]
    for behind in (error.__cause__, error.__context__):
        if behind is not None:
            parts.append(everything_said(behind))
    return "\n".join(parts)


@pytest.mark.parametrize("does", BAD_ANSWERS)
def test_a_bad_answer_to_a_read_gets_its_own_sentence(exchange: NetworkExchange, does: str) -> None:
    behaviour, kind, trouble, words = BAD_ANSWERS[does]
    with serving(behaviour) as server:
        error = failure(exchange, ask(server.url))
    assert isinstance(error, kind)
    assert error.trouble is trouble
    said = f"{error.message} {error.why} {error.hint}"
    for word in words:
        assert word in said
    assert TOKEN not in everything_said(error)
    assert str(server.port) in said


UNKNOWN_AFTER_WRITE = {
    "resets the connection": Unavailable,
    "cuts the body short": Unavailable,
    "sends nothing": Unavailable,
    "sends a page": Incompatible,
    "doubles the body": Incompatible,
    "204": Incompatible,
    "500": Unavailable,
}


@pytest.mark.parametrize("does", UNKNOWN_AFTER_WRITE)
def test_a_write_is_sent_once_and_says_that_its_outcome_is_unknown(
    exchange: NetworkExchange, does: str
) -> None:
    with serving(BAD_ANSWERS[does][0]) as server:
        error = failure(exchange, ask(server.url, "POST"))
    assert type(error).__mro__.index(UNKNOWN_AFTER_WRITE[does]) <= 1
    assert "request took effect" in error.why
    assert len(server.requests) == 1


RETRIED = {"500": 3, "resets the connection": 3, "truncates the JSON": 3, "502 with a page": 3}
ASKED_ONCE = {"401": 1, "404": 1, "sends a page": 1, "409": 1, "301": 1, "never stops": 1}


@pytest.mark.parametrize(("does", "times"), [*RETRIED.items(), *ASKED_ONCE.items()])
def test_only_what_may_pass_is_asked_again(
    exchange: NetworkExchange, does: str, times: int
) -> None:
    with serving(BAD_ANSWERS[does][0]) as server:
        failure(exchange, ask(server.url))
    assert len(server.requests) == times


def test_a_refused_connection_names_the_address(exchange: NetworkExchange) -> None:
    (port,) = free_ports(1)
    error = failure(exchange, ask(f"http://127.0.0.1:{port}"))
    assert isinstance(error, Unavailable)
    assert error.trouble is NETWORK
    assert f"http://127.0.0.1:{port} refused the connection" in error.message


def test_an_unknown_host_is_told_apart_from_a_dead_one(
    exchange: NetworkExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_such_name(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", no_such_name)
    error = failure(exchange, ask("http://api-1.invalid:8080"))
    assert error.trouble is NETWORK
    assert "the host of http://api-1.invalid:8080 has no address" in error.message


def test_a_silent_server_is_a_timeout(exchange: NetworkExchange) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        error = failure(exchange, ask(url, timeout_s=0.2))
    assert error.trouble is TIMEOUT
    assert "gave no answer within 0.2 s" in error.message


def test_a_server_that_drips_is_a_timeout_too(exchange: NetworkExchange) -> None:
    def drip(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n")
        connection.settimeout(0.05)
        for _ in range(100):
            connection.sendall(b" ")
            try:
                if not connection.recv(1):
                    return
            except TimeoutError:
                continue

    with serving(drip) as server:
        error = failure(exchange, ask(server.url, timeout_s=0.4))
    assert error.trouble is TIMEOUT


def test_an_untrusted_certificate_is_told_apart(exchange: NetworkExchange) -> None:
    with serving(says(), tls=True) as server:
        error = failure(exchange, ask(server.url))
    assert "certificate" in error.message
    assert "self-signed" in error.message
    assert "SSL_CERT_FILE" in error.hint
    assert server.requests == []


def test_a_certificate_for_another_name_is_refused() -> None:
    trust = ssl.create_default_context(cafile=str(TLS / "server.pem"))
    strict = NetworkExchange(trust=trust)
    with serving(says(), tls=True) as server:
        error = failure(strict, ask(server.url))
    strict.close()
    assert "certificate" in error.message
    assert "127.0.0.1" in error.message
    assert server.requests == []


def test_https_to_a_port_that_speaks_http_says_so(exchange: NetworkExchange) -> None:
    with serving(says()) as server:
        error = failure(exchange, ask(server.url.replace("http", "https")))
    assert error.trouble is NETWORK
    assert "no TLS connection" in error.message
    assert "https" in error.hint


def test_a_trusted_certificate_answers() -> None:
    trust = ssl.create_default_context(cafile=str(TLS / "server.pem"))
    trust.check_hostname = False
    exchange = NetworkExchange(trust=trust)
    with serving(says(body=b'{"a": 1}'), tls=True) as server:
        body: object = client(exchange).read(ask(server.url), lambda reply: reply.body)
    exchange.close()
    assert body == {"a": 1}


def test_gzip_is_asked_for_and_read(exchange: NetworkExchange) -> None:
    packed = gzip.compress(b'{"status": "ready"}')
    with serving(says(body=packed, headers="Content-Encoding: gzip\r\n")) as server:
        body: object = client(exchange).read(ask(server.url), lambda reply: reply.body)
    assert body == {"status": "ready"}
    assert b"gzip" in server.requests[0]
    assert b"user-agent: rollout-kit/" in server.requests[0].lower()


def test_the_token_goes_out_and_nowhere_else(exchange: NetworkExchange) -> None:
    with serving(says()) as server:
        request = ask(server.url)
        client(exchange).read(request, lambda reply: reply.body)
    assert f"Bearer {TOKEN}".encode() in server.requests[0]
    assert TOKEN not in repr(request)
    assert TOKEN not in repr(client(exchange))


@pytest.mark.parametrize("odd", [f"{TOKEN}\n", f"{TOKEN} ", f"{TOKEN}ä", f"{TOKEN}\x00"])
def test_a_token_that_no_header_can_hold_is_refused_without_showing_it(
    exchange: NetworkExchange, odd: str
) -> None:
    request = Request(
        method="GET",
        url=f"http://127.0.0.1:{free_ports(1)[0]}/",
        headers={"Authorization": Secret(odd)},
        credential="admin",
    )
    error = failure(exchange, request)
    assert isinstance(error, Refused)
    assert error.trouble is AUTH
    assert "Authorization" in error.message
    assert TOKEN not in everything_said(error)


@pytest.mark.parametrize(
    "url", ["http://user:canary-5f0c1e@127.0.0.1:1/x?key=canary-5f0c1e", "ftp://h", "http://[::1"]
)
def test_an_address_never_shows_its_password(exchange: NetworkExchange, url: str) -> None:
    error = failure(exchange, Request(method="GET", url=url))
    assert isinstance(error, Unavailable)
    assert TOKEN not in everything_said(error)


def test_a_status_that_the_caller_accepts_is_data(exchange: NetworkExchange) -> None:
    with serving(says("503 Service Unavailable", b'{"status": "not_ready"}')) as server:
        reply: Reply = client(exchange).read(
            ask(server.url), lambda reply: reply, Terms(accept=frozenset({200, 503}))
        )
    assert (reply.status, reply.body) == (503, {"status": "not_ready"})


def test_loopback_is_never_asked_of_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_ports(1)[0]}")
    exchange = NetworkExchange()
    with serving(says(body=b"[1]")) as server:
        assert client(exchange).read(ask(server.url), lambda reply: reply.body) == [1]
    exchange.close()


def test_a_dead_proxy_is_a_network_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    (port,) = free_ports(1)
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{port}")
    exchange = NetworkExchange()
    error = failure(exchange, ask("http://api-1.invalid"))
    exchange.close()
    assert error.trouble is NETWORK


def test_server_thread_is_gone() -> None:
    with serving(says()) as server:
        pass
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", server.port), timeout=1)

"""Numbers out of JSON documents, and what is said when there is none."""

from __future__ import annotations

import json

import pytest

from rollout_kit.metrics.http_json import HttpJsonMetrics
from rollout_kit.model.gate import HttpSource
from rollout_kit.ports.errors import Incompatible, OutsideError, Refused, Trouble, Unavailable
from rollout_kit.transport.client import JsonClient, Patience
from rollout_kit.transport.flights import InlineFlights
from rollout_kit.transport.messages import Request, Response
from rollout_kit.transport.network import NetworkExchange
from rollout_kit.transport.secret import Secret
from tests.transport.misbehaving import says, serving
from tests.transport.test_bad_answers import everything_said

DOCUMENT = {
    "errors": 3,
    "rate": 0.25,
    "deep": {"list": [10, {"a/b": 7, "c~d": 8, "": 9}]},
    "text": "3",
    "no": None,
    "yes": True,
    "big": 1e308,
}
CANARY = "canary-77aa"
PATIENCE = Patience(sleep=lambda _: None, jitter=lambda: 0.0)


def number(
    pointer: str, body: bytes | None = None, headers: dict[str, str] | None = None
) -> tuple[float, Request]:
    seen: list[Request] = []

    def exchange(request: Request) -> Response:
        seen.append(request)
        return Response(status=200, body=json.dumps(DOCUMENT).encode() if body is None else body)

    metrics = HttpJsonMetrics(
        JsonClient(exchange, InlineFlights(), PATIENCE), {"TOKEN": CANARY, "TEAM": "orders"}
    )
    source = HttpSource(url="http://stats/x?key=1", pointer=pointer, headers=headers or {})
    return metrics.http_number(source), seen[0]


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("/errors", 3.0),
        ("/rate", 0.25),
        ("/deep/list/0", 10.0),
        ("/deep/list/1/a~1b", 7.0),
        ("/deep/list/1/c~0d", 8.0),
        ("/deep/list/1/", 9.0),
    ],
)
def test_a_pointer_names_a_number(pointer: str, value: float) -> None:
    assert number(pointer)[0] == value


def test_the_empty_pointer_is_the_whole_document() -> None:
    assert number("", b" 42 ")[0] == 42.0


@pytest.mark.parametrize(
    ("pointer", "words"),
    [
        ("/eror", "the root has no 'eror', it has big, deep, errors"),
        ("/deep/x", "/deep has no 'x', it has list"),
        ("/deep/list/2", "/deep/list is a list of 2, no '2'"),
        ("/deep/list/00", "no '00'"),
        ("/deep/list/-1", "no '-1'"),
        ("/errors/x", "/errors is 3"),
        ("/text", "there stands '3'"),
        ("/no", "there stands null"),
        ("/yes", "there stands True"),
        ("/deep", "there stands an object of 1"),
        ("errors", "a JSON pointer begins with '/'"),
    ],
)
def test_no_number_shows_what_is_there_and_never_becomes_zero(pointer: str, words: str) -> None:
    with pytest.raises(Refused) as caught:
        number(pointer)
    assert f"http://stats/x has no number at {pointer!r}" in caught.value.message
    assert words in caught.value.message


def test_a_number_too_large_is_none() -> None:
    with pytest.raises(Refused, match="too large"):
        number("/a", b'{"a": 1e999}')


@pytest.mark.parametrize("body", [b"NaN", b'{"a": Infinity}', b"", b"<html></html>"])
def test_what_is_no_json_is_no_data(body: bytes) -> None:
    with pytest.raises(Unavailable):
        number("/a", body)


def test_references_in_headers_are_resolved_at_the_request() -> None:
    value = "Bearer ${env:TOKEN} ${env:TEAM}"
    _, request = number("/errors", headers={"Authorization": value})
    assert request.headers["Authorization"] == Secret(f"Bearer {CANARY} orders")
    assert CANARY not in repr(request)


def test_an_unset_variable_is_named() -> None:
    with pytest.raises(Refused, match="header X-Key needs the environment variable MISSING"):
        number("/errors", headers={"X-Key": "${env:MISSING}"})


def test_two_numbers_of_one_document_are_two_numbers() -> None:
    metrics = HttpJsonMetrics(
        JsonClient(lambda _: Response(status=200, body=b'{"a": 1, "b": 2}'), InlineFlights()), {}
    )
    found = [metrics.http_number(HttpSource(url="http://s", pointer=p)) for p in ("/a", "/b")]
    assert found == [1.0, 2.0]


@pytest.mark.parametrize(
    ("status", "kind", "trouble"),
    [
        ("401 No", Refused, Trouble.AUTH),
        ("404 No", Refused, Trouble.NOT_FOUND),
        ("302 Found", Incompatible, Trouble.INCOMPATIBLE),
        ("500 Error", Unavailable, Trouble.SERVER),
    ],
)
def test_over_a_socket_errors_keep_their_class_and_no_secret(
    status: str, kind: type[OutsideError], trouble: Trouble
) -> None:
    exchange = NetworkExchange()
    metrics = HttpJsonMetrics(JsonClient(exchange, InlineFlights(), PATIENCE), {"T": CANARY})
    with serving(says(status, b"{}", headers="Location: https://login/\r\n")) as server:
        source = HttpSource(
            url=f"{server.url}/m?token={CANARY}", pointer="/a", headers={"X-Key": "${env:T}"}
        )
        with pytest.raises(kind) as caught:
            metrics.http_number(source)
    exchange.close()
    assert caught.value.trouble is trouble
    assert CANARY not in everything_said(caught.value)
    assert f"x-key: {CANARY}".encode() in server.requests[0].lower()

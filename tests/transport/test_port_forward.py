"""HTTP over the channels of a port-forward: whole, cut off, refused by the node, too slow."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from websocket import ABNF, WebSocketConnectionClosedException

from rollout_kit.ports.errors import OutsideError, Trouble, Unavailable
from rollout_kit.transport.messages import Request
from rollout_kit.transport.port_forward import Tunnel, send

DATA, TROUBLE = b"\x00", b"\x01"
NAMES = [DATA + b"\x90\x1f", TROUBLE + b"\x90\x1f"]
ANSWER = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 15\r\n\r\n" + b'{"ready":false}'
ASKED = Request(method="POST", url="kubernetes://a/Deployment/b:8080/x", body=b"{}", timeout_s=3)


@dataclass
class Messages:
    """A websocket that has these messages to give, and keeps what it is given."""

    messages: list[bytes]
    sent: bytes = b""
    closed: int = 0
    timeouts: list[float] = field(default_factory=list)

    def settimeout(self, timeout_s: float) -> None:
        self.timeouts.append(timeout_s)

    def send_binary(self, data: bytes) -> None:
        assert data[:1] == DATA
        self.sent += data[1:]

    def recv_data_frame(self, _control: bool) -> tuple[int, ABNF]:
        if not self.messages:
            raise WebSocketConnectionClosedException("gone")
        return ABNF.OPCODE_BINARY, ABNF(data=self.messages.pop(0))

    def send_close(self) -> None:
        self.closed += 1

    def shutdown(self) -> None:
        self.closed += 1


def tunnel(messages: Messages, now_s: float = 0.0) -> Tunnel:
    return Tunnel(messages, until_s=3.0, monotonic_s=lambda: now_s)  # type: ignore[arg-type]


def test_an_answer_in_pieces_is_the_answer_and_the_connection_is_closed() -> None:
    pieces = [DATA + ANSWER[i : i + 7] for i in range(0, len(ANSWER), 7)]
    messages = Messages([*NAMES, *pieces])

    answer = send(
        tunnel(messages), "localhost:8080", "/x?a=b", {"Authorization": "Bearer t"}, ASKED
    )

    assert (answer.status, answer.body) == (503, b'{"ready":false}')
    assert messages.sent.startswith(b"POST /x?a=b HTTP/1.1\r\nHost: localhost:8080\r\n")
    assert b"Authorization: Bearer t\r\n" in messages.sent
    assert messages.sent.endswith(b"\r\n\r\n{}")
    assert messages.closed == 2


def test_an_answer_without_a_length_ends_with_the_connection() -> None:
    messages = Messages([*NAMES, DATA + b"HTTP/1.1 200 OK\r\n\r\nabc", DATA + b"def"])

    assert send(tunnel(messages), "h", "/", {}, ASKED).body == b"abcdef"


def failure(messages: Messages, now_s: float = 0.0) -> OutsideError:
    with pytest.raises(OutsideError) as caught:
        send(tunnel(messages, now_s), "h", "/", {}, ASKED)
    return caught.value


def test_what_the_node_says_is_wrong_is_said() -> None:
    error = failure(Messages([*NAMES, TROUBLE + b"dial tcp 10.1.0.9:8080: connection refused\n"]))

    assert isinstance(error, Unavailable)
    assert "nothing answers in the pod: dial tcp 10.1.0.9:8080: connection refused" in error.message


def test_an_answer_that_is_cut_off_is_no_answer() -> None:
    error = failure(Messages([*NAMES, DATA + ANSWER[:-4]]))

    assert isinstance(error, Unavailable)
    assert "broke off" in error.message
    assert error.why == "Whether the request took effect is not known."


def test_a_connection_that_ends_at_once_is_no_answer() -> None:
    assert "broke off" in failure(Messages([])).message


def test_time_that_is_over_is_a_timeout_and_not_an_answer() -> None:
    error = failure(Messages([*NAMES, DATA + ANSWER]), now_s=3.5)

    assert error.trouble is Trouble.TIMEOUT
    assert "within 3 s" in error.message


def test_each_wait_is_granted_what_is_left() -> None:
    messages = Messages([*NAMES, DATA + ANSWER])

    send(tunnel(messages, now_s=2.0), "h", "/", {}, ASKED)

    assert set(messages.timeouts) == {1.0}

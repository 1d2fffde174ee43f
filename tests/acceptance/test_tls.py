"""A fleet behind https whose certificate nobody here knows, until SSL_CERT_FILE names who signed it."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from rollout_kit.sandbox.layout import NODES, SandboxInfo
from tests.acceptance.machine import (
    PACE,
    PLANS,
    STATE,
    Machine,
    Ran,
    assignments,
    sandbox_machine,
)
from tests.acceptance.small_plan import plan, touch
from tests.acceptance.stub import carry
from tests.transport.misbehaving import TLS

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("small-plans")]

CA, KEY = TLS / "localhost.pem", TLS / "localhost.key"  # self-signed
HERE = ("--state", STATE)
COMMANDS = [("preview", "plan.yaml"), ("apply", "plan.yaml", *HERE)]
commands = pytest.mark.parametrize("argv", COMMANDS, ids=["preview", "apply"])


@contextmanager
def tls_door(port: int) -> Iterator[str]:
    """An https address before a server that speaks http."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CA, KEY)

    def let_in(outside: socket.socket) -> None:
        with suppress(OSError), context.wrap_socket(outside, server_side=True) as opened:
            inside = socket.create_connection(("127.0.0.1", port))
            inside.sendall(opened.recv(65_536))  # one request: nodes answer `Connection: close`
            carry(inside, opened)

    def serve() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=let_in, args=(listener.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        yield f"https://localhost:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Machine, SandboxInfo]]:
    with sandbox_machine(tmp_path_factory.mktemp("tls"), workers=1, rate_hz=0) as found:
        yield found


@pytest.fixture
def machine(place: tuple[Machine, SandboxInfo], tmp_path: Path) -> Iterator[Machine]:
    """Its environment gives https addresses, of the front and of each node."""
    there, info = place
    (tmp_path / "sandbox").symlink_to(info.folder)
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "plan.yaml").write_text(plan(touch("first", "first.txt")))
    with ExitStack() as doors:
        addresses = {"DURABLE_WORKFLOW_SERVER_URL": doors.enter_context(tls_door(info.front_port))}
        for name, port in zip(NODES, info.node_ports, strict=True):
            variable = f"DW_{name.upper().replace('-', '_')}_URL"
            addresses[variable] = doors.enter_context(tls_door(port))
        yield Machine(tmp_path / "work", {**there.environment, **addresses})


def is_one_sentence(ran: Ran, *said: str) -> None:
    assert ran.code == 3, ran.both
    assert ran.out == ""
    assert ran.err.count("error: ") == 1, ran.err
    assert ran.err.count("hint: ") == 1, ran.err
    for text in said:
        assert text in ran.err, ran.err


def wrote_nothing(machine: Machine) -> None:
    assert [path.name for path in machine.folder.iterdir()] == ["plan.yaml"]


@commands
def test_a_certificate_that_nobody_vouches_for_is_one_sentence_and_nothing_is_written(
    machine: Machine, argv: tuple[str, ...]
) -> None:
    ran = machine.run(*argv)
    is_one_sentence(
        ran,
        f"the TLS certificate of {machine.environment['DURABLE_WORKFLOW_SERVER_URL']} is not trusted",
        "self-signed",
        "nobody knows who would receive the token; nothing was sent",
        "set SSL_CERT_FILE to a PEM file of that CA",
    )
    wrote_nothing(machine)


@pytest.mark.parametrize("command", [("preview",), ("apply", *HERE)], ids=["preview", "apply"])
def test_nodes_whose_certificate_alone_is_not_trusted_block_a_plan_that_replaces_them(
    machine: Machine, place: tuple[Machine, SandboxInfo], command: tuple[str, ...]
) -> None:
    info = place[1]
    front = {"DURABLE_WORKFLOW_SERVER_URL": info.environment["DURABLE_WORKFLOW_SERVER_URL"]}
    upgrade = (str(PLANS / "rolling-upgrade.yaml"), *assignments({**info.variables, **PACE}))
    ran = machine.run(command[0], *upgrade, *command[1:], environment=front)
    assert ran.code == 1, ran.both
    url = machine.environment["DW_API_1_URL"]
    assert f"the TLS certificate of {url} is not trusted: self-signed" in ran.both
    assert "A node gives no answer" in ran.both
    assert "may not live together" not in ran.both
    assert "SSL_CERT_FILE can name the CA that signed it" in ran.both
    wrote_nothing(machine)


def test_with_the_ca_named_preview_and_apply_work(machine: Machine) -> None:
    trusting = {"SSL_CERT_FILE": str(CA)}
    assert machine.run("preview", "plan.yaml", environment=trusting).code == 0
    ran = machine.run("apply", "plan.yaml", *HERE, environment=trusting)
    assert ran.code == 0, ran.both
    assert [e["operation"]["id"] for e in machine.events() if e["is"] == "OperationIntended"] == [
        "first/command"
    ]


@pytest.mark.parametrize(
    ("file", "said"),
    [("none.pem", "No such file or directory"), ("plan.yaml", "no certificate in it")],
    ids=["missing", "not one"],
)
@commands
def test_a_ca_file_that_is_none_is_named(
    machine: Machine, argv: tuple[str, ...], file: str, said: str
) -> None:
    ran = machine.run(*argv, environment={"SSL_CERT_FILE": file})
    is_one_sentence(ran, f"SSL_CERT_FILE names {file}", said, "nothing was sent")
    wrote_nothing(machine)

"""The front address over real sockets: turns, membership, counts."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollout_kit.drivers.process.driver import FRONT, ProcessDriver
from rollout_kit.drivers.process.state import StateFolder
from rollout_kit.drivers.process.whole import await_work, declared, start_front, stop_everything
from rollout_kit.drivers.work import roles
from rollout_kit.ports.infra import ReplaceNode, SetAttached
from rollout_kit.sandbox.free_ports import free_ports
from tests.drivers.conftest import ANSWERING, FLEET, eventually

pytestmark = pytest.mark.processes


@pytest.fixture
def answering(tmp_path: Path) -> Iterator[ProcessDriver]:
    """Two nodes that answer with their name and keep the connection; a front before them."""
    (tmp_path / "answering.py").write_text(ANSWERING)
    front, one, two = free_ports(3)
    text = FLEET.format(sleeper="", stubborn="", front=front, one=one, two=two)
    text = text.replace('"-c", ""]', "answering.py]").replace('SHARED: "1"', 'NAME: "{node}"')
    for name in ("api-1", "api-2"):
        text = text.replace(
            f"server_id: {name}", f"server_id: {name}, environment: {{NAME: {name}}}"
        )
    (tmp_path / "fleet.yaml").write_text(text)
    driver = ProcessDriver(tmp_path / "fleet.yaml", {**os.environ, "FLEET_TOKEN": "t"})
    keys = []
    for key, change in declared(driver):
        if isinstance(change, ReplaceNode):
            driver.begin(key, change)
            keys.append(key)
    start_front(driver, "front")
    await_work(driver, [*keys, "front"], 10)
    for node in driver.fleet.nodes.values():
        assert eventually(lambda port=node.port: answers(port))
    assert driver.fleet.front is not None
    assert eventually(lambda: answers(driver.fleet.front.port))
    # The front still counts the connection that asked until it has seen its end.
    assert eventually(lambda: not any(map(driver.connections, driver.fleet.nodes)))
    yield driver
    stop_everything(StateFolder(driver.fleet.state), 0.0)


def answers(port: int) -> str:
    """What the node behind this address says; empty when nobody does."""
    try:
        with socket.create_connection(("127.0.0.1", port), 2) as connection:
            return connection.recv(100).decode()
    except OSError:
        return ""


def front_port(driver: ProcessDriver) -> int:
    assert driver.fleet.front is not None
    return driver.fleet.front.port


def test_connections_go_to_the_nodes_in_turn(answering: ProcessDriver) -> None:
    heard = [answers(front_port(answering)) for _ in range(4)]
    assert heard in (["api-1", "api-2"] * 2, ["api-2", "api-1"] * 2)


def test_a_detached_node_gets_no_new_connection_and_keeps_those_it_has(
    answering: ProcessDriver,
) -> None:
    port = front_port(answering)
    held = [socket.create_connection(("127.0.0.1", port), 2) for _ in range(2)]
    by_name = {connection.recv(100).decode(): connection for connection in held}
    assert (answering.connections("api-1"), answering.connections("api-2")) == (1, 1)
    answering.begin("detach", SetAttached(node="api-1", attached=False))
    assert {answers(port) for _ in range(5)} == {"api-2"}
    assert answering.connections("api-1") == 1
    by_name["api-1"].sendall(b"bye")
    by_name["api-1"].close()
    assert eventually(lambda: answering.connections("api-1") == 0)
    answering.begin("attach", SetAttached(node="api-1", attached=True))
    assert {answers(port) for _ in range(4)} == {"api-1", "api-2"}
    by_name["api-2"].close()


def test_a_node_that_refuses_is_passed_over(answering: ProcessDriver) -> None:
    (process,) = answering.node_processes("api-1")
    os.kill(process.pid, 9)
    assert eventually(lambda: not answering.node_processes("api-1"))
    assert [answers(front_port(answering)) for _ in range(4)] == ["api-2"] * 4


def test_with_no_node_attached_the_connection_is_closed(answering: ProcessDriver) -> None:
    for node in ("api-1", "api-2"):
        answering.begin(f"detach-{node}", SetAttached(node=node, attached=False))
    assert answers(front_port(answering)) == ""


def test_the_front_is_in_a_session_of_its_own(answering: ProcessDriver) -> None:
    holder = roles.holder(answering.state.role(FRONT))
    assert holder is not None
    assert os.getsid(holder.pid) == holder.pid

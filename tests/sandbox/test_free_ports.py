"""Ports for nodes that are replaced."""

from __future__ import annotations

import socket

import pytest

from rollout_kit.sandbox import free_ports
from rollout_kit.sandbox.free_ports import UNSHARED


def test_they_are_different_and_none_is_one_that_an_outgoing_connection_may_be_given() -> None:
    found = free_ports.free_ports(500)
    assert len(set(found)) == 500
    assert set(found) <= set(UNSHARED)
    assert max(UNSHARED) < 32_768


def test_one_on_which_somebody_listens_is_not_among_them(monkeypatch: pytest.MonkeyPatch) -> None:
    taken, free = free_ports.free_ports(2)
    monkeypatch.setattr(free_ports, "UNSHARED", [taken, free])
    with socket.create_server(("127.0.0.1", taken)):
        assert free_ports.free_ports(1) == [free]
        with pytest.raises(OSError, match=r"2 free ports are needed .* there are 1"):
            free_ports.free_ports(2)

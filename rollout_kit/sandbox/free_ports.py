"""Ports for processes that come, go and come again on them."""

from __future__ import annotations

import random
import socket
from contextlib import ExitStack

UNSHARED = range(10_000, 30_000)
"""Below what Linux (32768) and macOS (49152) give to outgoing connections: while a node is replaced,
one of those could hold its port, and the node could not listen again."""


def free_ports(count: int) -> list[int]:
    """Different ports of 127.0.0.1 on which nothing listens now.

    Raises:
        OSError: there are not so many.
    """
    found: list[int] = []
    with ExitStack() as held:
        for port in random.sample(UNSHARED, len(UNSHARED)):
            probe = held.enter_context(socket.socket())
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                probe.close()
            else:
                found.append(port)
            if len(found) == count:
                return found
    raise OSError(f"{count} free ports are needed on 127.0.0.1, and there are {len(found)}")

"""The front address: splices TCP connections to the attached nodes, in turn, and counts them.

It reads a node's membership when a connection comes in and writes its count first: whoever detaches
a node and *then* reads a count of zero knows that no connection to it will come any more.
Connections that exist are left alone: nodes answer `Connection: close`, so they end by themselves.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path
from urllib.parse import unquote

_CONNECT_WITHIN_S = 2.0
_CHUNK = 64 * 1024


class Upstream:
    """One node: its address, whether it is attached, how many connections it has here."""

    def __init__(self, files: str, host: str, port: int) -> None:
        self.host = host
        self.port = port
        self._membership = Path(f"{files}.attached")
        self._file = os.open(f"{files}.count", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._count = 0
        self.count(0)

    def count(self, step: int) -> None:
        self._count += step
        os.pwrite(self._file, b"%-12d" % self._count, 0)

    @property
    def attached(self) -> bool:
        try:
            return self._membership.read_bytes().strip() != b"false"
        except FileNotFoundError:
            return True


class Front:
    """Takes connections and hands each to the next node that is attached and answers."""

    def __init__(self, upstreams: list[Upstream]) -> None:
        self._upstreams = upstreams
        self._turn = 0
        self._connections: set[asyncio.Task[None]] = set()

    async def serve(self, host: str, port: int) -> None:
        server = await asyncio.start_server(self._accept, host, port, backlog=256)
        async with server:
            await server.serve_forever()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """The loop alone would forget a connection of which nobody else knows."""
        task = asyncio.create_task(self._take(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._turn += 1
        try:
            for place in range(len(self._upstreams)):
                upstream = self._upstreams[(self._turn + place) % len(self._upstreams)]
                if await _through(upstream, reader, writer):
                    return
        finally:
            writer.close()


async def _through(
    upstream: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> bool:
    """Splice until both sides are done; False when this node cannot be had."""
    upstream.count(+1)
    try:
        if not upstream.attached:
            return False
        try:
            there = await asyncio.wait_for(
                asyncio.open_connection(upstream.host, upstream.port), _CONNECT_WITHIN_S
            )
        except (OSError, TimeoutError):
            return False
        try:
            await _splice(reader, writer, *there)
        finally:
            there[1].close()
        return True
    finally:
        upstream.count(-1)


async def _splice(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    there_reader: asyncio.StreamReader,
    there_writer: asyncio.StreamWriter,
) -> None:
    """Both directions; when the node is done, or breaks off, so are we."""
    forth = asyncio.create_task(_pump(reader, there_writer))
    try:
        await _pump(there_reader, writer)
    finally:
        forth.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await forth


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(_CHUNK):
            sink.write(data)
            await sink.drain()
        if sink.can_write_eof():
            sink.write_eof()


def main(argv: list[str]) -> None:
    """`HOST PORT FILES=NODE_HOST:NODE_PORT…`, FILES: quoted path of a node's files, no ending."""
    host, port, *nodes = argv
    upstreams = []
    for node in nodes:
        files, _, address = node.rpartition("=")
        node_host, _, node_port = address.rpartition(":")
        upstreams.append(Upstream(unquote(files), node_host, int(node_port)))
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(Front(upstreams).serve(host, int(port)))

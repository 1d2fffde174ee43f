"""Serves a Python program of a folder as the Automation API serves an inline one; prints its port."""

from __future__ import annotations

import os
import runpy
import sys
import threading
from concurrent import futures
from pathlib import Path

import grpc
from pulumi.automation._server import LanguageServer
from pulumi.runtime.proto import language_pb2_grpc


def main(program: str) -> None:
    path = Path(program)
    entry = path / "__main__.py" if path.is_dir() else path
    sys.path.insert(0, str(entry.parent))
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
    run = LanguageServer(lambda: _run(entry))
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(run, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    os.dup2(2, 1)
    parent = os.getppid()
    alive = threading.Event()
    while os.getppid() == parent:
        alive.wait(0.5)


def _run(entry: Path) -> None:
    runpy.run_path(str(entry), run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1])

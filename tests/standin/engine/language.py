"""Running the program: an inline one through the driver's language server, or one in a folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import grpc

from .failure import Failure
from .project import Project
from .wire import stubs

_HOST = Path(__file__).with_name("program_host.py")


class Language:
    """`client` is the address of a language server; without one a host is started for the folder."""

    def __init__(self, client: str, project: Project) -> None:
        self._process: subprocess.Popen[str] | None = None
        if not client:
            client = self._start(project)
        self._channel = grpc.insecure_channel(client)
        self._stub = stubs("language_pb2_grpc").LanguageRuntimeStub(self._channel)

    def _start(self, project: Project) -> str:
        if project.runtime != "python":
            raise Failure(
                f"failed to load language plugin {project.runtime}: no language plugin "
                f"'pulumi-language-{project.runtime}' found in the workspace or on your $PATH"
            )
        command = [
            sys.executable,
            str(_HOST),
            str(project.folder / project.settings.get("main", "")),
        ]
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, cwd=project.folder
        )
        assert self._process.stdout is not None
        port = self._process.stdout.readline().strip()
        if not port:
            raise Failure("the program's language host did not start")
        return f"127.0.0.1:{port}"

    def about(self) -> dict[str, str]:
        try:
            from google.protobuf import empty_pb2  # noqa: F401

            found = self._stub.About(stubs("language_pb2").AboutRequest(), timeout=10)
        except grpc.RpcError:
            return {}
        return {"runtime.executable": found.executable, "runtime.version": found.version}

    def run(self, **request: Any) -> tuple[str, bool]:
        """The program's error text, and whether it is still there to answer."""
        try:
            answer = self._stub.Run(stubs("language_pb2").RunRequest(**request))
        except grpc.RpcError as gone:
            return str(gone.details()), False
        return answer.error, True

    def close(self) -> None:
        self._channel.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            assert self._process.stdout is not None
            self._process.stdout.close()

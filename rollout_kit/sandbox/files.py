"""The sandbox's own files: what it is (`sandbox.json`), its tokens (`environment`, 0600)."""

from __future__ import annotations

import json
import os
import secrets
import shlex
from collections.abc import Mapping
from pathlib import Path

from rollout_kit.model.codec import CodecError, from_json, to_json
from rollout_kit.sandbox.free_ports import free_ports
from rollout_kit.sandbox.layout import (
    NODES,
    TOKENS,
    Flaw,
    Generation,
    SandboxInfo,
    Versions,
)


class SandboxError(Exception):
    """A sandbox cannot be had or found. `hint`: what to do next."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def new_info(
    folder: Path, generation: Generation, versions: Versions, flaw: Flaw | None, workers: int
) -> SandboxInfo:
    """A sandbox with ports that are free now and tokens that nobody had before."""
    front, *nodes = free_ports(1 + len(NODES))
    return SandboxInfo(
        folder=folder.resolve(),
        generation=generation,
        versions=versions,
        flaw=flaw,
        workers=workers,
        front_port=front,
        node_ports=tuple(nodes),
        tokens={name: secrets.token_urlsafe(24) for name in TOKENS},
    )


def write(info: SandboxInfo) -> None:
    """Everything but the tokens into `sandbox.json`; the environment into a file of its own."""
    info.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    body = {
        "generation": info.generation.value,
        "versions": to_json(info.versions),
        "flaw": info.flaw.value if info.flaw else None,
        "workers": info.workers,
        "front_port": info.front_port,
        "node_ports": list(info.node_ports),
    }
    (info.folder / "sandbox.json").write_text(json.dumps(body, indent=2) + "\n", encoding="utf-8")
    file = os.open(info.folder / "environment", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(file, "w", encoding="utf-8") as environment:
        environment.write(exports(info.environment))


def exports(environment: Mapping[str, str]) -> str:
    """Lines for a shell: `export NAME=value`."""
    return "".join(f"export {name}={shlex.quote(text)}\n" for name, text in environment.items())


def read(folder: Path) -> SandboxInfo:
    """The sandbox in this folder. Raises SandboxError: there is none, or its files are damaged."""
    folder = folder.resolve()
    try:
        body = json.loads((folder / "sandbox.json").read_text(encoding="utf-8"))
        environment = _environment(folder / "environment")
        return SandboxInfo(
            folder=folder,
            generation=Generation(body["generation"]),
            versions=from_json(Versions, body["versions"]),
            flaw=Flaw(body["flaw"]) if body["flaw"] else None,
            workers=body["workers"],
            front_port=body["front_port"],
            node_ports=tuple(body["node_ports"]),
            tokens={name: environment[name] for name in TOKENS},
        )
    except FileNotFoundError as error:
        raise SandboxError(
            f"there is no sandbox in {folder}", "Start one: rollout-kit sandbox up"
        ) from error
    except (ValueError, KeyError, CodecError) as error:
        raise SandboxError(
            f"the sandbox in {folder} cannot be read: {error}",
            "Take it down and start it anew: rollout-kit sandbox down",
        ) from error


def _environment(path: Path) -> dict[str, str]:
    lines = (line.removeprefix("export ") for line in path.read_text(encoding="utf-8").splitlines())
    pairs = (line.partition("=") for line in lines)
    return {name: "".join(shlex.split(text)) for name, _, text in pairs}

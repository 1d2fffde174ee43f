"""The `file://` backend: where state, history and backups lie, and how they are written."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from base64 import b64encode
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from . import faults
from .failure import NO_CREDENTIALS, STACK_NOT_FOUND, Failure

VERSION = os.environ.get("STANDIN_VERSION", "v3.259.0")
MAGIC = hashlib.sha256(VERSION.encode()).hexdigest()
ORGANIZATION = "organization"
_STATE_VERSION = 3


def now() -> str:
    """The time as the state has it: RFC 3339 with nanoseconds."""
    seconds, nanos = divmod(time.time_ns(), 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{nanos:09d}Z"


def compact(tree: Any) -> str:
    return json.dumps(tree, separators=(",", ":"), ensure_ascii=False)


def write(path: Path, text: str) -> None:
    """Whole or not at all, with the attributes file that the real one puts beside each."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = text.encode()
    beside = path.with_name(f"{path.name}.{time.time_ns()}.tmp")
    beside.write_bytes(data)
    kind = {"user.content_type": "text/plain; charset=utf-8", "user.metadata": None}
    kind["md5"] = b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()
    path.with_name(path.name + ".attrs").write_text(compact(kind))
    beside.replace(path)


def erase(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.with_name(path.name + ".attrs").unlink(missing_ok=True)


class Backend:
    """Opened from the environment; raises Failure as the real one does."""

    def __init__(self, cwd: Path) -> None:
        self.url = os.environ.get("PULUMI_BACKEND_URL", "")
        if not self.url.startswith("file://"):
            raise Failure(
                "PULUMI_ACCESS_TOKEN must be set for login during non-interactive CLI sessions",
                NO_CREDENTIALS,
            )
        given = self.url.removeprefix("file://")
        self.root = (cwd / os.path.expanduser(given)) if given else cwd  # noqa: PTH111
        self._require_folder(given)
        meta = self.folder / "meta.yaml"
        if not meta.exists():
            write(meta, "version: 1\n")

    def _require_folder(self, given: str) -> None:
        resolved = ""
        if given and not Path(given).is_absolute() and not given.startswith("~"):
            resolved = f' (resolved to "file://{self.root}")'
        where = f'unable to open state directory "{self.url}"{resolved}'
        if not self.root.exists():
            raise Failure(f"{where}: stat {self.root}: no such file or directory")
        if not self.root.is_dir():
            raise Failure(f"{where}: {self.root} is not a directory")

    @property
    def folder(self) -> Path:
        return self.root / ".pulumi"


class StackFiles:
    """The files of one stack."""

    def __init__(self, backend: Backend, project: str, stack: str) -> None:
        self.backend, self.project, self.stack = backend, project, stack
        folder = backend.folder
        self.state = folder / "stacks" / project / f"{stack}.json"
        self.locks = folder / "locks" / ORGANIZATION / project / stack
        self.history = folder / "history" / project / stack
        self.backups = folder / "backups" / project / stack

    def require(self) -> None:
        if not self.state.exists():
            raise Failure(f"no stack named '{self.stack}' found", STACK_NOT_FOUND)

    def load(self) -> dict:
        """The checkpoint's `latest`: manifest, secrets_providers, resources, pending_operations."""
        self.require()
        _require_attributes(self.state)
        text = self.state.read_text()
        try:
            whole = json.loads(text)
        except json.JSONDecodeError as wrong:
            raise Failure(
                f"failed to load checkpoint: place 1: {_as_go_says(text, wrong)}"
            ) from None
        if whole.get("version") != _STATE_VERSION:
            raise Failure(
                f"failed to load checkpoint: unsupported checkpoint version {whole.get('version')}"
            )
        return whole["checkpoint"].get("latest") or {}

    def save(self, latest: dict) -> None:
        faults.strike("checkpoint")
        if self.state.exists():
            write(self.state.with_name(self.state.name + ".bak"), self.state.read_text())
        checkpoint = {"stack": f"{ORGANIZATION}/{self.project}/{self.stack}", "latest": latest}
        write(self.state, compact({"version": _STATE_VERSION, "checkpoint": checkpoint}))

    def record(self, entry: dict) -> None:
        """One history entry with its copy of the state, and a backup."""
        stamp = time.time_ns()
        text = self.state.read_text()
        write(self.history / f"{self.stack}-{stamp}.history.json", compact(entry))
        write(self.history / f"{self.stack}-{stamp}.checkpoint.json", text)
        write(self.backups / f"{self.stack}.{time.time_ns()}.json", text)

    def entries(self) -> list[dict]:
        """History, the newest first."""
        found = sorted(self.history.glob(f"{self.stack}-*.history.json"), reverse=True)
        return [json.loads(path.read_text()) for path in found]

    def remove(self) -> None:
        """The state and its history; `.bak` and backups stay, as they do in the real one."""
        text = self.state.read_text()
        erase(self.state)
        write(self.state.with_name(self.state.name + ".bak"), text)
        for path in self.history.glob("*"):
            path.unlink()


def check_names(project: str, stack: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9_.-]+", project):
        raise Failure(
            "project names may only contain alphanumerics, hyphens, underscores, and periods"
        )
    if len(stack) > 100:
        raise Failure("a stack name cannot exceed 100 characters")
    bad = re.search(r"[^A-Za-z0-9_.-]", stack)
    if bad:
        raise Failure(
            "a stack name may only contain alphanumeric, hyphens, underscores, or periods: "
            f"invalid character '{bad.group()}' at position {bad.start()}"
        )


def _require_attributes(path: Path) -> None:
    """Whole, or not there at all: of an empty file it says `EOF`, of half a one more."""
    beside = path.with_name(path.name + ".attrs")
    text = beside.read_text() if beside.exists() else "{}"
    try:
        json.loads(text)
    except json.JSONDecodeError:
        key = "/".join(path.parts[path.parts.index(".pulumi") :])
        where = f'blob (key "{key}") (code=Unknown): unexpected EOF' if text else "EOF"
        raise Failure(f"failed to load checkpoint: {where}") from None


def _as_go_says(text: str, wrong: json.JSONDecodeError) -> str:
    if wrong.pos >= len(text.rstrip()) or not text.strip() or "Unterminated" in wrong.msg:
        return "unexpected end of JSON input"
    character = text[wrong.pos]
    if "property name" in wrong.msg:
        return f"invalid character '{character}' looking for beginning of object key string"
    if text.startswith("no"):
        return "invalid character 'o' in literal null (expecting 'u')"
    return f"invalid character '{character}' looking for beginning of value"


def parse(text: str) -> Any:
    """JSON of a user's file, with the words for what is wrong that Go has."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as wrong:
        raise Failure(_as_go_says(text, wrong)) from None

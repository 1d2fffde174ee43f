"""What nearly every command begins with: the working folder, the backend, the project, the stack."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .arguments import Arguments
from .backend import Backend, StackFiles, check_names
from .failure import Failure
from .project import Config, Project


@dataclass
class Session:
    """Made with `open_session`; `stack` is the one that `--stack` or the selection names."""

    arguments: Arguments
    cwd: Path
    backend: Backend
    project: Project
    stack: str

    @property
    def files(self) -> StackFiles:
        return StackFiles(self.backend, self.project.name, self.stack)

    @property
    def config(self) -> Config:
        """Without a file of its own it shares the salt of the state."""
        config = Config(self.project, self.stack)
        if not config.salt and self.files.state.exists():
            latest = self.files.load()
            config.salt = ((latest.get("secrets_providers") or {}).get("state") or {}).get("salt")
        return config

    @property
    def root_urn(self) -> str:
        name = f"{self.project.name}-{self.stack}"
        return f"urn:pulumi:{self.stack}::{self.project.name}::pulumi:pulumi:Stack::{name}"


def open_session(arguments: Arguments, stack: str = "", *, must_exist: bool = True) -> Session:
    """Raises Failure where the real one refuses: no login, bad names, no such stack."""
    cwd = Path(arguments.get("--cwd") or Path.cwd())
    backend = Backend(cwd)
    project = Project(cwd)
    name = stack or arguments.get("--stack") or _selected(project)
    name = name.rpartition("/")[2]
    if not name:
        raise Failure("no stack selected; please use `pulumi stack select` to choose one")
    check_names(project.name, name)
    session = Session(arguments, cwd, backend, project, name)
    if must_exist:
        session.files.require()
    return session


def _selection(project: Project) -> Path:
    home = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi")
    digest = str(project.folder).strip("/").replace("/", "-")
    return home / "workspaces" / f"{project.name}-{digest}-workspace.json"


def _selected(project: Project) -> str:
    path = _selection(project)
    return json.loads(path.read_text()).get("stack", "") if path.exists() else ""


def select(project: Project, stack: str) -> None:
    path = _selection(project)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"stack": stack}))


def is_selected(project: Project, stack: str) -> bool:
    return _selected(project) == stack


def out(text: str) -> None:
    """A line on standard output; nobody may be there to read it any more."""
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except (BrokenPipeError, ValueError):
        pass


def out_json(tree: Any, indent: int = 2) -> None:
    out(json.dumps(tree, indent=indent, ensure_ascii=False))

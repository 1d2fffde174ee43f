"""A program that is run to its end under a key, and what its environment refers to."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rollout_kit.drivers.work.records import Launch

_REFERENCE = re.compile(r"\$\{env:([^}]*)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What to run, and how it is asked to end.

    `environment` may hold `${env:NAME}` references: resolved when it starts, never written.
    `inherits`: the whole environment of whoever applies, not only its neutral part (PATH, HOME, ...).
    `input`: its standard input, kept in a file: no place for a secret's value.
    `role`: a name that at most one process bears at a time, the next run included; without one
    only runs of its queue exclude each other, and what it leaves running holds nobody up.
    `ends_with_tool`: when the process that began it is gone it gets its one SIGINT.
    `group`: that SIGINT goes to its whole process group (a shell alone would wait for its child).
    """

    argv: tuple[str, ...]
    directory: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    inherits: bool = True
    input: str = ""
    role: str | None = None
    ends_with_tool: bool = False
    group: bool = False


def launch(program: Program, key: str, role: str, input_file: str) -> Launch:
    """The program as its child reads it."""
    made: Launch = {
        "role": role,
        "digest": "",
        "argv": list(program.argv),
        "environment": dict(program.environment),
        "inherits": program.inherits,
        "directory": str(program.directory.absolute()),
        "log": "",
        "worker": "",
        "worker_variable": "",
        "spec": key,
        "input": input_file,
    }
    canonical = json.dumps(made, sort_keys=True).encode()
    return {**made, "digest": hashlib.sha256(canonical).hexdigest()}


def names_in(environment: Mapping[str, str]) -> tuple[str, ...]:
    """The names in all its `${env:NAME}` references."""
    found = [name for text in environment.values() for name in _REFERENCE.findall(text)]
    return tuple(dict.fromkeys(found))

"""The fleet that a plan is for, and what runs its processes."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TypeAlias

from rollout_kit.document.terms import SecretText


class Engine(enum.StrEnum):
    """The workflow server that a plan can address."""

    DURABLE_WORKFLOW = "durable-workflow"


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetNode:
    """An API node, addressable on its own."""

    name: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Who we are to the server: references into the environment, never values."""

    operator: SecretText
    admin: SecretText | None
    """None: what needs it reads "not judged"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """A precondition that the fleet does not meet and the author accepts, with the reason."""

    precondition: str
    """As in `outage`."""
    reason: str


UNCOUNTED_WORKERS = "uncounted-workers"
"""The author's word that the workers which a plan leaves do run, where nothing can count them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The fleet that the plan is for."""

    name: str
    """The key of lock and journal."""
    engine: Engine
    url: str
    """Load-balanced, for control-plane calls."""
    namespace: str
    namespaces: tuple[str, ...]
    """All that this plan may touch, `namespace` first."""
    credentials: Credentials
    nodes: tuple[TargetNode, ...]
    accept: tuple[Acceptance, ...]
    no_answer_for_s: float = 120.0
    """How long silence is no drift, in seconds."""

    def accepts(self, precondition: str) -> bool:
        """Tell whether the author takes the fleet without it."""
        return any(entry.precondition == precondition for entry in self.accept)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessInfra:
    """Processes of one host, under the process driver."""

    fleet: str | None
    """Path of the fleet file; a relative one starts at the folder of the plan.

    None where it waits for an environment variable: what it feeds is not read.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class ManualInfra:
    """Somebody else changes the fleet: a person, or the controller that they steer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandInfra:
    """A fleet behind a script of the user's own, under the command driver."""

    argv: tuple[str, ...] | None
    """The script, run in the folder of the plan. None where it waits for an environment variable."""
    state: str
    """Folder of what is under way; a relative one starts at the folder of the plan."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PulumiInfra:
    """A stack that meets the stack contract, under the Pulumi driver."""

    program: str
    """A folder with `Pulumi.yaml`, or `file.py:function`; a relative one starts at the plan's folder."""
    stack: str
    backend: str
    """Empty: the environment's."""
    kubeconfig: str
    """Relative to the plan's folder; empty: the environment's."""
    context: str
    allow: tuple[str, ...]
    """Patterns of URNs beyond its own that an operation may change, once announced."""
    state: str
    """Folder of what is under way; a relative one starts at the folder of the plan."""
    waits: bool = False
    """A value waits for an environment variable: what the driver feeds is not read."""


Infra: TypeAlias = ProcessInfra | ManualInfra | CommandInfra | PulumiInfra

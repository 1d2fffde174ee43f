"""What a sandbox is made of: names, versions, timings, and the flaw that it may be given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

NAMESPACE = "default"
NODES = ("api-1", "api-2", "api-3")
QUEUES = ("orders", "shipping")
"""Runs of the first send activities to the second."""

HEARTBEAT_S = 1
STALE_AFTER_S = 4
POLL_TIMEOUT_S = 2
TICK_S = 1
LEASE_S = 5

OPEN_RUNS_AT_MOST = 12
"""The load keeps three to six runs open; a build that ends none has twelve after four seconds."""
NEW_FAILURES_AT_MOST = 10
"""The load fails a run every 45 seconds, by design."""

TOKENS = ("DW_WORKER_TOKEN", "DW_OPERATOR_TOKEN", "DW_ADMIN_TOKEN")


class Generation(StrEnum):
    """Of the server."""

    V0_2 = "0.2"
    V2 = "2.x"


class Flaw(StrEnum):
    """What is wrong with the new version."""

    CANARY = "canary"  # the new build's activities fail before they succeed: its gate goes bad
    NODE = "node"  # the new server's image comes up as another version
    BOOTSTRAP = "bootstrap"  # the job exits with 1
    WORKER = "worker"  # the new build ends smoke runs and hangs on all others


@dataclass(frozen=True, slots=True, kw_only=True)
class Versions:
    """From where to where."""

    server_from: str
    server_to: str
    worker_from: str = "orders-17"
    worker_to: str = "orders-18"

    def server_image(self, version: str) -> str:
        return f"durableworkflow/server:{version}"

    def worker_image(self, build: str) -> str:
        return f"acme/{build.replace('-', ':')}"


VERSIONS = {
    Generation.V0_2: Versions(server_from="0.2.9", server_to="0.2.10"),
    Generation.V2: Versions(server_from="2.3.14", server_to="2.4.0"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxInfo:
    """Where a sandbox is and how to talk to it."""

    folder: Path
    generation: Generation
    versions: Versions
    flaw: Flaw | None
    workers: int  # of each queue
    front_port: int
    node_ports: tuple[int, ...]
    tokens: Mapping[str, str] = field(repr=False)

    @property
    def url(self) -> str:
        """The front address."""
        return f"http://127.0.0.1:{self.front_port}"

    @property
    def node_urls(self) -> Mapping[str, str]:
        return {
            name: f"http://127.0.0.1:{port}"
            for name, port in zip(NODES, self.node_ports, strict=True)
        }

    @property
    def fleet_file(self) -> Path:
        return self.folder / "fleet.yaml"

    @property
    def state_folder(self) -> Path:
        return self.folder / "state"

    @property
    def ledger(self) -> Path:
        return self.folder / "load.jsonl"

    @property
    def environment(self) -> Mapping[str, str]:
        """What a plan for this fleet and the fleet file itself refer to; holds the tokens."""
        nodes = {
            f"DW_{name.upper().replace('-', '_')}_URL": url for name, url in self.node_urls.items()
        }
        return {"DURABLE_WORKFLOW_SERVER_URL": self.url, **nodes, **self.tokens}

    @property
    def variables(self) -> Mapping[str, str]:
        """Values for the shipped rolling upgrade's variables, timings aside."""
        versions = self.versions
        return {
            "server_from": versions.server_from,
            "server_to": versions.server_to,
            "server_image": versions.server_image(versions.server_to),
            "worker_from": versions.worker_from,
            "worker_to": versions.worker_to,
            "worker_image": versions.worker_image(versions.worker_to),
            "replicas": str(self.workers),
            "target": "sandbox",
            "namespace": NAMESPACE,
            "workflows_queue": QUEUES[0],
            "activities_queue": QUEUES[1],
            "fleet": str(self.fleet_file),
            "open_runs_at_most": str(OPEN_RUNS_AT_MOST),
            "new_failures_at_most": str(NEW_FAILURES_AT_MOST),
        }

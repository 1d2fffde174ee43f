"""The sandbox's fleet file: the same format that a user writes for a fleet on one host."""

from __future__ import annotations

import json
from pathlib import Path

from rollout_kit.sandbox.layout import (
    HEARTBEAT_S,
    LEASE_S,
    NAMESPACE,
    POLL_TIMEOUT_S,
    QUEUES,
    STALE_AFTER_S,
    TICK_S,
    TOKENS,
    Flaw,
    Generation,
    SandboxInfo,
)

_FLAWS = {Flaw.CANARY: "flaky", Flaw.WORKER: "hang"}
_PROTOCOL = {Generation.V0_2: "1.0", Generation.V2: "1.19"}
_WRONG_VERSION = {Generation.V0_2: "0.2.7", Generation.V2: "2.3.99"}
_GRACE = "6s"
_ROOT = str(Path(__file__).resolve().parents[2])


def fleet_text(info: SandboxInfo, *, rate_hz: float) -> str:
    """The file's text: YAML that is JSON, so that nothing needs quoting rules."""
    fleet = {
        "version": 1,
        "state": "state",
        "stop_grace": _GRACE,
        "environment": {"PYTHONPATH": _ROOT, "PYTHONUNBUFFERED": "1"},
        "images": _images(info),
        "front": {"port": info.front_port},
        "node_template": {
            "argv": [*_emulator("serve"), "{image}", *_DATABASE, "--port", "{port}"],
            "environment": _server_environment(info),
        },
        "nodes": {
            name: {
                "port": port,
                "image": info.versions.server_image(info.versions.server_from),
                "server_id": name,
                **_marker(info),
            }
            for name, port in zip(info.node_urls, info.node_ports, strict=True)
        },
        "scheduler": {
            "argv": [*_emulator("scheduler"), "{image}", *_DATABASE, "--tick", str(TICK_S)],
            "image": info.versions.server_image(info.versions.server_from),
            "environment": {
                **_server_environment(info),
                "SCHEDULER_TICK_SECONDS": f"{TICK_S:g}",
            },
            **_marker(info),
        },
        "maintenance": {
            "queue-worker": {
                "argv": [*_emulator("maintenance"), "{image}", *_DATABASE],
                "image": info.versions.server_image(info.versions.server_from),
                "environment": _server_environment(info),
            }
        },
        "cohorts": [_cohort(info, queue) for queue in QUEUES],
        "jobs": _jobs(info),
        "processes": {"load": _load(info, rate_hz)},
    }
    return json.dumps(fleet, indent=2) + "\n"


_DATABASE = ("--database", "{folder}/database.sqlite3")


def _emulator(module: str) -> list[str]:
    return ["{python}", "-m", f"rollout_kit.emulator.{module}"]


def _images(info: SandboxInfo) -> dict[str, object]:
    versions = info.versions
    generation = ["--generation", info.generation.value]
    shown = {versions.server_from: versions.server_from, versions.server_to: versions.server_to}
    if info.flaw is Flaw.NODE:
        shown[versions.server_to] = _WRONG_VERSION[info.generation]
    servers: dict[str, object] = {
        versions.server_image(version): {
            "version": version,
            "argv": generation,
            "environment": {
                "APP_VERSION": shows,
                "ROLLOUT_KIT_EMULATOR_IMAGE_VERSION": version,
            },
        }
        for version, shows in shown.items()
    }
    flaw = _FLAWS.get(info.flaw, "") if info.flaw else ""
    return {
        **servers,
        versions.worker_image(versions.worker_from): {},
        versions.worker_image(versions.worker_to): {"argv": ["--flaw", flaw] if flaw else []},
    }


def _server_environment(info: SandboxInfo) -> dict[str, str]:
    """All processes of the server get the same; tokens are references."""
    return {
        **{name: f"${{env:{name}}}" for name in TOKENS},
        "DW_AUTH_DRIVER": "token",
        "DW_MODE": "service",
        "DW_DEFAULT_NAMESPACE": NAMESPACE,
        "DW_V2_MULTI_NODE": "true",
        "DW_EXPOSE_PACKAGE_PROVENANCE": "true",
        "DB_CONNECTION": "sqlite",
        "DB_DATABASE": str(info.folder / "database.sqlite3"),
        "CACHE_STORE": "database",
        "DW_WORKER_POLL_TIMEOUT": str(POLL_TIMEOUT_S),
        "DW_WORKER_HEARTBEAT_INTERVAL_SECONDS": str(HEARTBEAT_S),
        "DW_WORKER_STALE_AFTER_SECONDS": str(STALE_AFTER_S),
        "DW_V2_COMPATIBILITY_HEARTBEAT_TTL": str(STALE_AFTER_S),
        "ROLLOUT_KIT_EMULATOR_LEASE_SECONDS": str(LEASE_S),
    }


def _marker(info: SandboxInfo) -> dict[str, str]:
    """The older generation pins by the marker of whoever takes the start."""
    older = info.generation is Generation.V0_2
    return {"marker": info.versions.worker_from} if older else {}


def _cohort(info: SandboxInfo, queue: str) -> dict[str, object]:
    other = QUEUES[1 - QUEUES.index(queue)]
    older = info.generation is Generation.V0_2
    argv = [
        *("{python}", "-m", "rollout_kit.sandbox.worker", "{image}", "--url", info.url),
        *("--namespace", "{namespace}", "--task-queue", "{task_queue}", "--other-queue", other),
        *("--protocol", _PROTOCOL[info.generation]),
        # Official workers of the older generation send no heartbeats and say no good-bye.
        *(("--heartbeat", "0") if older else ("--heartbeat", str(HEARTBEAT_S), "--goodbye")),
    ]
    return {
        "namespace": NAMESPACE,
        "task_queue": queue,
        "argv": argv,
        "environment": {"DW_WORKER_TOKEN": "${env:DW_WORKER_TOKEN}"},
        "builds": [
            {
                "build_id": info.versions.worker_from,
                "image": info.versions.worker_image(info.versions.worker_from),
                "replicas": info.workers,
            }
        ],
    }


def _jobs(info: SandboxInfo) -> dict[str, object]:
    bootstrap = [*_emulator("bootstrap"), "{image}", *_DATABASE, "--to", "{revision}"]
    failing = "import sys; sys.exit('SQLSTATE[HY000]: cannot add the column')"
    asked = ["{python}", "-c", failing, "{image}"] if info.flaw is Flaw.BOOTSTRAP else bootstrap
    return {
        "install": {"argv": bootstrap},
        "bootstrap": {"argv": asked},
        "migrate-status": {"argv": [*bootstrap, "--status"]},
    }


def _load(info: SandboxInfo, rate_hz: float) -> dict[str, object]:
    return {
        "argv": [
            *("{python}", "-m", "rollout_kit.sandbox.load", "--url", info.url),
            *("--namespace", NAMESPACE, "--ledger", str(info.ledger)),
            *("--queues", ",".join(QUEUES), "--rate", f"{rate_hz:g}"),
        ],
        "environment": {"DW_OPERATOR_TOKEN": "${env:DW_OPERATOR_TOKEN}"},
    }

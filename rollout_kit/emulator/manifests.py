"""The parts of answers that never change: read once from package data, finished per node."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

from rollout_kit.emulator.model.settings import Generation, ServerSettings


@cache
def _data(name: str) -> dict[str, Any]:
    text = files("rollout_kit.emulator").joinpath("data", name).read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def operator_metrics_statics() -> dict[str, Any]:
    """Backend, limits, policies and the projection figures that are always zero here."""
    return _data("operator_metrics.json")


@cache
def _statics(
    generation: Generation, protocol: str, poll_timeout_s: int, heartbeat_s: int, stale_s: int
) -> dict[str, Any]:
    statics = json.loads(json.dumps(_data(f"cluster_info_{generation}.json")))
    capabilities = statics["worker_protocol"]["server_capabilities"]
    capabilities["long_poll_timeout"] = poll_timeout_s
    statics["worker_protocol"]["version"] = protocol
    statics["client_compatibility"]["required_protocols"]["worker_protocol"]["version"] = protocol
    if generation is Generation.V2:
        capabilities["worker_status"] |= {
            "heartbeat_interval_seconds": heartbeat_s,
            "stale_after_seconds": stale_s,
        }
        negotiation = statics["surface_stability_contract"]["worker_protocol"]["negotiation"]
        major, _, minor = protocol.partition(".")
        accepted = [f"{major}.{lower}" for lower in range(int(minor) + 1)]
        negotiation["accepted_request_versions_by_default"] = accepted
        negotiation["response_version"] = protocol
    loaded: dict[str, Any] = statics
    return loaded


def cluster_info_statics(settings: ServerSettings) -> dict[str, Any]:
    """What cluster info says of every node of this generation with these figures."""
    return _statics(
        settings.generation,
        settings.protocol,
        settings.poll_timeout_s,
        settings.heartbeat_interval_s,
        settings.stale_after_s,
    )


def server_capabilities(settings: ServerSettings) -> dict[str, Any]:
    """What every worker-plane answer carries."""
    capabilities: dict[str, Any] = cluster_info_statics(settings)["worker_protocol"][
        "server_capabilities"
    ]
    return capabilities

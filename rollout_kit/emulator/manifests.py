"""The parts of answers that never change: read once from package data, finished per node."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from rollout_kit.emulator.model.settings import Generation, ServerSettings

_DATA = Path(__file__).with_name("data")


@cache
def _data(name: str) -> dict[str, Any]:
    text = _DATA.joinpath(name).read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def operator_metrics_statics() -> dict[str, Any]:
    """Backend, limits, policies and the projection figures that are always zero here."""
    return _data("operator_metrics.json")


@dataclass(frozen=True, slots=True)
class _Figures:
    """What the manifests show of a node's settings."""

    generation: Generation
    protocol: str
    poll_timeout_s: int
    heartbeat_interval_s: int
    stale_after_s: int
    terse: bool


def _figures(settings: ServerSettings) -> _Figures:
    return _Figures(
        settings.generation,
        settings.protocol,
        settings.poll_timeout_s,
        settings.heartbeat_interval_s,
        settings.stale_after_s,
        settings.terse,
    )


@cache
def _manifests(figures: _Figures) -> dict[str, Any]:
    manifests = json.loads(json.dumps(_data(f"cluster_info_{figures.generation}.json")))
    protocol = figures.protocol
    capabilities = manifests["worker_protocol"]["server_capabilities"]
    capabilities["long_poll_timeout"] = figures.poll_timeout_s
    manifests["worker_protocol"]["version"] = protocol
    manifests["client_compatibility"]["required_protocols"]["worker_protocol"]["version"] = protocol
    if figures.generation is Generation.V2:
        capabilities["worker_status"] |= {
            "heartbeat_interval_seconds": figures.heartbeat_interval_s,
            "stale_after_seconds": figures.stale_after_s,
        }
        negotiation = manifests["surface_stability_contract"]["worker_protocol"]["negotiation"]
        negotiation["accepted_request_versions_by_default"] = _accepted(protocol)
        negotiation["response_version"] = protocol
    finished: dict[str, Any] = _shortened(manifests) if figures.terse else manifests
    return finished


def _shortened(manifests: Mapping[str, Any]) -> dict[str, Any]:
    """Of each manifest its plain members, and those that say what workers may do."""
    return {name: _plain(manifest) for name, manifest in manifests.items()}


def _plain(manifest: Any) -> Any:
    if not isinstance(manifest, dict):
        return manifest
    kept = ("server_capabilities", "worker_protocol")
    return {k: v for k, v in manifest.items() if k in kept or not isinstance(v, dict | list)}


def _accepted(protocol: str) -> list[str]:
    major, _, minor = protocol.partition(".")
    if not minor.isdigit():
        return [protocol]
    return [f"{major}.{lower}" for lower in range(int(minor) + 1)]


@cache
def _cluster_info_members(figures: _Figures) -> str:
    return _members(_manifests(figures))


def cluster_info_members(settings: ServerSettings) -> str:
    """The JSON members that cluster info shows of every node with these figures."""
    return _cluster_info_members(_figures(settings))


@cache
def _worker_plane_members(figures: _Figures) -> str:
    capabilities = _manifests(figures)["worker_protocol"]["server_capabilities"]
    return _members({"protocol_version": figures.protocol, "server_capabilities": capabilities})


def worker_plane_members(settings: ServerSettings) -> str:
    """The JSON members that every worker-plane answer carries."""
    return _worker_plane_members(_figures(settings))


def _members(value: Mapping[str, object]) -> str:
    return json.dumps(value, separators=(",", ":"))[1:-1]

"""Namespaces, and how they are shown."""

from __future__ import annotations

from rollout_kit.emulator.model.moments import offset
from rollout_kit.emulator.model.records import Namespace
from rollout_kit.emulator.model.settings import Generation


def row(
    namespace: Namespace, generation: Generation, *, created: bool = False
) -> dict[str, object]:
    """A namespace as lists and its own path show it; the answer to a creation has less."""
    shown: dict[str, object] = {
        "name": namespace.name,
        "description": namespace.description,
        "retention_days": namespace.retention_days,
        "status": namespace.status,
        "external_payload_storage": None,
        "created_at": offset(namespace.created_us),
    }
    if generation is Generation.V2:
        shown["retention_mode"] = "days"
    if not created:
        shown["updated_at"] = offset(namespace.updated_us)
    return shown

"""A stack's exported state as a picture: what the engine recorded, judged by nobody yet. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from rollout_kit.drivers.pulumi.api import Pending, Picture, Resource
from rollout_kit.ports.errors import Incompatible

SIGNATURE = "4dabf18193072939515e22adb298388d"
"""The key by which a recorded value says that it is more than JSON; a secret, for one."""
SECRET = "1b47061264138c4ac30d75fd1eb44270"
MASKED = "[secret]"
_ROOT = "pulumi:pulumi:Stack"


def picture(text: str) -> Picture:
    """Read what `stack export` printed. Raises Incompatible: it is no such thing."""
    try:
        deployment = json.loads(text)["deployment"]
        resources = tuple(_resource(item) for item in deployment.get("resources") or [])
        pending = tuple(_pending(item) for item in deployment.get("pending_operations") or [])
        roots = [item for item in deployment.get("resources") or [] if item["type"] == _ROOT]
        return Picture(
            resources=resources,
            pending=pending,
            hash=state_hash(resources),
            written_at=str((deployment.get("manifest") or {}).get("time", "")),
            outputs=_without_secrets(roots[0].get("outputs") or {}) if roots else {},
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Incompatible(
            f"the exported state of the stack cannot be read: {type(error).__name__}: {error}",
            why="Without it nobody knows what an interrupted update has left.",
            hint="Look at it with `pulumi stack export`.",
        ) from None


def _pending(item: Mapping[str, Any]) -> Pending:
    resource = item["resource"]
    return Pending(
        urn=str(resource["urn"]),
        act=str(item["type"]),
        type=str(resource.get("type", "")),
        facts=known_by(str(resource.get("type", "")), resource.get("inputs") or {}),
    )


def known_by(type_: str, inputs: Mapping[str, Any]) -> dict[str, str]:
    """What an object is known by in the world: of a Kubernetes object its kind and its name."""
    metadata = inputs.get("metadata")
    if not type_.startswith("kubernetes:") or not isinstance(metadata, dict):
        return {}
    facts = {
        "apiVersion": inputs.get("apiVersion"),
        "kind": inputs.get("kind"),
        "namespace": metadata.get("namespace"),
        "name": metadata.get("name"),
    }
    return {name: value for name, value in facts.items() if isinstance(value, str)}


def _resource(item: Mapping[str, Any]) -> Resource:
    return Resource(
        urn=str(item["urn"]),
        type=str(item["type"]),
        id=str(item.get("id", "")),
        inputs=_digest(_without_secrets(item.get("inputs") or {})),
        not_ready=tuple(str(text) for text in item.get("initErrors") or ()),
        left_over=bool(item.get("delete", False)),
    )


def state_hash(resources: Sequence[Resource]) -> str:
    """Over urn, id and inputs of every resource, in no order."""
    rows = sorted((item.urn, item.id, item.inputs, item.left_over) for item in resources)
    return _digest(rows)


def _digest(value: object) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _without_secrets(value: Any) -> Any:
    """Ciphertexts differ from one export to the next, and are nobody's business."""
    match value:
        case dict():
            if value.get(SIGNATURE) == SECRET:
                return MASKED
            return {key: _without_secrets(item) for key, item in value.items()}
        case list():
            return [_without_secrets(item) for item in value]
        case _:
            return value

"""The plans that are benched, as text: YAML that is JSON, so that nothing needs quoting rules."""

from __future__ import annotations

import json
from collections.abc import Mapping

FROM, TO = "2.3.14", "2.4.0"
OLD_IMAGE, NEW_IMAGE = "server:old", "server:new"
TARGET = "bench"


def cutover(
    url: str,
    nodes: Mapping[str, str],
    *,
    fleet: str,
    gate: Mapping[str, object] | None = None,
    bootstrap: bool = False,
) -> str:
    """One node after the other from FROM to TO, without a bake; `gate` is judged after each."""
    api: dict[str, object] = {
        "id": "api",
        "uses": "api-cutover",
        "with": {"order": list(nodes), "bake": "0s", "within": "60s"},
    }
    schema = {"id": "schema", "uses": "bootstrap", "with": {"additive": True}}
    plan: dict[str, object] = {
        "version": 1,
        "name": "bench",
        "target": {
            "name": TARGET,
            "engine": "durable-workflow",
            "url": url,
            "namespace": "default",
            "credentials": {
                "operator": "${env:DW_OPERATOR_TOKEN}",
                "admin": "${env:DW_ADMIN_TOKEN}",
            },
            "nodes": [{"name": name, "url": address} for name, address in nodes.items()],
        },
        "infra": {"driver": "process", "fleet": fleet},
        "release": {"server": {"from": FROM, "to": TO, "image": NEW_IMAGE, "identity": "version"}},
        "steps": [*([schema] if bootstrap else []), api],
        "on_failure": "rollback",
    }
    if gate is not None:
        plan["gates"] = {"judged": gate}
        api["gates"] = ["judged"]
    return json.dumps(plan, indent=1) + "\n"

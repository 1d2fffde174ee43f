"""Which resources differ between two renderings, and where in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tests.infra.rendering import Rendered

ABSENT = object()


def changed(before: Rendered, after: Rendered) -> set[str]:
    """URNs of what an update from one to the other would create, change or delete."""
    urns = {*before.resources, *after.resources}
    return {urn for urn in urns if before.resources.get(urn) != after.resources.get(urn)}


def paths(before: Any, after: Any, here: str = "") -> Iterator[str]:
    """The places where two values differ, spelled as a preview spells them."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in sorted({*before, *after}):
            there = f"{here}.{key}" if here else key
            yield from paths(before.get(key, ABSENT), after.get(key, ABSENT), there)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, pair in enumerate(zip(before, after, strict=True)):
            yield from paths(*pair, f"{here}[{number}]")
    elif before != after:
        yield here


def changed_paths(before: Rendered, after: Rendered, urn: str) -> list[str]:
    """As `paths`, of one resource's inputs."""
    return list(paths(before.resources[urn].inputs, after.resources[urn].inputs))


def pod_templates(rendered: Rendered) -> dict[str, Mapping[str, Any]]:
    """Every pod template, by its owner's kind and name."""
    return {
        f"{item['kind']}/{item['metadata']['name']}": item["spec"]["template"]
        for item in rendered.objects
        if "template" in item.get("spec", {})
    }

"""What belongs together in a fleet file, beyond its schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rollout_kit.document.codes import Code
from rollout_kit.document.diagnostics import Finding, did_you_mean, known_names
from rollout_kit.document.nodes import Node as TreeNode
from rollout_kit.document.nodes import Path as Place
from rollout_kit.document.nodes import locate
from rollout_kit.drivers.process.placeholders import unknown_placeholders

_EVERYWHERE = frozenset({"python", "folder", "image"})
_OF_NODES = _EVERYWHERE | {"node", "host", "port"}
_OF_WORKERS = _EVERYWHERE | {"namespace", "task_queue", "build_id"}
_OF_JOBS = _EVERYWHERE | {"revision"}


def check(document: Mapping[str, Any], root: TreeNode) -> Iterator[Finding]:
    """What belongs together."""
    for place, image in _images_named(document):
        if image not in document["images"]:
            yield Finding(
                code=Code.MISSING_IMAGE,
                summary="Unknown image",
                detail=f'"{image}" is not among the images: {known_names(document["images"])}.',
                hint=did_you_mean(image, document["images"]),
                at=locate(root, place),
            )
    for place, argv, known in _programs(document):
        for index, element in enumerate(argv):
            for problem in unknown_placeholders(element, known):
                yield Finding(
                    code=Code.BAD_REFERENCE,
                    summary="Placeholder cannot be filled",
                    detail=problem,
                    hint="Known here: " + ", ".join(f"{{{name}}}" for name in sorted(known)),
                    at=locate(root, (*place, index)),
                )
    yield from _check_addresses(document, root)
    for index, entry in enumerate(document.get("cohorts", ())):
        for number, build in enumerate(entry.get("builds", ())):
            if ("build_id" in build) == ("unversioned" in build):
                yield Finding(
                    code=Code.UNVERSIONED,
                    summary="Cohort without a name",
                    detail="A cohort has either a `build_id` or `unversioned: true`.",
                    at=locate(root, ("cohorts", index, "builds", number)),
                )


def _check_addresses(document: Mapping[str, Any], root: TreeNode) -> Iterator[Finding]:
    listening: list[tuple[str, Place, Mapping[str, Any]]] = [
        (name, ("nodes", name, "port"), entry) for name, entry in document["nodes"].items()
    ]
    if "front" in document:
        listening.append(("the front", ("front", "port"), document["front"]))
    first: dict[tuple[str, int], str] = {}
    for name, place, entry in listening:
        address = (entry.get("host", "127.0.0.1"), entry["port"])
        if address in first:
            yield Finding(
                code=Code.DUPLICATE_NAME,
                summary="Address is used twice",
                detail=f"{address[0]}:{address[1]} is already the address of {first[address]}.",
                at=locate(root, place),
            )
        first.setdefault(address, name)


def _images_named(document: Mapping[str, Any]) -> Iterator[tuple[Place, str]]:
    for name, entry in document["nodes"].items():
        yield ("nodes", name, "image"), entry["image"]
    if "scheduler" in document:
        yield ("scheduler", "image"), document["scheduler"]["image"]
    for name, entry in document.get("maintenance", {}).items():
        yield ("maintenance", name, "image"), entry["image"]
    for index, entry in enumerate(document.get("cohorts", ())):
        for number, build in enumerate(entry.get("builds", ())):
            yield ("cohorts", index, "builds", number, "image"), build["image"]


def _programs(document: Mapping[str, Any]) -> Iterator[tuple[Place, list[str], frozenset[str]]]:
    yield ("node_template", "argv"), document.get("node_template", {}).get("argv", []), _OF_NODES
    for name, entry in document["nodes"].items():
        yield ("nodes", name, "argv"), entry.get("argv", []), _OF_NODES
    if "scheduler" in document:
        yield ("scheduler", "argv"), document["scheduler"]["argv"], _EVERYWHERE
    for name, entry in document.get("maintenance", {}).items():
        yield ("maintenance", name, "argv"), entry["argv"], _EVERYWHERE
    for index, entry in enumerate(document.get("cohorts", ())):
        yield ("cohorts", index, "argv"), entry["argv"], _OF_WORKERS
    for name, entry in document.get("jobs", {}).items():
        yield ("jobs", name, "argv"), entry["argv"], _OF_JOBS
    for name, entry in document.get("processes", {}).items():
        yield ("processes", name, "argv"), entry["argv"], _EVERYWHERE - {"image"}
    for name, entry in document["images"].items():
        known = _OF_NODES | _OF_WORKERS | _OF_JOBS
        yield ("images", name, "argv"), entry.get("argv", []), known - {"image"}

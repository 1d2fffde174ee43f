"""Images by what they show: a node tells its version, never the image that it was started from. Pure."""

from __future__ import annotations

from rollout_kit.document.plan import Identity, PlanDocument
from rollout_kit.model.observation import show
from rollout_kit.ports.engine import ClusterInfo

SERVER = "server "
WORKERS = "workers of "
UNKNOWN = "as it runs now"


def shown_by(document: PlanDocument, info: ClusterInfo) -> str:
    """The evidence that tells versions apart, as this node shows it."""
    server = document.release.server
    if server is not None and server.identity is Identity.PROVENANCE and info.provenance:
        return info.provenance.rpartition("@")[2].partition("#")[0]
    return info.version


def image_of(document: PlanDocument, shown: str) -> str:
    """The plan's name of the image that shows this; where it has none, the version itself is one."""
    server = document.release.server
    if server is not None and shown == server.to:
        return server.image
    if server is not None and shown == server.from_ and server.from_image:
        return server.from_image
    return f"{SERVER}{shown}"


def evidence_of(document: PlanDocument, image: str) -> str:
    """What a node with this image shows: the inverse of `image_of`, in words."""
    server = document.release.server
    what = "ref" if server is not None and server.identity is Identity.PROVENANCE else "version"
    if image.startswith(SERVER):
        return f"{what} {image.removeprefix(SERVER)}"
    if server is not None and image == server.image:
        return f"{what} {server.to}"
    if server is not None and image == server.from_image:
        return f"{what} {server.from_}"
    return f"image {image}"


def in_words(document: PlanDocument, image: str, marker: str | None) -> str:
    """A server process for people: its image, what that shows, its marker."""
    evidence = evidence_of(document, image)
    named = image.startswith(SERVER) or image == UNKNOWN or evidence.startswith("image ")
    told = image if image == UNKNOWN else evidence if named else f"image {image} ({evidence})"
    return f"{told}, marker {show(marker)}"


def worker_image(document: PlanDocument, build_id: str | None) -> str:
    """The image that the plan names for a build, or words that stand for it."""
    for worker in document.release.workers:
        if worker.to is not None and worker.to == build_id and worker.image:
            return worker.image
    return f"{WORKERS}{build_id or '(unversioned)'}"

"""Whether what is released can be told from what it replaces."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rollout_kit.document.codes import Code
from rollout_kit.document.diagnostics import Severity, did_you_mean
from rollout_kit.document.nodes import Path
from rollout_kit.document.sections import Problem, entries, mapping, plain_steps, releases, word

_UNVERSIONED_HINT = (
    "Moving off unversioned workers takes a first cutover, which this version does not know:"
    " a queue where they are alive is refused."
)


def check_release(document: Mapping[str, object]) -> Iterator[Problem]:
    """Judge `release` as a whole."""
    yield from _check_server(document)
    yield from _check_manual(document)
    yield from _check_workers(document)
    yield from _check_unversioned(document)


def _check_server(document: Mapping[str, object]) -> Iterator[Problem]:
    server = mapping(mapping(document.get("release")).get("server"))
    path: Path = ("release", "server")
    before, after = word(server.get("from")), word(server.get("to"))
    identity = server.get("identity", "version")
    if identity == "infra" and mapping(document.get("infra")).get("driver") == "manual":
        yield Problem(
            path=(*path, "identity"),
            code=Code.IDENTITY,
            summary="Nothing can tell old from new",
            detail="`identity: infra` tells nodes apart by the image that the driver sees, and"
            " `driver: manual` sees none: a person changes the fleet.",
            hint="Write identity: version, or provenance where images of one version follow each other.",
        )
    if identity == "infra" and "from_image" not in server:
        yield Problem(
            path=(*path, "identity"),
            code=Code.MISSING_IMAGE,
            summary="Missing image",
            detail="`identity: infra` tells nodes apart by image, and `from_image` is not given.",
            hint="Add from_image: the image that the nodes run now.",
        )
    image = word(server.get("image"))
    if image is not None and image == word(server.get("from_image")):
        yield Problem(
            path=(*path, "from_image"),
            code=Code.RESTART,
            summary="Nothing tells old from new",
            detail=f'`from_image` and `image` are both "{image}".',
            hint="Give each by its digest.",
        )
    if before is None or before != after:
        return
    if identity != "infra":
        yield Problem(
            path=(*path, "to"),
            code=Code.RESTART,
            summary="Nothing tells old from new",
            detail=f"`from` and `to` are both {before}, a restart, and `identity` is {identity}:"
            " a node that was replaced would look like one that was not.",
            hint="Write identity: infra and give image and from_image by digest.",
        )
    for step in plain_steps(document):
        if step.uses == "bootstrap":
            yield Problem(
                path=(*step.path, "uses"),
                code=Code.RESTART,
                summary="Restart with a bootstrap",
                detail=f"Step {step.id} brings the schema to {after}, which is what runs already.",
                hint="Leave the step out.",
            )


def _check_manual(document: Mapping[str, object]) -> Iterator[Problem]:
    """Nothing but the server can be asked, and what a node pins new runs to takes the admin token."""
    credentials = mapping(mapping(document.get("target")).get("credentials"))
    manual = mapping(document.get("infra")).get("driver") == "manual"
    if manual and "operator" in credentials and "admin" not in credentials:
        yield Problem(
            path=("target", "credentials"),
            code=Code.MISSING_KEY,
            summary="Missing key",
            detail="With `driver: manual` a node's own answers stand for its spec, and its marker"
            " is read with the admin token, which `credentials` does not name.",
            hint='Add admin: "${env:DW_ADMIN_TOKEN}".',
        )


def _check_workers(document: Mapping[str, object]) -> Iterator[Problem]:
    target = mapping(document.get("target"))
    own = word(target.get("namespace"))
    known = {own, *(word(one) for one in entries(target.get("namespaces")))} - {None}
    reached: dict[tuple[str | None, str], str] = {}
    for path, entry in releases(document):
        queue, namespace = word(entry.get("task_queue")), word(entry.get("namespace")) or own
        before, after = word(entry.get("from")), word(entry.get("to"))
        if namespace is not None and own is not None and namespace not in known:
            yield Problem(
                path=(*path, "namespace"),
                code=Code.UNKNOWN_VALUE,
                summary="Unknown value",
                detail=f'"{namespace}" is none of the namespaces that this plan may touch.',
                hint=did_you_mean(namespace, (str(one) for one in known))
                or "Add it to target.namespaces.",
            )
        if before is not None and before == after:
            yield Problem(
                path=(*path, "to"),
                code=Code.SAME_BUILD,
                summary="Same build",
                detail=f'`from` and `to` of {queue} are both "{after}": the two cohorts could'
                " not be told apart.",
                hint="Give the rebuild its own build id and let it serve the old: serves: [old].",
            )
        if queue is None or after is None:
            continue
        if (namespace, queue) in reached:
            yield Problem(
                path=(*path, "task_queue"),
                code=Code.DUPLICATE_NAME,
                summary="Name is given twice",
                detail=f"{queue} is to reach {reached[namespace, queue]} and {after}.",
                hint="Keep one `to`; an entry without `to` declares a further build.",
            )
        reached[namespace, queue] = after


def _check_unversioned(document: Mapping[str, object]) -> Iterator[Problem]:
    places = [((*path, "from"), entry.get("from")) for path, entry in releases(document)]
    for step in plain_steps(document):
        places.append(((*step.path, "with", "cohort"), step.arguments.get("cohort")))
    for path, cohort in places:
        if "unversioned" in mapping(cohort):
            yield Problem(
                path=path,
                code=Code.UNVERSIONED,
                summary="Unversioned cohort",
                detail="This names the workers without a build id.",
                hint=_UNVERSIONED_HINT,
                severity=Severity.WARNING,
            )

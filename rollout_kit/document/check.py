"""What belongs together in a plan, judged without any fleet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rollout_kit.document.check_conditions import check_conditions
from rollout_kit.document.check_release import check_release
from rollout_kit.document.check_steps import check_steps
from rollout_kit.document.codes import Code
from rollout_kit.document.sections import Problem, entries, mapping, plain_steps, word

_NEED_INFRA = frozenset(
    {"bootstrap", "api-cutover", "scheduler-handover", "worker-canary", "drain", "restore"}
)


def check(document: Mapping[str, object]) -> list[Problem]:
    """Find what contradicts itself; the document may break its schema as well."""
    return [
        *check_target(document),
        *check_release(document),
        *check_conditions(document),
        *check_steps(document),
        *check_rollback(document),
    ]


def check_target(document: Mapping[str, object]) -> Iterator[Problem]:
    """Nodes are told apart, and steps that move processes have something to move them with."""
    target = mapping(document.get("target"))
    yield from _check_nodes(target)
    if "infra" in document:
        return
    for step in plain_steps(document):
        if step.uses in _NEED_INFRA:
            yield Problem(
                path=(*step.path, "uses"),
                code=Code.MISSING_SECTION,
                summary="Missing section",
                detail=f"Step {step.id} ({step.uses}) moves processes, and the plan has no `infra`.",
                hint="Add infra: {driver: process, fleet: fleet.yaml}.",
            )
            return


def _check_nodes(target: Mapping[str, object]) -> Iterator[Problem]:
    names: set[str] = set()
    urls: dict[str, str] = {}
    nodes = [mapping(node) for node in entries(target.get("nodes"))]
    if len(nodes) > 1 and (front := word(target.get("url"))) is not None:
        urls[front.rstrip("/")] = "the whole target"
    for index, node in enumerate(nodes):
        path = ("target", "nodes", index)
        name, url = word(node.get("name")), word(node.get("url"))
        if name is not None and name in names:
            yield Problem(
                path=(*path, "name"),
                code=Code.DUPLICATE_NAME,
                summary="Name is given twice",
                detail=f'There are two nodes "{name}"; steps could not tell them apart.',
            )
        if url is not None and (other := urls.get(url.rstrip("/"))):
            yield Problem(
                path=(*path, "url"),
                code=Code.DUPLICATE_NAME,
                summary="Address is given twice",
                detail=f"This is the address of {other} as well: one would be judged for the other.",
                hint="Give the address at which this node alone answers.",
            )
        if name is not None:
            names.add(name)
        if url is not None:
            urls.setdefault(url.rstrip("/"), f"node {name}")


def check_rollback(document: Mapping[str, object]) -> Iterator[Problem]:
    """`forward_only` means that nothing else in the plan counts on a rollback."""
    rollback = mapping(document.get("rollback"))
    if "forward_only" not in rollback:
        return
    for key in rollback.keys() - {"forward_only"}:
        yield Problem(
            path=("rollback", key),
            code=Code.FORWARD_ONLY,
            summary="Forward only",
            detail=f"`{key}` says how a rollback goes, and `forward_only` that there is none.",
            at_key=True,
        )
    places = [((), document), *((step.path, step.entry) for step in plain_steps(document))]
    for path, entry in places:
        chosen = word(entry.get("on_failure"))
        if chosen in {"rollback", "abort"}:
            yield Problem(
                path=(*path, "on_failure"),
                code=Code.FORWARD_ONLY,
                summary="Forward only",
                detail=f"`on_failure` is {chosen}, and with `forward_only` a failure can only hold.",
                hint="Leave it out, or write hold.",
            )

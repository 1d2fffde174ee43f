"""`api-cutover`: replace the API nodes one at a time, each judged before the next; maintenance last."""

from __future__ import annotations

from collections.abc import Iterator

from rollout_kit.document.plan import ApiCutoverStep, Identity, ServerRelease, Step, StepKind
from rollout_kit.model.capability import Capability
from rollout_kit.model.observation import Absent, maintenance_fact
from rollout_kit.model.operation import Operation
from rollout_kit.operations.kinds.replace_maintenance import ReplaceMaintenanceArguments
from rollout_kit.operations.skew import shown
from rollout_kit.operations.specs import parse
from rollout_kit.planning.api import Expansion, Problem, World
from rollout_kit.planning.draft import staged
from rollout_kit.planning.node_group import NodeChange, node_group, rotation_problems
from rollout_kit.planning.unit import after_unit, operation, part


class ApiCutoverPlanner:
    uses = StepKind.API_CUTOVER.value

    def expand(self, step: Step, world: World) -> Expansion:
        given = step.with_
        assert isinstance(given, ApiCutoverStep)
        server = world.document.release.server
        if server is None:
            return Expansion(problems=(_NO_RELEASE,))
        marker, problems = _marker(given, world)
        change = NodeChange(
            within_s=given.within_s,
            image=server.image,
            set_marker=given.promote,
            marker=marker,
        )
        operations: list[Operation] = []
        for node in given.order:
            group = node_group(step, world, node, change)
            follows = tuple(op.id for op in group)
            operations += group
            operations += after_unit(step, part(node), world, bake_s=given.bake_s, follows=follows)
        operations += _maintenance(step, world, server, given.within_s)
        problems += tuple(_indistinct(server, world, given.order))
        stages = staged(operations, world.observation, world.situation)
        if any(stage.writes for stage in stages):
            problems += rotation_problems(step, world, given.order)
        return Expansion(operations=tuple(operations), problems=problems, notes=_notes(world))


_NO_RELEASE = Problem(
    summary="Nothing to cut over to",
    detail="The plan has no release.server, so nobody knows what the nodes are to become.",
    hint="declare `release.server`",
)


def _maintenance(
    step: Step, world: World, server: ServerRelease, within_s: float
) -> Iterator[Operation]:
    for name in world.observation.maintenance():
        arguments = ReplaceMaintenanceArguments(
            name=name,
            image=server.image,
            base=parse(world.observation.get(maintenance_fact(name, "spec_json"))),
            revision=None if server.is_restart else server.revision,
        )
        path = f"maintenance/{part(name)}/replace"
        kind = "replace_maintenance"
        yield operation(step, world.document, path, kind, arguments, within_s=within_s)


def _marker(given: ApiCutoverStep, world: World) -> tuple[str | None, tuple[Problem, ...]]:
    """The marker that `promote: true` sets in the same restart: the one build that the release brings."""
    if not given.promote:
        return None, ()
    if Capability.MARKER_ROUTING not in world.capabilities:
        problem = Problem(
            summary="No marker to change",
            detail="`promote: true` changes the nodes' marker in the same restart, and this server"
            " does not route by markers: it would change nothing.",
            hint="leave it out, and promote with a `promote` or `worker-canary` step",
            rule=18,
        )
        return None, (problem,)
    builds = sorted({entry.to for entry in world.document.release.workers if entry.to is not None})
    if len(builds) == 1:
        return builds[0], ()
    problem = Problem(
        summary="No single marker to change to",
        detail="`promote: true` pins all new runs to one build, and the release brings"
        f" {', '.join(builds) or 'none'}.",
        hint="give every entry of `release.workers` the same `to`",
    )
    return None, (problem,)


def _indistinct(server: ServerRelease, world: World, order: tuple[str, ...]) -> Iterator[Problem]:
    """Rule 4, beforehand: a fleet whose evidence cannot tell `from` and `to` apart is refused."""
    why = ""
    match server.identity:
        case Identity.PROVENANCE:
            silent = [n for n in order if shown(world.live, n, server.identity) is None]
            why = f"{', '.join(silent)} shows no provenance" if silent else ""
        case Identity.VERSION if server.from_image is not None:
            liars = [node for node in order if _claims_to(world, node, server)]
            why = (
                f"{', '.join(liars)} runs image {server.from_image} and shows {server.to}"
                if liars
                else ""
            )
    if why:
        yield Problem(
            summary="Nothing tells old and new nodes apart",
            detail=f"identity is {server.identity.value}, and {why}: a node that came up wrong"
            " would be sent traffic.",
            hint="use `identity: infra` with an image named by digest, and `from_image`",
            rule=4,
        )


def _claims_to(world: World, node: str, server: ServerRelease) -> bool:
    image = world.live.node(node, "image")
    return image == server.from_image and world.live.node(node, "version") == server.to


def _notes(world: World) -> tuple[str, ...]:
    found = [
        f"not read, judged at apply: what {node} runs"
        for node in world.scope.nodes
        if isinstance(world.live.node(node, "spec_json"), Absent)
    ]
    if "maintenance" in world.situation.unread:
        reason = world.situation.unread["maintenance"]
        found.append(f"not read, judged at apply: which maintenance processes there are ({reason})")
    return tuple(found)

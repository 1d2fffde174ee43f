"""`bootstrap`: bring the schema to the release, once, and prove it."""

from __future__ import annotations

from rollout_kit.document.plan import BootstrapStep, Step, StepKind
from rollout_kit.model.operation import Operation
from rollout_kit.operations.kinds.await_nodes import AwaitNodesArguments
from rollout_kit.operations.schema import SchemaArguments
from rollout_kit.planning.api import Expansion, World
from rollout_kit.planning.order import server_change
from rollout_kit.planning.unit import after_unit, operation


class BootstrapPlanner:
    """Skew is looked at once more just before; the ledger's word counts, not the job's."""

    uses = StepKind.BOOTSTRAP.value

    def expand(self, step: Step, world: World) -> Expansion:
        given = step.with_
        assert isinstance(given, BootstrapStep)
        within_s = given.within_s
        schema = SchemaArguments(
            target=world.scope.target, revision=given.revision, image=given.image
        )
        ahead = SchemaArguments(
            target=world.scope.target, revision=given.revision, image=given.image, before=True
        )

        def act(
            name: str, kind: str, arguments: object, follows: tuple[str, ...] = ()
        ) -> Operation:
            return operation(
                step, world.document, name, kind, arguments, within_s=within_s, follows=follows
            )

        change = server_change(world.document)
        check = (act("check", "check_skew", change),) if change else ()
        pending = () if given.additive else (act("pending", "check_ledger", ahead),)
        run = act("run", "run_bootstrap", schema)
        ledger = act("ledger", "check_ledger", schema)
        wrote = (run.id, ledger.id)
        nodes = AwaitNodesArguments(nodes=world.scope.nodes)
        still = act("nodes", "await_nodes", nodes, wrote)
        notes = (
            () if change else ("not judged: which versions meet (the plan has no release.server)",)
        )
        gates = after_unit(step, "", world, bake_s=0, follows=wrote)
        return Expansion(operations=(*check, *pending, run, ledger, still, *gates), notes=notes)

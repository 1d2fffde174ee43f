"""What the world should look like now, and what of it does not. Pure."""

from __future__ import annotations

from urllib.parse import unquote

from rollout_kit.model.execution_plan import Scope
from rollout_kit.model.identity import QueueRef
from rollout_kit.model.observation import Difference, Facts, Observation, differences
from rollout_kit.model.request import PersonAsked
from rollout_kit.model.state import OperationState, RolloutState, Standing


def expected_facts(state: RolloutState) -> Facts:
    """The facts this rollout holds the world to: the baseline, as its own operations changed it.

    What an intended operation touches is ours until its group is complete, so it is left out.
    """
    if state.baseline is None:
        return {}
    facts = dict(state.baseline.observation.facts)
    for found in state.operations.values():
        if found.standing is Standing.COMPLETED:
            facts.update(found.facts)
    facts.update(state.accepted)
    open_ = _open_groups(state)
    ours = {path for found in state.operations.values() for path in _ours(found, open_)}
    ours |= {path for asked in state.asked.values() for path in _asked_for(state, asked)}
    left_out = Observation(facts=facts).only(ours).facts
    return {k: v for k, v in facts.items() if k not in left_out}


def drift(
    state: RolloutState, seen: Facts, *, within: tuple[str, ...] = ()
) -> tuple[Difference, ...]:
    """Differences that this rollout did not make; `within` narrows to fact paths or prefixes.

    Rule 17: a person's change to the fleet mid-rollout is noticed, and we stop.
    """
    expected = expected_facts(state)
    if within:
        expected = Observation(facts=expected).only(within).facts
    elif state.started is not None:
        scope = state.started.execution_plan.scope
        expected = {k: v for k, v in expected.items() if concerns(scope, k)}
    return differences(expected, seen)


def concerns(scope: Scope, fact: str) -> bool:
    """Whether the plan names or relies on it: not independent queues, nor other namespaces' own."""
    family, _, path = fact.partition("/")
    if family not in ("cohort", "queue"):
        return True
    namespace, task_queue, _ = path.split("/", 2)
    queue = QueueRef(namespace=unquote(namespace), task_queue=unquote(task_queue))
    if queue in scope.independent_queues:
        return False
    return queue.namespace == scope.namespace or queue in scope.queues


def matches(fact: str, paths: tuple[str, ...]) -> bool:
    """Whether the fact is one of these paths or lies below one that ends in `/`."""
    return any(fact == path or (path.endswith("/") and fact.startswith(path)) for path in paths)


def _ours(found: OperationState, open_groups: frozenset[str]) -> tuple[str, ...]:
    if found.intended is None:
        return ()
    group = found.operation.group if found.operation else None
    closed = group is None or group.id not in open_groups
    return () if found.standing is Standing.COMPLETED and closed else found.intended.touches


def _asked_for(state: RolloutState, asked: PersonAsked) -> tuple[str, ...]:
    """What a person was asked to change is theirs to move, from the asking until it is found done."""
    over = state.standing(asked.operation.id) in (Standing.COMPLETED, Standing.SKIPPED)
    return () if over else asked.touches


def _open_groups(state: RolloutState) -> frozenset[str]:
    """The groups with a member that is not decided yet, begun or not."""
    operations = state.started.execution_plan.operations if state.started else ()
    return frozenset(
        op.group.id
        for op in operations
        if op.group is not None
        and state.standing(op.id) not in (Standing.COMPLETED, Standing.SKIPPED)
    )


def group_members(state: RolloutState, group: str) -> tuple[str, ...]:
    """Ids of the group's operations, in the order of the plan or of the undo that carries them."""
    if state.started is None:
        return ()
    planned = [
        op.id
        for op in state.started.execution_plan.operations
        if op.group is not None and op.group.id == group
    ]
    return tuple(planned)


def open_group(state: RolloutState) -> str | None:
    """The group with an intent that is not complete: its gap stands open."""
    open_ = _open_groups(state)
    for intent in state.intents:
        found = state.operations.get(intent)
        operation = found.operation if found else None
        if operation is None or operation.group is None or intent.startswith("undo/"):
            continue
        if operation.group.id in open_:
            return operation.group.id
    return None

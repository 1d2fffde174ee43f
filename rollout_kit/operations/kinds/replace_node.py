"""Stop what runs as a node and start another spec in its place: image, marker, or both."""

from __future__ import annotations

from collections.abc import Sequence

from rollout_kit.model.observation import (
    BOOTSTRAP_REVISION,
    Facts,
    FactValue,
    Observation,
    node_fact,
    show,
)
from rollout_kit.model.operation import (
    Change,
    ChangeKind,
    Compensation,
    Done,
    Irreversible,
    Keep,
    Operation,
    Undo,
    Verification,
    Waiting,
)
from rollout_kit.model.situation import Situation
from rollout_kit.operations.api import Context, Readers, Seen, Writers
from rollout_kit.operations.arguments import arguments_of
from rollout_kit.operations.goal import goal_reached, nothing_to_do
from rollout_kit.operations.node_acts import AwaitNodeArguments, ReplaceNodeArguments, undoing
from rollout_kit.operations.node_identity import identity_before
from rollout_kit.operations.pace import pace
from rollout_kit.operations.reading import merged, read_node, read_others
from rollout_kit.operations.rotation import may_restart, unruled, why_not_ready
from rollout_kit.operations.schema import read_bootstrap, schema_ready
from rollout_kit.operations.specs import parse, runs_something, same, spec_facts
from rollout_kit.operations.supporters import may_carry, read_supporters
from rollout_kit.operations.work import read_work, under_way, unfinished, work_lost
from rollout_kit.ports.infra import ProcessSpec, ReplaceNode


class ReplaceNodeKind:
    """The before-image is the driver's spec; the undo starts exactly that one again."""

    kind = "replace_node"

    def observe(self, op: Operation, readers: Readers, now_s: float) -> Seen:
        args = _arguments(op)
        work = read_work(op, readers)
        looks = [read_node(args.node, readers, now_s, moving=under_way(op, work))]
        if unruled(args.node, looks[0].situation):
            looks.append(read_others(args.rotation.others, readers, now_s))
        now = parse(looks[0].observation.node(args.node, "spec_json"))
        if now is not None and args.target(now).marker != now.marker:
            looks.append(read_supporters(args.target(now).marker, readers, now_s))
        if args.revision is not None:
            looks.append(read_bootstrap(readers, args.revision, now_s))
        return merged(looks, now_s).beside(work)

    def preview(self, op: Operation, observation: Observation, situation: Situation) -> Change:
        args = _arguments(op)
        if goal_reached(op, observation):
            return nothing_to_do(f"{args.node} is there already")
        now = parse(observation.node(args.node, "spec_json"))
        if now is None:
            return Change(
                kind=ChangeKind.UPDATE,
                sentence=f"restart {args.node} with {_wanted(args)}",
                estimate_s=5.0,
                not_judged=(f"what {args.node} runs now",),
            )
        target = args.target(now)
        if same(target, now) and not work_lost(op, situation):
            return nothing_to_do(f"{args.node} runs {target.image}")
        return Change(
            kind=ChangeKind.UPDATE,
            sentence=f"restart {args.node}: {_difference(now, target)}",
            estimate_s=5.0,
        )

    def touches(self, op: Operation) -> tuple[str, ...]:
        return (node_fact(_arguments(op).node, ""),)

    def relies_on(self, op: Operation) -> tuple[str, ...]:
        return (BOOTSTRAP_REVISION,) if _arguments(op).revision is not None else ()

    def expect(self, op: Operation, observation: Observation) -> Observation:
        args = _arguments(op)
        now = parse(observation.node(args.node, "spec_json"))
        facts: dict[str, FactValue] = {}
        facts |= {node_fact(args.node, name): value for name, value in args.shows.items()}
        if now is not None:
            facts |= spec_facts(lambda name: node_fact(args.node, name), args.target(now))
        return observation.with_facts(facts)

    def ready_to_apply(self, op: Operation, seen: Seen, ctx: Context) -> Verification:
        """Out of rotation (rule 3), after its schema (rule 1), and with its marker served (rule 19)."""
        args = _arguments(op)
        now = parse(seen.observation.node(args.node, "spec_json"))
        if now is None and ctx.undoing and unruled(args.node, seen.situation):
            now = args.spec  # a node that tells what it is does not while it is down: back it goes
        if now is None:
            progress = f"the driver must say what {args.node} runs, to put it back"
            return Waiting(retry_after_s=pace(ctx), progress=progress)
        target = args.target(now)
        verdicts = [
            may_restart(args.rotation, seen, ctx),
            schema_ready(args.revision, seen.observation, ctx),
        ]
        if target.marker != now.marker and args.rotation.others:
            # Of a fleet of one nothing answers by now: it was judged before the node left.
            verdicts.append(may_carry(target.marker, args.node, args.pins, seen, ctx))
        return next((item for item in verdicts if not isinstance(item, Done)), Done())

    def apply(self, op: Operation, key: str, writers: Writers) -> None:
        args = _arguments(op)
        spec = args.spec or args.target(writers.infra.node_spec(args.node))
        writers.infra.begin(key, ReplaceNode(node=args.node, spec=spec))

    def verify(self, op: Operation, history: Sequence[Seen], ctx: Context) -> Verification:
        args, seen = _arguments(op), history[-1]
        if goal_reached(op, seen.observation):
            if seen.situation.node(args.node).ready:
                return Done(sentence=f"{args.node} is there already, attached and ready")
            progress = why_not_ready(args.rotation, seen)
            return Waiting(retry_after_s=pace(ctx), progress=progress)
        waiting = unfinished(op, seen.situation, ctx)
        if waiting is not None:
            return waiting
        now = parse(seen.observation.node(args.node, "spec_json"))
        if now is None or not same(args.target(now), now):
            progress = f"the driver does not record {_wanted(args)} for {args.node} yet"
            return Waiting(retry_after_s=pace(ctx), progress=progress)
        count = seen.situation.node(args.node).processes
        if count not in (1, None):
            progress = f"{args.node} has {count} processes, expected 1"
            return Waiting(retry_after_s=pace(ctx), progress=progress)
        return Done(sentence=f"{args.node} was restarted with {now.image}")

    def compensate(self, op: Operation, before: Facts) -> Compensation:
        args = _arguments(op)
        spec = parse(Observation(facts=before).node(args.node, "spec_json"))
        if spec is None:
            return Irreversible(reason=f"nobody said what {args.node} ran before")
        if not runs_something(spec):
            return Keep(reason=f"nothing ran as {args.node} before")
        identity = identity_before(args.node, before)
        back = ReplaceNodeArguments(
            rotation=args.rotation, spec=spec, shows=dict(identity.shows), pins=args.pins
        )
        there = AwaitNodeArguments(rotation=args.rotation, identity=identity)
        return Undo(
            restore=(undoing(op, "replace_node", back), undoing(op, "await_node", there)),
        )


def _arguments(op: Operation) -> ReplaceNodeArguments:
    return arguments_of(ReplaceNodeArguments, op)


def _wanted(args: ReplaceNodeArguments) -> str:
    if args.spec is not None:
        return args.spec.image
    parts = [f"image {args.image}"] if args.image else []
    parts += [f"marker {show(args.marker)}"] if args.set_marker else []
    return ", ".join(parts) or "the same image"


def _difference(now: ProcessSpec, target: ProcessSpec) -> str:
    before = now.image or "none"  # a killed replacement has left nothing there
    parts = [f"image {before} -> {target.image}"] if now.image != target.image else []
    if now.marker != target.marker:
        parts.append(f"marker {show(now.marker)} -> {show(target.marker)}")
    if now.environment != target.environment:
        names = sorted(
            name
            for name in {*now.environment, *target.environment}
            if now.environment.get(name) != target.environment.get(name)
        )
        parts.append(f"environment {', '.join(names)}")
    return ", ".join(parts) or "the same spec once more"

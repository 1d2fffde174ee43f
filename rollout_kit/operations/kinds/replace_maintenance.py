"""Give a maintenance process (an internal queue worker, a repair loop) another image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rollout_kit.model.observation import (
    BOOTSTRAP_REVISION,
    Absent,
    Facts,
    FactValue,
    Observation,
    maintenance_fact,
    show,
)
from rollout_kit.model.operation import (
    Change,
    ChangeKind,
    Compensation,
    Done,
    Irreversible,
    Keep,
    NeedsPerson,
    Operation,
    Undo,
    Verification,
    Waiting,
)
from rollout_kit.model.situation import Situation
from rollout_kit.operations.api import Context, Readers, Seen, Writers
from rollout_kit.operations.arguments import arguments_of
from rollout_kit.operations.asking import CANNOT
from rollout_kit.operations.endings import ended_by_itself
from rollout_kit.operations.goal import nothing_to_do
from rollout_kit.operations.maintenance import read_maintenance
from rollout_kit.operations.node_acts import undoing
from rollout_kit.operations.pace import pace
from rollout_kit.operations.reading import merged
from rollout_kit.operations.schema import read_bootstrap, schema_ready
from rollout_kit.operations.specs import changed, parse, runs_something, same, spec_facts
from rollout_kit.operations.work import read_work, unfinished, work_lost
from rollout_kit.ports.infra import ProcessSpec, SetMaintenance


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaceMaintenanceArguments:
    """`image=None` keeps the image; `spec` is all of it (undos); `base`: as in `ReplaceNodeArguments`."""

    name: str
    image: str | None = None
    spec: ProcessSpec | None = None
    base: ProcessSpec | None = None
    revision: str | None = None

    def target(self, now: ProcessSpec) -> ProcessSpec:
        if self.spec is not None:
            return self.spec
        before = now if runs_something(now) else (self.base or now)
        return changed(before, image=self.image, set_marker=False, marker=None)


class ReplaceMaintenance:
    kind = "replace_maintenance"

    def observe(self, op: Operation, readers: Readers, now_s: float) -> Seen:
        work = read_work(op, readers)
        args = _arguments(op)
        look = read_maintenance(readers, now_s)
        own = replace(look, observation=look.observation.only((maintenance_fact(args.name, ""),)))
        looks = [own]
        if args.revision is not None:
            looks.append(read_bootstrap(readers, args.revision, now_s))
        return merged(looks, now_s).beside(work)

    def preview(self, op: Operation, observation: Observation, situation: Situation) -> Change:
        args = _arguments(op)
        now = parse(_fact(observation, args.name, "spec_json"))
        if now is None:
            wanted = args.spec.image if args.spec is not None else args.image
            return Change(
                kind=ChangeKind.UPDATE,
                sentence=f"restart maintenance {args.name} with {wanted or 'the image that it has'}",
                estimate_s=5.0,
                not_judged=(f"what maintenance {args.name} runs now",),
            )
        target = args.target(now)
        if same(target, now) and not work_lost(op, situation):
            return nothing_to_do(f"maintenance {args.name} runs {target.image}")
        return Change(
            kind=ChangeKind.UPDATE,
            sentence=f"restart maintenance {args.name}: image {now.image} -> {target.image}",
            estimate_s=5.0,
        )

    def touches(self, op: Operation) -> tuple[str, ...]:
        return (maintenance_fact(_arguments(op).name, ""),)

    def relies_on(self, op: Operation) -> tuple[str, ...]:
        return (BOOTSTRAP_REVISION,) if _arguments(op).revision is not None else ()

    def expect(self, op: Operation, observation: Observation) -> Observation:
        args = _arguments(op)
        now = parse(_fact(observation, args.name, "spec_json"))
        if now is None:
            return observation
        facts = spec_facts(lambda name: maintenance_fact(args.name, name), args.target(now))
        return observation.with_facts(facts)

    def ready_to_apply(self, op: Operation, seen: Seen, ctx: Context) -> Verification:
        args = _arguments(op)
        if isinstance(_fact(seen.observation, args.name, "spec_json"), Absent):
            progress = f"the driver must say what maintenance {args.name} runs, to put it back"
            return Waiting(retry_after_s=pace(ctx), progress=progress)
        return schema_ready(args.revision, seen.observation, ctx)

    def apply(self, op: Operation, key: str, writers: Writers) -> None:
        args = _arguments(op)
        spec = args.spec or args.target(writers.infra.maintenance_specs()[args.name])
        writers.infra.begin(key, SetMaintenance(name=args.name, spec=spec))

    def verify(self, op: Operation, history: Sequence[Seen], ctx: Context) -> Verification:
        """The driver counts one process of it, and it is to run what was asked."""
        args, seen = _arguments(op), history[-1]
        waiting = unfinished(op, seen.situation, ctx)
        if waiting is not None:
            return waiting
        now = parse(_fact(seen.observation, args.name, "spec_json"))
        if now is None or not same(args.target(now), now):
            found = show(_fact(seen.observation, args.name, "image"))
            progress = f"maintenance {args.name} is to run {found} still"
            return Waiting(retry_after_s=pace(ctx), progress=progress)
        count = seen.situation.maintenance.get(args.name)
        if count == 1:
            return Done(sentence=f"maintenance {args.name} runs {now.image}")
        program = f"the program of maintenance {args.name}"
        ended = ended_by_itself(f"maintenance/{args.name}", program, history)
        if ended is not None and count == 0:
            return ended
        reason = seen.situation.unread.get(maintenance_fact(args.name, "processes"), "")
        if reason.startswith(CANNOT):
            return NeedsPerson(reason=f"whether maintenance {args.name} runs {now.image}: {reason}")
        text = reason or f"{count} processes, expected 1"
        return Waiting(retry_after_s=pace(ctx), progress=f"maintenance {args.name}: {text}")

    def compensate(self, op: Operation, before: Facts) -> Compensation:
        args = _arguments(op)
        spec = parse(_fact(Observation(facts=before), args.name, "spec_json"))
        if spec is None:
            return Irreversible(reason=f"nobody said what maintenance {args.name} ran before")
        if not runs_something(spec):
            return Keep(reason=f"nothing ran as maintenance {args.name} before")
        back = ReplaceMaintenanceArguments(name=args.name, spec=spec)
        return Undo(restore=(undoing(op, self.kind, back),))


def _arguments(op: Operation) -> ReplaceMaintenanceArguments:
    return arguments_of(ReplaceMaintenanceArguments, op)


def _fact(observation: Observation, name: str, attribute: str) -> FactValue:
    return observation.get(maintenance_fact(name, attribute))

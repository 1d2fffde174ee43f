"""A small world driven by hand, with one checker that looks on."""

from __future__ import annotations

import json
from dataclasses import replace

from rollout_kit.emulator.model.settings import Generation
from rollout_kit.model.events import Event, OperationIntended, RolloutStarted
from rollout_kit.model.execution_plan import ExecutionPlan, Scope
from rollout_kit.model.operation import Keep, Operation
from rollout_kit.ports.infra import CohortSpec
from rollout_kit.simulation.checking import Checker, Ending, MakeChecker
from rollout_kit.simulation.effects import Effect, Happening, Journaled, Who
from rollout_kit.simulation.site import NEW, OLD, cohort
from rollout_kit.simulation.truth import Truth
from rollout_kit.simulation.world import World

QUEUE = "orders"
OLD_COHORT, NEW_COHORT = cohort(QUEUE, OLD), cohort(QUEUE, NEW)
UPGRADE = {"release": {"server": {"from": "2.3.14", "to": "2.4.0"}}}


class Watched:
    """Two nodes, a scheduler, a queue with two workers of the old build; nothing goes on by itself."""

    def __init__(
        self, make: MakeChecker, generation: Generation = Generation.V2, nodes: int = 2
    ) -> None:
        self.world = World(generation, nodes=nodes, queues=(QUEUE,), load=False)
        self.fleet, self.clock = self.world.fleet, self.world.clock
        self.truth = Truth(self.world)
        self.checker: Checker = make(self.truth)
        self.fleet.tell = lambda happening: self.checker.saw(happening, self.truth)
        self.records = 0

    def says(self, ending: Ending | None = None) -> list[str]:
        """What it found in the end, without where and when."""
        found = self.checker.finish(self.truth, ending or Ending(outcome=None))
        return [violation.sentence for violation in found]

    def happens(self, effect: Effect, who: Who = Who.TOOL, key: str = "") -> None:
        """Tell it of something that has no machine in this world."""
        happening = Happening(at_s=self.clock.elapsed_s, who=who, effect=effect, key=key)
        self.checker.saw(happening, self.truth)

    def journals(self, event: Event, fence: int = 1) -> None:
        self.happens(Journaled(sequence=self.records, fence=fence, event=event))
        self.records += 1

    def begins(self, plan: dict[str, object]) -> None:
        """The first record, with this document."""
        scope = Scope(target="t", namespace="default", nodes=(), namespaces=("default",), queues=())
        self.journals(
            RolloutStarted(
                rollout="r-1",
                plan="p",
                digest="d",
                document=json.dumps(plan),
                target="t",
                execution_plan=ExecutionPlan(scope=scope, operations=()),
                tool_version="0",
            )
        )

    def intends(self, kind: str, operation: str, key: str = "", **arguments: object) -> None:
        op = Operation(id=operation, kind=kind, step="s", arguments=arguments)
        self.journals(
            OperationIntended(
                operation=op,
                attempt=1,
                key=key,
                before={},
                undo=Keep(reason="by hand"),
                touches=(),
                expected={},
            )
        )

    def new_workers(self, number: int = 1, who: Who = Who.PERSON) -> None:
        """Workers of the new build, and time for them to register."""
        self.fleet.start_cohort(NEW_COHORT, CohortSpec(image="orders:new", replicas=number), who)
        self.clock.sleep(2.0)

    def scaled_to(self, number: int, who: Who = Who.TOOL, key: str = "") -> None:
        """The old workers."""
        spec = self.fleet.cohorts[OLD_COHORT].spec
        self.fleet.start_cohort(OLD_COHORT, replace(spec, replicas=number), who, key)

    def asks(self, act: str, build: str, who: Who = Who.TOOL) -> None:
        """Drain, resume or promote this build."""
        path = f"/api/task-queues/{QUEUE}/build-ids/{act}"
        answer = self.world.control("POST", path, {"build_id": build}, who=who)
        assert answer is not None
        assert answer.status == 200, answer.payload

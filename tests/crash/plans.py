"""The shipped plans, each over a fleet of its own: names of a simulated world, seconds for minutes."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from rollout_kit.document.plan import PlanDocument
from rollout_kit.emulator.model.settings import Generation
from rollout_kit.execution.executor import End
from rollout_kit.journal.memory_journal import MemoryStore as JournalStore
from rollout_kit.simulation.members import ServerImage
from rollout_kit.simulation.world import FROM, NEW, OLD, QUEUES, QUICK, TO, World, plans_folder
from tests.rollout.manual_fleet import Person, gitops

WAITED_OUT = re.compile(r"\b(for|bake): (\d+)m\b")
"""What is paid in full every time; what only bounds a wait stays as it is."""
OLD_BASE, NEW_BASE = (f"server@sha256:{digit * 64}" for digit in "ab")
NODE = re.compile(r'\{name: (api-\d), url: "\S+"\}')
DEFAULT = re.compile(r"\b(\w+): \{default: [^,}]+")
HERE = {
    "orders-2026-04-28-fix1": NEW,
    "name: orders-prod": "name: test",
    **{f"name: orders-{where}\n": "name: test\n" for where in ("host", "ecs", "nomad", "ansible")},
    "namespace: orders": "namespace: default",
    "orders-critical": "orders",
    "replicas: 6": "replicas: 2",
    "at_least: 6": "at_least: 2",
    "count: 50": "count: 2",
    "count: 20": "count: 2",
    "count: 5}": "count: 2}",
    ":8080": "",
    "METRICS_TOKEN": "DW_ADMIN_TOKEN",
    "  namespaces: [billing]": "",
    "    - {task_queue: orders-critical, from: orders-2026-03-30, serves: [orders-2026-03-23]}": "",
    "  independent_queues: [reports]": "",
}


COUNTS_HEARTBEATS = re.compile(
    r"^  new-workers-there: .*\n|, new-workers-there(?=\])", re.MULTILINE
)
"""A gate that no worker without heartbeats can pass."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A plan and its fleet. `every`: of its points, this many-th is tried where not all are.

    `old`, `new`: what the plan calls the builds. `forward_only`: no rollback is offered.
    `load`: new runs all the time, where workers without heartbeats have to be seen at work.
    """

    plan: str
    generation: Generation
    every: int = 1
    nodes: int = 2
    queues: tuple[str, ...] = ("orders",)
    old: str = "orders-2026-04-21"
    new: str = "orders-2026-04-28"
    forward_only: bool = False
    load: bool = False

    @property
    def name(self) -> str:
        return f"{self.plan}-{self.generation.value}"

    def world(self) -> World:
        """The fleet as it is before, with two runs under way."""
        world = World(
            self.generation,
            nodes=self.nodes,
            queues=self.queues,
            workers=2,
            load=self.load,
            calm=True,
        )
        if self.plan == "restart":
            _on_base(world, OLD_BASE)
        if self.plan == "restore":
            _promoted_by_hand(world)
        if self.plan == "gitops":
            Person(world).attend()
        for number, queue in enumerate(self.queues * 2):
            world.start(f"before-{number}", "short", queue)
        return world

    def document(self, world: World) -> PlanDocument:
        if self.plan == "rolling-upgrade":
            return world.document()
        if self.plan == "gitops":
            return gitops(world)
        text = (plans_folder() / f"{self.plan}.yaml").read_text(encoding="utf-8")
        text = NODE.sub(r'{name: \1, url: "http://\1"}', DEFAULT.sub(self._quick, text))
        given = {
            **HERE,
            "ghcr.io/acme/orders:2026-04-28-fix1": "orders:new",
            "ghcr.io/acme/orders:2026-04-28": "orders:new",
            "docker.io/durableworkflow/server:2.1.0": "server:new",
            "durableworkflow/server:2.1.0": "server:new",
            self.old: OLD,
            self.new: NEW,
            **self._versions(),
        }
        for theirs in sorted(given, key=len, reverse=True):
            text = text.replace(theirs, given[theirs])
        text = re.sub(r"durableworkflow/server@sha256:6f\w+", OLD_BASE, text)
        text = re.sub(r"durableworkflow/server@sha256:0b\w+", NEW_BASE, text)
        if self.generation is Generation.V0_2:
            text = COUNTS_HEARTBEATS.sub("", text)
        return world.read(WAITED_OUT.sub(r"\1: \2s", text))

    def _quick(self, default: re.Match[str]) -> str:
        """A variable of the plan as this world has it: its names, and seconds for minutes."""
        versions = {"server_from": FROM[self.generation], "server_to": TO[self.generation]}
        value = (QUICK | versions | {"queue": "orders"}).get(default[1])
        return f'{default[1]}: {{default: "{value}"' if value else default[0]

    def _versions(self) -> dict[str, str]:
        old, new = FROM[self.generation], TO[self.generation]
        return {'"2.0.0"': f'"{old}"', '"2.1.0"': f'"{old if self.plan == "restart" else new}"'}


def _on_base(world: World, image: str) -> None:
    for known in (OLD_BASE, NEW_BASE):
        world.images[known] = ServerImage(version=FROM[world.generation])
    for name, node in world.fleet.nodes.items():
        world.fleet.start_node(name, replace(node.spec, image=image))
    if world.fleet.scheduler is not None:
        world.fleet.scheduler = replace(world.fleet.scheduler, image=image)
    world.clock.sleep(2.0)


def _promoted_by_hand(world: World) -> None:
    """Somebody has put the new build into the place of the old one, and no journal tells of it."""
    weekly = Case(plan="workers-only", generation=world.generation)
    end, _ = world.apply(weekly.document(world))
    assert end is End.OVER
    world.journal = JournalStore()


def _both(plan: str, **more: object) -> tuple[Case, ...]:
    return tuple(Case(plan=plan, generation=g, **more) for g in Generation)  # type: ignore[arg-type]


SCRIPTS = (
    ("systemd", Generation.V2),
    ("ansible", Generation.V0_2),
    ("ecs", Generation.V2),
    ("nomad", Generation.V0_2),
)
CASES = (
    *_both("rolling-upgrade", every=83, nodes=3, queues=QUEUES),
    *_both("api-only", every=23),
    *_both("workers-only", every=23),
    *_both("hotfix-forward-only", every=23, old="orders-2026-04-28", new=NEW, forward_only=True),
    *_both("restart", every=11, nodes=1),
    Case(plan="restore", generation=Generation.V2, every=23),
    Case(plan="restore", generation=Generation.V0_2, every=47, load=True),
    *_both("smoke-then-approve", every=23),
    Case(plan="rolling-upgrade-kubernetes", generation=Generation.V2, every=83, nodes=3),
    # Four scripts, one plan: their drivers differ, and have tests of their own.
    *(
        Case(plan=f"command-{script}", generation=generation, every=167)
        for script, generation in SCRIPTS
    ),
    Case(plan="gitops", generation=Generation.V2, every=167, nodes=3, queues=QUEUES),
    Case(plan="gitops", generation=Generation.V0_2, every=167, nodes=3, queues=QUEUES, load=True),
)

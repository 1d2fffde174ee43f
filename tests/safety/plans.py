"""Small plans as text, with seconds where people write minutes; and what a rollout of one came to."""

from __future__ import annotations

from collections.abc import Iterable

from rollout_kit.document.plan import PlanDocument
from rollout_kit.emulator.model.settings import Generation
from rollout_kit.execution.executor import End
from rollout_kit.model.events import Outcome, RolloutHeld
from rollout_kit.model.state import RolloutState
from rollout_kit.simulation.world import FROM, NEW, OLD, TO, World

SCHEMA = "{id: schema, uses: bootstrap, with: {additive: true, within: 30s}}"
SCHEDULER = "{id: sched, uses: scheduler-handover, with: {within: 20s, gap_at_most: 30s}}"
VERIFY = "{id: verify, uses: verify}"
QUICK_GUARDS = "\n".join(
    f"  {name}: {{interval: 3s}}"
    for name in ("served", "supporters", "attached-ready", "repair-near-baseline")
)


def api(*, bake: str = "1s", within: str = "20s", more: str = "") -> str:
    return f"{{id: api, uses: api-cutover, with: {{bake: {bake}, within: {within}}}{more}}}"


def canary(
    *queues: str, stages: str = "[{share: 100%, bake: 1s}]", within: str = "30s", more: str = ""
) -> str:
    return (
        f"{{id: canary, uses: worker-canary, with: {{task_queue: [{', '.join(queues)}],"
        f" within: {within}, stages: {stages}}}{more}}}"
    )


SMOKE_THEN_ALL = "[{smoke: {workflow_type: ping, count: 1, timeout: 20s}}, {share: 100%, bake: 1s}]"


def drain(
    *queues: str, build: str = OLD, within: str = "40s", more: str = "", then: str = ""
) -> str:
    return (
        f"{{id: drain, uses: drain, with: {{task_queue: [{', '.join(queues)}], cohort: {build},"
        f" within: {within}{more}}}{then}}}"
    )


def worker(queue: str, *, replicas: int = 1, more: str = "") -> str:
    return (
        f"{{task_queue: {queue}, from: {OLD}, to: {NEW}, image: 'orders:new',"
        f" replicas: {replicas}{more}}}"
    )


def text(
    world: World,
    *steps: str,
    server: str | None = None,
    workers: Iterable[str] | None = None,
    target: str = "",
    release: str = "",
    gates: str = "",
    guards: str = QUICK_GUARDS,
    on_failure: str = "rollback",
    rollback: str = "{within: 40s}",
    admin: bool = True,
) -> str:
    """A plan of these steps for this world's fleet. `server=""`: its release has no server."""
    credentials = 'operator: "${env:DW_OPERATOR_TOKEN}"'
    if admin:
        credentials += ', admin: "${env:DW_ADMIN_TOKEN}"'
    nodes = "\n".join(f"    - {{name: {n}, url: 'http://{n}'}}" for n in world.fleet.nodes)
    if server is None:
        to, from_ = TO[world.generation], FROM[world.generation]
        server = f"{{from: '{from_}', to: '{to}', image: 'server:new', identity: version}}"
    workers = (worker(queue) for queue in world.queues) if workers is None else workers
    lines = [
        "version: 1",
        "name: walk",
        "target:",
        "  name: test",
        "  engine: durable-workflow",
        "  url: http://front",
        "  namespace: default",
        f"  credentials: {{{credentials}}}",
        "  nodes:",
        nodes,
        *(f"  {line}" for line in target.splitlines()),
        "infra: {driver: process, fleet: fleet.yaml}",
        "release:",
        f"  server: {server}" if server else "",
        *(f"  {line}" for line in release.splitlines()),
    ]
    entries = [f"    - {entry}" for entry in workers]
    lines += ["  workers:", *entries] if entries else []
    lines += ["gates:", gates] if gates else []
    lines += ["guards:", guards] if guards else []
    lines += ["steps:", *(f"  - {step}" for step in steps)]
    lines += [f"on_failure: {on_failure}"] if on_failure else []
    lines += [f"rollback: {rollback}"]
    return "\n".join(line for line in lines if line) + "\n"


def read(world: World, *steps: str, **sections: object) -> PlanDocument:
    return world.read(text(world, *steps, **sections))  # type: ignore[arg-type]


def problems(world: World, *steps: str, **sections: object) -> str:
    """What preview refuses this plan for, in one text; "" when it does not."""
    found = world.preview(read(world, *steps, **sections)).problems
    return "\n".join(f"[rule {p.rule}] {p.summary}: {p.detail} | {p.hint}" for p in found)


def outcome(state: RolloutState) -> Outcome:
    assert state.finished is not None, state.hold
    return state.finished.outcome


def sentence(state: RolloutState) -> str:
    assert state.finished is not None, state.hold
    return state.finished.sentence


def held(end: End, state: RolloutState) -> RolloutHeld:
    assert end is End.HELD, (end, state.finished)
    assert state.hold is not None
    return state.hold


def small(generation: Generation, **sides: object) -> World:
    """Two nodes, one queue, one old worker, no load: what most rules need."""
    given: dict[str, object] = {"nodes": 2, "queues": ("orders",), "workers": 1}
    calm: dict[str, object] = {"load": False, "calm": True}
    return World(generation, **{**given, **calm, **sides})  # type: ignore[arg-type]

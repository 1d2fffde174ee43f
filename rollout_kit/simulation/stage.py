"""The world of a scenario before its rollout: the fleet, its older builds, open runs, a flawed release."""

from __future__ import annotations

from dataclasses import replace

from rollout_kit.emulator.model.settings import Generation
from rollout_kit.ports.infra import CohortSpec
from rollout_kit.simulation.effects import Who
from rollout_kit.simulation.scenario import Flaw, Scenario
from rollout_kit.simulation.site import OLD, OLD_WORKERS, cohort
from rollout_kit.simulation.world import World

TOWED_S = 1.5
"""How long the fleet is given to settle after each change."""


def stage(scenario: Scenario) -> World:
    """Everything stands and works; nothing has failed yet."""
    topology = scenario.topology
    if scenario.theirs is not None:
        world = World(spec=scenario.theirs.fleet, load=False, calm=True)
        world.fleet.commands_fail = scenario.commands_fail
    else:
        world = World(
            topology.generation,
            nodes=topology.nodes,
            queues=topology.queue_names,
            workers=topology.workers,
            load=False,
            calm=True,
        )
    world.fleet.stop_takes_s = scenario.stop_takes_s
    for name, image in world.images.items():
        world.images[name] = replace(image, starts_in_s=scenario.starts_in_s)
    for build in topology.older_builds:
        _older(world, build, topology.older_runs)
    if topology.older:
        _give_starts_to(world, OLD)
    for number in range(topology.pinned_runs):
        queue = world.queues[number % len(world.queues)]
        world.start(f"weeks-{number}", "weeks", queue)
    _flaw(world, scenario.flaw)
    world.load = True
    world.load_every_s = topology.load_every_s
    world.clock.sleep(TOWED_S)
    return world


def _older(world: World, build: str, runs: int) -> None:
    """A build from before the current one, with runs of its own."""
    for queue in world.queues:
        world.fleet.start_cohort(
            cohort(queue, build), CohortSpec(image=OLD_WORKERS, replicas=1), Who.PERSON
        )
    world.clock.sleep(TOWED_S)
    _give_starts_to(world, build)
    for queue in world.queues:
        for number in range(runs):
            world.start(f"{build}-{queue}-{number}", "long", queue)


def _give_starts_to(world: World, build: str) -> None:
    if world.generation is Generation.V2:
        for queue in world.queues:
            path = f"/api/task-queues/{queue}/build-ids/promote"
            world.control("POST", path, {"build_id": build})
        return
    for name, node in list(world.fleet.nodes.items()):
        world.fleet.start_node(name, replace(node.spec, marker=build))
        world.fleet.nodes[name].up_at_s = 0.0


def _flaw(world: World, flaw: Flaw) -> None:
    """What is wrong with the new images. Read when something of them is started."""
    new = world.spec.new_image
    image = world.images[new]
    match flaw:
        case Flaw.NEVER_UP:
            world.images[new] = replace(image, comes_up=False)
        case Flaw.WRONG_VERSION:
            world.images[new] = replace(image, version="9.9.9")
        case Flaw.HANGING:
            hangs = frozenset({"short", "long"})
            world.fleet.hangs |= dict.fromkeys(world.spec.new_builds, hangs)
        case Flaw.BROKEN_MIGRATION:
            world.fleet.fail_job = "bootstrap"
        case Flaw.NONE:
            pass

"""Doing something once, at a moment of a rollout."""

from __future__ import annotations

from collections.abc import Callable

from rollout_kit.execution.executor import Executor
from rollout_kit.simulation.world import World


def when(world: World, moment: Callable[[], bool], act: Callable[[], object]) -> None:
    """Once, after the first sleep at which `moment` is true."""
    live = world.clock.glance

    def watch() -> None:
        live()
        if moment():
            world.clock.glance = live
            act()

    world.clock.glance = watch


def at_record(executor: Executor, operation: str, act: Callable[[], object], *, word: str) -> None:
    """Once, as soon as the record `word` of this operation is written: before anything follows it."""
    append = executor.append
    done: list[bool] = []

    def appending(event: object) -> None:
        append(event)  # type: ignore[arg-type]
        named = getattr(event, "operation", "")
        name = getattr(named, "id", named)
        if not done and (type(event).__name__, name) == (word, operation):
            done.append(True)
            act()

    executor.append = appending  # type: ignore[method-assign]


def replaced(world: World, node: str) -> Callable[[], bool]:
    return lambda: world.fleet.nodes[node].spec.image == "server:new"


def back(world: World, node: str) -> Callable[[], bool]:
    return lambda: replaced(world, node)() and world.fleet.nodes[node].attached

"""Which fleet stands in a world before its rollout, by the names and images that a plan calls them."""

from __future__ import annotations

from dataclasses import dataclass

from rollout_kit.emulator.model.settings import Generation


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortStanding:
    """Workers that are there. `selected`: the queue's new starts are theirs."""

    task_queue: str
    build_id: str | None
    image: str
    replicas: int
    selected: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetSpec:
    """The old fleet whole, and what is new: the servers' image, the workers' images and builds.

    `marker` is carried by nodes and scheduler. `serves`: for a build, others whose runs it replays.
    """

    generation: Generation
    nodes: tuple[str, ...]
    queues: tuple[str, ...]
    cohorts: tuple[CohortStanding, ...]
    old_image: str
    old_version: str
    new_image: str
    new_version: str
    marker: str | None = None
    scheduled: bool = True
    new_builds: tuple[str, ...] = ()
    worker_images: tuple[str, ...] = ()
    serves: tuple[tuple[str, tuple[str, ...]], ...] = ()

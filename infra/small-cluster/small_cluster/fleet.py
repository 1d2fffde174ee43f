"""The whole fleet, from the stack contract's keys to its output."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from operator import itemgetter
from typing import TypeVar

import pulumi

from rollout_kit.model.stack_contract import (
    NAMESPACE,
    VERSION,
    Given,
    Key,
    NodeWanted,
    Placed,
    SingletonWanted,
    Wanted,
    as_output,
    read_wanted,
)
from small_cluster import front, secrets
from small_cluster.cohort import Cohort
from small_cluster.job import JobRun
from small_cluster.naming import node_name, object_name
from small_cluster.node import ApiNode
from small_cluster.settings import Settings, read_settings
from small_cluster.singleton import MAINTENANCE, SCHEDULER, Singleton

T = TypeVar("T")


def fleet() -> None:
    """Makes every resource and exports the stack output `fleet`.

    Nothing here depends on anything else of the fleet, so that an update of one thing needs and
    moves no other.
    """
    config = pulumi.Config()
    settings = secrets.kept(config, read_settings(config))
    wanted = _wanted(settings)
    front.Front(settings)
    given = Given(
        contract=VERSION,
        reads=tuple(Key),
        nodes={
            name: ApiNode(node_name(name), settings, node).placed()
            for name, node in _sorted(wanted.nodes)
        },
        scheduler=None if wanted.scheduler is None else _scheduler(settings, wanted.scheduler),
        maintenance={
            name: _maintenance(name, settings, process)
            for name, process in _sorted(wanted.maintenance)
        },
        cohorts={
            path: Cohort(path, settings, cohort, front.url(settings)).placed()
            for path, cohort in _sorted(wanted.cohorts)
        },
        jobs={job: JobRun(job, settings, run).placed() for job, run in _sorted(wanted.jobs)},
    )
    pulumi.export(NAMESPACE, as_output(given))


def _wanted(settings: Settings) -> Wanted:
    """What the configuration says, and this program's own fleet where a key is not set."""
    config = pulumi.Config(NAMESPACE)
    values = {key.value: config.get_object(key.value) for key in Key if config.get(key.value)}
    wanted = read_wanted(values)
    if wanted.nodes is None:
        node = NodeWanted(image=settings.needed_image())
        wanted = replace(wanted, nodes=dict.fromkeys(settings.nodes, node))
    if Key.SCHEDULER.value not in values:
        wanted = replace(wanted, scheduler=SingletonWanted(image=settings.needed_image()))
    if wanted.maintenance is None:
        process = SingletonWanted(image=settings.needed_image())
        names = settings.maintenance_arguments
        wanted = replace(wanted, maintenance=dict.fromkeys(names, process))
    return wanted


def _scheduler(settings: Settings, wanted: SingletonWanted) -> Placed:
    run = settings.scheduler_arguments
    return Singleton(SCHEDULER, SCHEDULER, settings, wanted, run).placed()


def _maintenance(name: str, settings: Settings, wanted: SingletonWanted) -> Placed:
    run = settings.maintenance_arguments.get(name)
    if run is None:
        known = ", ".join(sorted(settings.maintenance_arguments))
        raise ValueError(
            f"maintenance process {name!r} is not in maintenance_arguments; there are {known}"
        )
    name = object_name(MAINTENANCE, name)
    return Singleton(name, MAINTENANCE, settings, wanted, run).placed()


def _sorted(section: Mapping[str, T] | None) -> list[tuple[str, T]]:
    return sorted((section or {}).items(), key=itemgetter(0))

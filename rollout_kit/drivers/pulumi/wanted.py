"""The keys of the stack contract: `Wanted`, and values as a program's author reads them. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import TypeAlias, TypeVar

from rollout_kit.drivers.pulumi.plain import Reading
from rollout_kit.model.identity import CohortRef
from rollout_kit.model.stack_contract import (
    CohortWanted,
    Given,
    JobWanted,
    Key,
    NodeWanted,
    Placed,
    SingletonWanted,
    Wanted,
    as_output,
)
from rollout_kit.ports.errors import Incompatible

T = TypeVar("T")


Known: TypeAlias = Mapping[str, Mapping[str, Mapping[str, object]]]
"""Entries as they stand now, by key and name (the scheduler's under ""), in their author's own form."""


def known(configuration: Mapping[str, object], given: Given) -> Known:
    """The recorded entries where a key is set, else what the output echoes."""
    scheduler = {"": given.scheduler} if given.scheduler else {}
    echoed: Mapping[Key, Mapping[str, Placed]] = {
        Key.NODES: given.nodes,
        Key.SCHEDULER: scheduler,
        Key.MAINTENANCE: given.maintenance,
        Key.COHORTS: given.cohorts,
        Key.JOBS: given.jobs,
    }
    found: dict[str, Mapping[str, Mapping[str, object]]] = {}
    for key, things in echoed.items():
        here = {name: placed.runs for name, placed in things.items() if placed.runs}
        value = _parsed(configuration.get(key.full))
        if isinstance(value, dict):
            here |= {"": value} if key is Key.SCHEDULER else value
        found[key.full] = here
    return found


def as_values(wanted: Wanted, known: Known | None = None) -> dict[str, object]:
    """Every key that is set, by its full name, as plain JSON in an author's own words.

    A `known` entry keeps its form, and only what changes is written into it: a program that takes
    its entries literally sees no other difference. A new one says everything, null for None.
    """
    values: dict[str, object] = {}
    for key in Key:
        section, before = getattr(wanted, key.value), (known or {}).get(key.full, {})
        if section is None:
            continue
        if key is Key.SCHEDULER:
            values[key.full] = _value(section, before.get(""), key)
        else:
            values[key.full] = {
                name: _value(section[name], before.get(name), key) for name in sorted(section)
            }
    return values


def _value(entry: object, before: Mapping[str, object] | None, key: Key) -> dict[str, object]:
    full = as_output(entry)
    assert isinstance(full, dict)
    if before is None:
        return full
    read = {
        Key.NODES: read_node,
        Key.SCHEDULER: read_singleton,
        Key.MAINTENANCE: read_singleton,
        Key.COHORTS: read_cohort,
        Key.JOBS: read_job,
    }[key]
    was = as_output(read(Reading(value=dict(before), place="")))
    assert isinstance(was, dict)
    return {**before, **{name: value for name, value in full.items() if was[name] != value}}


def from_values(values: Mapping[str, object]) -> Wanted:
    """What a stack's recorded configuration wants; other keys are the program's own.

    A value may be JSON already or JSON as text. Raises Incompatible with every problem.
    """
    problems: list[str] = []
    found: dict[str, Reading] = {}
    for key in Key:
        if key.full not in values:
            continue
        reading = Reading(value=_parsed(values[key.full]), place=key.full, problems=problems)
        found[key.value] = reading
    wanted = Wanted(
        nodes=_section(found.get(Key.NODES), read_node),
        scheduler=_scheduler(found.get(Key.SCHEDULER)),
        maintenance=_section(found.get(Key.MAINTENANCE), read_singleton),
        cohorts=_section(found.get(Key.COHORTS), read_cohort),
        jobs=_section(found.get(Key.JOBS), read_job),
    )
    if problems:
        raise Incompatible(
            "the stack's recorded configuration is not what this tool writes: "
            + "; ".join(problems),
            why="It would be written again, with what the plan changes.",
            hint="mend or remove these keys of the stack's configuration",
        )
    return wanted


def _parsed(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def _section(reading: Reading | None, read: Callable[[Reading], T]) -> dict[str, T] | None:
    if reading is None or not reading.expect_object():
        return None
    return {name: read(entry) for name, entry in reading.each()}


def _scheduler(reading: Reading | None) -> SingletonWanted | None:
    if reading is None or reading.value is None:
        return None
    return read_singleton(reading)


def read_node(entry: Reading) -> NodeWanted:
    """One entry of `fleet:nodes`."""
    entry.expect_object(tuple(item.name for item in fields(NodeWanted)))
    return NodeWanted(
        image=entry.text("image"),
        marker=entry.optional_text("marker"),
        attached=entry.flag("attached", True),
        server_id=entry.optional_text("server_id"),
        environment=entry.text_map("environment"),
    )


def read_singleton(entry: Reading) -> SingletonWanted:
    """`fleet:scheduler`, or one entry of `fleet:maintenance`."""
    entry.expect_object(tuple(item.name for item in fields(SingletonWanted)))
    return SingletonWanted(
        image=entry.text("image"),
        marker=entry.optional_text("marker"),
        running=entry.flag("running", True),
        environment=entry.text_map("environment"),
    )


def read_cohort(entry: Reading) -> CohortWanted:
    """One entry of `fleet:cohorts`; its three parts have to agree with its path."""
    entry.expect_object(tuple(item.name for item in fields(CohortWanted)))
    replicas = entry.count("replicas")
    if replicas is None:
        entry.at("replicas").problem("a whole number of 0 or more is needed")
    wanted = CohortWanted(
        namespace=entry.text("namespace"),
        task_queue=entry.text("task_queue"),
        build_id=entry.optional_text("build_id"),
        image=entry.text("image"),
        replicas=replicas or 0,
        at_least=entry.count("at_least"),
        at_most=entry.count("at_most"),
        environment=entry.text_map("environment"),
    )
    path = entry.place.removesuffix("/runs").split("/", 1)[-1]
    own = ref_of(wanted).path
    if not path.endswith(own):
        entry.problem(f"its parts say {own}")
    return wanted


def read_job(entry: Reading) -> JobWanted:
    """One entry of `fleet:jobs`."""
    entry.expect_object(tuple(item.name for item in fields(JobWanted)))
    return JobWanted(
        image=entry.text("image"), run=entry.text("run"), revision=entry.text("revision", "")
    )


def ref_of(wanted: CohortWanted) -> CohortRef:
    """The cohort that an entry is of."""
    return CohortRef(
        namespace=wanted.namespace, task_queue=wanted.task_queue, build_id=wanted.build_id
    )

"""The keys of the stack contract: `Wanted`, and values as a program's author reads them. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import TypeVar

from rollout_kit.drivers.pulumi.plain import Reading
from rollout_kit.model.identity import CohortRef
from rollout_kit.model.stack_contract import (
    CohortWanted,
    JobWanted,
    Key,
    NodeWanted,
    SingletonWanted,
    Wanted,
    as_output,
)
from rollout_kit.ports.errors import Incompatible

T = TypeVar("T")


def as_values(wanted: Wanted) -> dict[str, object]:
    """Every key that is set, by its full name, as plain JSON in an author's own words.

    What is None stands as null, so that nobody has to guess a default.
    """
    sections = {key: getattr(wanted, key.value) for key in Key}
    return {
        key.full: as_output(section) for key, section in sections.items() if section is not None
    }


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

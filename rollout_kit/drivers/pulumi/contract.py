"""The stack output `fleet` as JSON, and `Given`. It is somebody else's: nothing of it is trusted. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from rollout_kit.drivers.pulumi.plain import Reading, shown
from rollout_kit.drivers.pulumi.wanted import (
    read_cohort,
    read_job,
    read_node,
    read_singleton,
)
from rollout_kit.model.identity import CohortRef
from rollout_kit.model.stack_contract import VERSION, Given, InCluster, Key, Placed
from rollout_kit.ports.errors import Refused, Trouble

KINDS_IN_CLUSTER = ("StatefulSet", "Deployment", "Job")
URN = "urn:pulumi:"
SECRET = "[secret]"
"""What the engine shows in the place of a secret output."""
HINT = "see the stack contract: `docs/drivers.md`, section pulumi"
_OUTPUT = (
    "contract",
    "reads",
    "nodes",
    "scheduler",
    "maintenance",
    "cohorts",
    "jobs",
    "repeatable",
)
_PLACED = ("resources", "runs", "membership", "url", "in_cluster", "printed")
_IN_CLUSTER = (
    "kind",
    "namespace",
    "name",
    "container",
    "marker_variable",
    "port",
    "membership_label",
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenReading:
    """What came of reading an output: `given` where nothing is wrong, else every problem."""

    given: Given | None
    problems: tuple[str, ...]


def read_given(output: object) -> GivenReading:
    """Read the value of the stack output `fleet`. Every problem begins with its place in it."""
    top = Reading(value=output, place="")
    if output is None:
        return _nothing(top, 'the stack has no output "fleet"')
    if output == SECRET:
        return _nothing(top, "it is secret: what names resources must be readable")
    if not top.expect_object(_OUTPUT):
        return GivenReading(given=None, problems=tuple(top.problems))
    version = top.count("contract")
    if version != VERSION:
        top.at("contract").problem(f"this version reads {VERSION}, not {shown(version)}")
    scheduler = top.at("scheduler")
    given = Given(
        contract=VERSION,
        reads=_reads(top),
        nodes=_things(top.at("nodes"), read_node),
        scheduler=None if scheduler.value is None else _placed(scheduler, read_singleton),
        maintenance=_things(top.at("maintenance"), read_singleton),
        cohorts=_things(top.at("cohorts"), read_cohort, _is_path),
        jobs=_things(top.at("jobs"), read_job),
        repeatable=top.texts("repeatable"),
    )
    _claimed_twice(given, top)
    return GivenReading(given=None if top.problems else given, problems=tuple(top.problems))


def given_or_refused(output: object, program: str) -> Given:
    """As `read_given`. Raises Refused with everything that is wrong."""
    reading = read_given(output)
    if reading.given is None:
        raise Refused(
            f"{program} does not meet the stack contract: " + "; ".join(reading.problems),
            why="Without it nobody knows which resources make up what the plan names.",
            hint=HINT,
            trouble=Trouble.INCOMPATIBLE,
        )
    return reading.given


def without_outputs(name: str) -> Refused:
    """Of a stack that was never brought up, or of which everything was destroyed."""
    return Refused(
        f"the stack {name} has no outputs yet",
        why="A rollout changes what stands: the stack was never brought up, or all of it was destroyed.",
        hint="bring the fleet up with `pulumi up`, after `pulumi config refresh` where it stood before",
        trouble=Trouble.NOT_FOUND,
    )


def _nothing(top: Reading, sentence: str) -> GivenReading:
    top.problem(sentence)
    return GivenReading(given=None, problems=tuple(top.problems))


def _reads(top: Reading) -> tuple[Key, ...]:
    known = [key.value for key in Key]
    found = []
    for name in top.texts("reads"):
        if name in known:
            found.append(Key(name))
        else:
            top.at("reads").problem(f"{shown(name)} is no key; there are {', '.join(known)}")
    return tuple(dict.fromkeys(found))


def _things(
    section: Reading,
    runs: Callable[[Reading], object],
    is_name: Callable[[str], bool] = bool,
) -> dict[str, Placed]:
    found = {}
    for name, entry in section.each():
        if not is_name(name):
            entry.problem("a cohort's key is `namespace/queue/build`, each part percent-encoded")
        found[name] = _placed(entry, runs)
    return found


def _is_path(name: str) -> bool:
    return name.count("/") == 2 and CohortRef.from_path(name).path == name


def _placed(entry: Reading, runs: Callable[[Reading], object]) -> Placed:
    if not entry.expect_object(_PLACED):
        return Placed(resources=())
    resources, membership = _urns(entry, "resources"), _urns(entry, "membership")
    here = entry.at("runs")
    if here.value not in (None, {}) and here.expect_object():
        runs(here)  # notes what is wrong with it
        _expect_readable(here)
    return Placed(
        resources=resources,
        runs=here.entries(),
        membership=membership,
        url=entry.text("url", ""),
        in_cluster=_in_cluster(entry.at("in_cluster")),
        printed=entry.text("printed", ""),
    )


def _expect_readable(runs: Reading) -> None:
    """It goes into the configuration again, where the mask in a secret's place would be its value."""
    for name, entry in runs.each():
        if entry.value == SECRET:
            entry.problem("it is secret, so it cannot be given back; the program adds it by itself")
        elif isinstance(entry.value, dict):
            _expect_readable(runs.at(name))


def _urns(entry: Reading, key: str) -> tuple[str, ...]:
    names = entry.texts(key)
    for name in names:
        if not name.startswith(URN):
            entry.at(key).problem(f"{shown(name)} is no URN: it would begin with {URN}")
    return tuple(dict.fromkeys(names))


def _in_cluster(entry: Reading) -> InCluster | None:
    if entry.value is None or not entry.expect_object(_IN_CLUSTER):
        return None
    kind, port = entry.text("kind"), entry.count("port")
    if kind and kind not in KINDS_IN_CLUSTER:
        known = ", ".join(KINDS_IN_CLUSTER)
        entry.at("kind").problem(f"{shown(kind)} is not known; there are {known}")
    if port is not None and not 0 < port < 65536:
        entry.at("port").problem(f"{port} is no port")
    return InCluster(
        kind=kind,
        namespace=entry.text("namespace"),
        name=entry.text("name"),
        container=entry.text("container"),
        marker_variable=entry.text("marker_variable", ""),
        port=port,
        membership_label=entry.text("membership_label", ""),
    )


def things(given: Given) -> Mapping[str, Placed]:
    """Everything that the output gives, by its place in it: `nodes/api-1`, `scheduler`, …"""
    found = {f"nodes/{name}": item for name, item in given.nodes.items()}
    if given.scheduler is not None:
        found["scheduler"] = given.scheduler
    found |= {f"maintenance/{name}": item for name, item in given.maintenance.items()}
    found |= {f"cohorts/{path}": item for path, item in given.cohorts.items()}
    return found | {f"jobs/{name}": item for name, item in given.jobs.items()}


def _claimed_twice(given: Given, top: Reading) -> None:
    """One resource that makes up two things could not be changed for one of them alone."""
    owners: dict[str, str] = {}
    for place, placed in things(given).items():
        for urn in dict.fromkeys((*placed.resources, *placed.membership)):
            other = owners.setdefault(urn, place)
            if other != place:
                top.at(place).problem(f"{urn} makes up {other} already")


def program_of(given: Given, resource: str) -> Placed | None:
    """Where the program of `node/NAME`, `scheduler`, `maintenance/NAME` or `cohort/PATH` is."""
    kind, _, name = resource.partition("/")
    if kind == "scheduler":
        return given.scheduler
    sections = {"node": given.nodes, "maintenance": given.maintenance, "cohort": given.cohorts}
    return sections.get(kind, {}).get(name)

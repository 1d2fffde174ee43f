"""What a rollout knows of the world: facts (fingerprinted) and, beside them, numbers (never).

An observation is a flat mapping from a fact's path to its value. Flat, because drift is judged fact
by fact, an undo names the facts it restores, and `expect` replaces facts one at a time: all of that
is then set arithmetic instead of one comparison per kind of thing.

Paths (every variable part percent-encoded):

    node/<name>/{server_id,image,version,control_plane,worker_protocol,accepts_lower_minors,marker,
                 topology,attached,provenance,ref,poll_timeout_s,spec,spec_json}
    cohort/<namespace>/<queue>/<build>/{drain_intent,selected,image,replicas}
    scheduler/{image,marker,running,spec,spec_json}    maintenance/<name>/{image,marker,spec,spec_json}
    bootstrap/{ran,revision}                           capability/<name>
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import TypeAlias
from urllib.parse import unquote

from rollout_kit.model.identity import CohortRef, encoded


class Absent(Enum):
    """Why a fact has no value. Never drift, never equal to a value, left out of fingerprints."""

    NO_ANSWER = "<no answer>"
    PENDING = "<pending>"
    NOT_READ = "<not read>"  # no credential or no driver answer for it in this session


FactValue: TypeAlias = str | int | float | bool | Absent | None
Facts: TypeAlias = Mapping[str, FactValue]


def node_fact(node: str, attribute: str) -> str:
    return f"node/{encoded(node)}/{attribute}"


def cohort_fact(cohort: CohortRef, attribute: str) -> str:
    return f"cohort/{cohort.path}/{attribute}"


def maintenance_fact(name: str, attribute: str) -> str:
    return f"maintenance/{encoded(name)}/{attribute}"


def capability_fact(capability: str) -> str:
    return f"capability/{capability}"


SCHEDULER_MARKER = "scheduler/marker"
SCHEDULER_RUNNING = "scheduler/running"
BOOTSTRAP_REVISION = "bootstrap/revision"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One fact that is not what it was expected to be."""

    fact: str
    expected: FactValue
    found: FactValue

    @property
    def sentence(self) -> str:
        """A spec's JSON by the names of what differs: its values are long, and not for everybody.

        A topology by what differs in it; of one that is not there, the beginning is enough.
        """
        match self.fact.rpartition("/")[2], self.expected, self.found:
            case "spec_json", str(expected), str(found):
                names = _differing(json.loads(expected), json.loads(found))
                return f"{self.fact}: differs in {', '.join(names)}"
            case "topology", str(expected), str(found):
                before, after = re.split("[/,]", expected), re.split("[/,]", found)
                lost = ", ".join(part for part in before if part not in after)
                new = ", ".join(part for part in after if part not in before)
                return f"{self.fact}: expected {show(lost)}, found {show(new)}"
            case "topology", str(expected), found:
                shape = "/".join(expected.split("/")[:3])
                return f"{self.fact}: expected {show(shape)}, found {show(found)}"
            case "spec", str(expected), str(found):
                return f"{self.fact}: expected digest {expected[:12]}, found {found[:12]}"
        return f"{self.fact}: expected {show(self.expected)}, found {show(self.found)}"


@dataclass(frozen=True, kw_only=True)  # no slots: what was picked out once is kept
class Observation:
    """One immutable picture of the plan-relevant facts. Nothing in it ticks."""

    facts: Facts = field(default_factory=dict)

    def get(self, fact: str) -> FactValue:
        """The fact's value; `Absent.NOT_READ` when nobody looked."""
        return self.facts.get(fact, Absent.NOT_READ)

    def with_facts(self, facts: Facts) -> Observation:
        return Observation(facts={**self.facts, **facts})

    def without(self, prefix: str) -> Observation:
        return Observation(facts={k: v for k, v in self.facts.items() if not k.startswith(prefix)})

    def only(self, wanted: Iterable[str]) -> Observation:
        """The facts whose path is in `wanted` or lies below one of its entries ending in `/`."""
        exact = set(wanted)
        below = tuple(item for item in exact if item.endswith("/"))
        return Observation(
            facts={
                k: v for k, v in self.facts.items() if k in exact or (below and k.startswith(below))
            }
        )

    def fingerprint(self) -> str:
        """sha256 over the facts that have a value, hex."""
        known = {k: v for k, v in self.facts.items() if not isinstance(v, Absent)}
        canonical = json.dumps(known, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(canonical.encode()).hexdigest()

    def nodes(self) -> tuple[str, ...]:
        return self._nodes

    def maintenance(self) -> tuple[str, ...]:
        return _names(self.facts, "maintenance/")

    def cohorts(self) -> tuple[CohortRef, ...]:
        """Every cohort with a fact, in the order first seen."""
        return self._cohorts

    def cohorts_of(self, namespace: str, task_queue: str) -> tuple[CohortRef, ...]:
        return tuple(
            c for c in self.cohorts() if (c.namespace, c.task_queue) == (namespace, task_queue)
        )

    def node(self, name: str, attribute: str) -> FactValue:
        return self.get(node_fact(name, attribute))

    def cohort(self, cohort: CohortRef, attribute: str) -> FactValue:
        return self.get(cohort_fact(cohort, attribute))

    def can(self, capability: str) -> bool:
        """Whether the server was *seen* to do it (rule 18: never by its version)."""
        return self.get(capability_fact(capability)) is True

    @cached_property
    def _nodes(self) -> tuple[str, ...]:
        return _names(self.facts, "node/")

    @cached_property
    def _cohorts(self) -> tuple[CohortRef, ...]:
        start = len("cohort/")
        paths = {k[start : k.rindex("/")]: None for k in self.facts if k.startswith("cohort/")}
        return tuple(CohortRef.from_path(path) for path in paths)


def differences(expected: Facts, found: Facts) -> tuple[Difference, ...]:
    """Facts known on both sides whose values differ, sorted; absent values are never drift."""
    return tuple(
        Difference(fact=fact, expected=expected[fact], found=found[fact])
        for fact in sorted(expected)
        if fact in found
        and not isinstance(expected[fact], Absent)
        and not isinstance(found[fact], Absent)
        and expected[fact] != found[fact]
    )


def _differing(one: Mapping[str, object], other: Mapping[str, object]) -> Iterator[str]:
    """Keys with different values; of what is a mapping itself, each of its own."""
    for key in sorted({*one, *other}):
        before, after = one.get(key), other.get(key)
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            yield from (f"{key} {name}" for name in _differing(before, after))
        elif before != after:
            yield key


def show(value: FactValue) -> str:
    """A fact's value as messages print it."""
    match value:
        case Absent():
            return value.value.strip("<>")
        case None:
            return "none"
        case bool():
            return "yes" if value else "no"
        case str():
            return f'"{value}"'
        case _:
            return str(value)


def _names(facts: Facts, prefix: str) -> tuple[str, ...]:
    start = len(prefix)
    found = {k[start : k.index("/", start)]: None for k in facts if k.startswith(prefix)}
    return tuple(unquote(name) for name in found)

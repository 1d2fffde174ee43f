"""What runs now, thing by thing: live objects where there are any, else program and world agreeing.

A thing whose change is under way reads as that change wants it. One whose last change ended so that
nobody knows how far it came reads as running nothing known, so that neither that change nor its undo
looks done.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

from rollout_kit.drivers.pulumi import changing
from rollout_kit.drivers.pulumi.begun import Begun
from rollout_kit.drivers.pulumi.live import Live
from rollout_kit.drivers.pulumi.readings import Readings
from rollout_kit.drivers.pulumi.standing import (
    differing,
    filled,
    not_as_recorded,
    overlaid,
    unclean,
)
from rollout_kit.drivers.pulumi.wanted import from_values
from rollout_kit.drivers.work.folder import UNDER_WAY
from rollout_kit.model.identity import CohortRef
from rollout_kit.model.stack_contract import Key, NodeWanted, Placed, SingletonWanted, Wanted
from rollout_kit.ports.errors import Refused
from rollout_kit.ports.infra import CohortSpec, ProcessSpec, RemoveCohort, SetAttached

T = TypeVar("T")
_NOTHING = CohortSpec(image="", replicas=0)


class Specs:
    """Reads one stack's things. Raises InFlight, Unavailable, Conflict or Refused."""

    def __init__(
        self, readings: Readings, live: Live, begun: Callable[[], Mapping[str, Begun]]
    ) -> None:
        """`begun`: the last change of each thing."""
        self._readings = readings
        self._live = live
        self._begun = begun

    def node(self, name: str) -> ProcessSpec:
        placed, place = self.placed(Key.NODES.value, name), f"nodes/{name}"
        return self._one(placed, place, lambda wanted: _node(wanted, name)) or ProcessSpec(image="")

    def attached(self, name: str) -> bool:
        place, placed = f"nodes/{name}", self.placed(Key.NODES.value, name)
        last = self._begun().get(place)
        if last is not None and isinstance(last.change, SetAttached) and last.state in UNDER_WAY:
            return last.change.attached
        if placed.in_cluster is not None and self._live.is_there:
            return self._live.attached(placed)
        standing = self._readings.standing()
        moved = tuple(standing.moved[urn] for urn in placed.membership if urn in standing.moved)
        if moved and not unclean(last):
            raise not_as_recorded(f"the membership of {name}", moved)
        node = (standing.wanted.nodes or {}).get(name)
        if node is None:
            raise _unknown("node", name, standing.given.nodes)
        if moved and last is not None and isinstance(last.change, SetAttached):
            return not last.change.attached  # it did not come to what was wanted
        return node.attached

    def scheduler(self) -> ProcessSpec | None:
        placed = self._readings.recorded().given.scheduler
        if placed is None:
            return None
        return self._one(placed, Key.SCHEDULER.value, lambda wanted: _singleton(wanted.scheduler))

    def maintenance(self) -> Mapping[str, ProcessSpec]:
        found = {}
        for name, placed in self._readings.recorded().given.maintenance.items():
            spec = self._one(
                placed,
                f"{Key.MAINTENANCE.value}/{name}",
                lambda wanted, name=name: _singleton((wanted.maintenance or {}).get(name)),  # type: ignore[misc]
            )
            found[name] = spec or ProcessSpec(image="")
        return found

    def cohorts(self) -> Mapping[CohortRef, CohortSpec]:
        """Those that the program gives, those that a change under way brings, and those that one which
        failed was to bring or to remove: nothing is known to run of them, and their entry, which the
        configuration keeps until a change is through, can be taken back.

        Not what a change under way removes.
        """
        found = {}
        begun = self._begun()
        recorded = self._readings.recorded()
        given = recorded.given.cohorts
        for path, placed in given.items():
            found[CohortRef.from_path(path)] = self._cohort(path, placed, begun)
        for path, cohort in (from_values(recorded.configuration).cohorts or {}).items():
            spec = changing.cohort_spec(cohort)
            found.setdefault(CohortRef.from_path(path), replace(spec, image=""))
        for item in begun.values():
            if item.state not in UNDER_WAY:
                continue
            if isinstance(item.change, RemoveCohort):
                found.pop(item.change.cohort, None)
            elif changing.key_of(item.change) is Key.COHORTS:
                for path, cohort in (self._coming(begun).cohorts or {}).items():
                    if path not in given:
                        found[CohortRef.from_path(path)] = changing.cohort_spec(cohort)
        return found

    def images(self) -> frozenset[str]:
        """Every image that something of the fleet runs."""
        found = {self.node(name).image for name in self._readings.recorded().given.nodes}
        found |= {spec.image for spec in self.cohorts().values()}
        found |= {spec.image for spec in self.maintenance().values()}
        scheduler = self.scheduler()
        return frozenset(found | ({scheduler.image} if scheduler else set()))

    def placed(self, section: str, name: str) -> Placed:
        """Raises Refused: the program gives no such thing."""
        given = self._readings.recorded().given
        things = given.nodes if section == Key.NODES.value else given.maintenance
        if name not in things:
            raise _unknown("node" if things is given.nodes else section, name, things)
        return things[name]

    def _one(
        self, placed: Placed, place: str, read: Callable[[Wanted], ProcessSpec | None]
    ) -> ProcessSpec | None:
        begun = self._begun()
        last = begun.get(place)
        if last is not None and last.state in UNDER_WAY:
            return read(self._coming(begun))
        spec = self._standing(placed, place, read, last)
        if unclean(last) and spec is not None and not isinstance(_change(last), SetAttached):
            return replace(spec, image="", version=None)
        return spec

    def _standing(
        self,
        placed: Placed,
        place: str,
        read: Callable[[Wanted], ProcessSpec | None],
        last: Begun | None,
    ) -> ProcessSpec | None:
        if placed.in_cluster is not None and self._live.is_there:
            return self._live.process(placed)
        standing = self._readings.standing()
        moved = differing(placed, standing.moved)
        if moved and not unclean(last):
            raise not_as_recorded(place, moved)
        return read(standing.wanted)

    def _cohort(self, path: str, placed: Placed, begun: Mapping[str, Begun]) -> CohortSpec:
        place = f"{Key.COHORTS.value}/{path}"
        last = begun.get(place)
        if last is not None and last.state in UNDER_WAY:
            coming = (self._coming(begun).cohorts or {}).get(path)
            return changing.cohort_spec(coming) if coming else _NOTHING
        if placed.in_cluster is not None and self._live.is_there:
            spec = self._live.workers(placed)
        else:
            standing = self._readings.standing()
            moved = differing(placed, standing.moved)
            if moved and not unclean(last):
                raise not_as_recorded(place, moved)
            wanted = (standing.wanted.cohorts or {}).get(path)
            spec = changing.cohort_spec(wanted) if wanted else _NOTHING
        return replace(spec, image="") if unclean(last) else spec

    def _coming(self, begun: Mapping[str, Begun]) -> Wanted:
        """What will be so when everything under way is done; the stack's recorded word is enough."""
        recorded = self._readings.recorded()
        now = filled(from_values(recorded.configuration), recorded.given)
        return overlaid(now, begun)


def _change(last: Begun | None) -> object:
    return last.change if last else None


def _node(wanted: Wanted, name: str) -> ProcessSpec | None:
    node: NodeWanted | None = (wanted.nodes or {}).get(name)
    return changing.node_spec(node) if node else None


def _singleton(wanted: SingletonWanted | None) -> ProcessSpec | None:
    return changing.singleton_spec(wanted) if wanted else None


def _unknown(kind: str, name: str, known: Mapping[str, object]) -> Refused:
    return Refused(
        f'the stack gives no {kind} "{name}"; it has: {", ".join(sorted(known)) or "none"}',
        hint="name things in the plan as the program does, or let the program give them",
    )

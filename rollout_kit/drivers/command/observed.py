"""What a script observed: one answer, read piece by piece."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rollout_kit.drivers.command.contract import Json
from rollout_kit.model.identity import CohortRef
from rollout_kit.model.situation import ProgramEnd
from rollout_kit.ports.errors import Incompatible, Refused, Trouble
from rollout_kit.ports.infra import CohortSpec, LiveProcess, ProcessSpec

_SECTIONS = {"node": "nodes", "maintenance": "maintenance"}


class Observed:
    """An answer to `observe` that keeps to the contract; `script` is named where it is not enough."""

    def __init__(self, answer: Json, script: str) -> None:
        self._answer = answer
        self._script = script

    @property
    def text(self) -> str:
        """All of it, as JSON."""
        return json.dumps(self._answer)

    def node_spec(self, name: str) -> ProcessSpec:
        """Raises Refused: the script does not know this node."""
        return self._spec(f"node/{name}", self._node(name))

    def attached(self, name: str) -> bool:
        return bool(self._told(f"node/{name}", self._node(name), "attached"))

    def connections(self, name: str) -> int | None:
        found: int | None = self._told(f"node/{name}", self._node(name), "connections")
        return found

    def scheduler_spec(self) -> ProcessSpec | None:
        """None: none is wanted. Raises Incompatible: it says nothing about the scheduler."""
        entry: Json | None = self._told("", self._answer, "scheduler")
        return None if entry is None else self._spec("scheduler", entry)

    def maintenance_specs(self) -> dict[str, ProcessSpec]:
        entries: Mapping[str, Json] = self._answer.get("maintenance", {})
        return {name: self._spec(f"maintenance/{name}", entry) for name, entry in entries.items()}

    def cohort_specs(self) -> dict[CohortRef, CohortSpec]:
        return {
            cohort: CohortSpec(
                image=self._told(f"cohort/{cohort.path}", entry, "image"),
                replicas=self._told(f"cohort/{cohort.path}", entry, "replicas"),
                environment=dict(entry.get("environment", {})),
                autoscaled=entry.get("autoscaled", False),
            )
            for cohort, entry in self._cohorts().items()
        }

    def processes(self, resource: str) -> tuple[LiveProcess, ...]:
        """Those that run of it. None run of a cohort that the script does not list."""
        kind, _, name = resource.partition("/")
        if kind == "node":
            self._node(name)
        if kind == "scheduler":
            self._told("", self._answer, "scheduler")
        entry = self.entry(resource)
        if entry is None:
            return ()
        given: int | list[Json] = self._told(resource, entry, "processes")
        listed = [{} for _ in range(given)] if isinstance(given, int) else given
        return tuple(
            LiveProcess(pid=one.get("pid", 0), worker_id=one.get("worker_id") or None)
            for one in listed
        )

    def ended(self, resource: str) -> ProgramEnd | None:
        """What ended by itself of it; None where it says nothing."""
        told = (self.entry(resource) or {}).get("ended")
        if not told or not told["count"]:
            return None
        return ProgramEnd(
            count=told["count"],
            exit_status=told.get("exit_status"),
            after_s=told.get("after_s"),
            last_lines=told.get("last_lines", ""),
        )

    def images(self) -> frozenset[str] | None:
        """None: the script cannot tell."""
        return frozenset(self._answer["images"]) if "images" in self._answer else None

    def entry(self, resource: str) -> Json | None:
        """`node/NAME`, `scheduler`, `maintenance/NAME` or `cohort/PATH`; None where there is none."""
        kind, _, name = resource.partition("/")
        found: Json | None
        match kind:
            case "scheduler":
                found = self._answer.get("scheduler")
            case "cohort":
                found = self._cohorts().get(CohortRef.from_path(name))
            case _:
                found = self._answer.get(_SECTIONS[kind], {}).get(name)
        return found

    def _node(self, name: str) -> Json:
        nodes: Mapping[str, Json] = self._answer.get("nodes", {})
        if name in nodes:
            return nodes[name]
        raise Refused(
            f'`{self._script} observe` does not know the node "{name}"',
            why="The driver can neither see nor change it.",
            hint=f"Known there: {', '.join(sorted(nodes)) or 'none'}.",
        )

    def _cohorts(self) -> dict[CohortRef, Json]:
        found: list[Json] = self._answer.get("cohorts", [])
        return {
            CohortRef(
                namespace=entry["namespace"],
                task_queue=entry["task_queue"],
                build_id=entry["build_id"],
            ): entry
            for entry in found
        }

    def _spec(self, place: str, entry: Json) -> ProcessSpec:
        return ProcessSpec(
            image=self._told(place, entry, "image"),
            marker=entry.get("marker"),
            server_id=entry.get("server_id"),
            environment=dict(entry.get("environment", {})),
            version=entry.get("version"),
        )

    def _told(self, place: str, entry: Json, field: str) -> Any:
        if field in entry:
            return entry[field]
        raise Incompatible(
            f"`{self._script} observe` says nothing about {'/'.join(filter(None, (place, field)))}",
            why="Its `describe` says that it answers this.",
            hint=f"Let it say `{field}`, or take it out of `answers`.",
            trouble=Trouble.INCOMPATIBLE,
        )

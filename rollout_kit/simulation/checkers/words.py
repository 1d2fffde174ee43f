"""What the person who wrote the plan said, as the journal's first record carries it."""

from __future__ import annotations

import json
from typing import Any

from rollout_kit.model.events import Event, RolloutStarted


class Words:
    """The plan document, read as plain JSON: nothing of how the tool understood it."""

    def __init__(self) -> None:
        self._plan: dict[str, Any] = {}

    def read(self, event: Event) -> None:
        """Any record; the first one has the document."""
        if isinstance(event, RolloutStarted):
            self._plan = json.loads(event.document)

    @property
    def server_to(self) -> str | None:
        server = self._plan.get("release", {}).get("server") or {}
        to = server.get("to")
        return None if to is None else str(to)

    @property
    def server_changes(self) -> bool:
        server = self._plan.get("release", {}).get("server") or {}
        return bool(server) and server.get("from") != server.get("to")

    @property
    def freezes(self) -> bool:
        """A rollback stops the new build without waiting for its runs."""
        return bool((self._plan.get("rollback") or {}).get("new_build") == "freeze")

    def strands(self, task_queue: str, build_id: str | None) -> bool:
        """The plan says that open runs of this cohort are given up."""
        for step in self._plan.get("steps", ()):
            given = step.get("with") or {}
            queues = given.get("task_queue")
            named = queues if isinstance(queues, list) else [queues]
            if task_queue in named and build_id in (given.get("cohort"), given.get("bad")):
                return bool(given.get("pinned_runs") == "strand")
        return False

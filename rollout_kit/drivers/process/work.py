"""Changes of the fleet by key, beside the programs that every driver runs to their end."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from rollout_kit.drivers.process.settling import MODULE
from rollout_kit.drivers.process.state import StateFolder
from rollout_kit.drivers.work.work import Work

if TYPE_CHECKING:
    from rollout_kit.drivers.work.records import Desired, Launch, Place


class FleetWork(Work):
    """Begins and stops what children do; `StateFolder.status` says how it stands."""

    def __init__(self, state: StateFolder, environment: Mapping[str, str], grace_s: float) -> None:
        super().__init__(state, environment, supervisor=MODULE)
        self._state = state
        self._grace_s = grace_s

    def settle(
        self, key: str, resource: str, spec: str, launches: Mapping[str, Launch | None]
    ) -> None:
        """Make the resource's roles run what `launches` says (None: nothing).

        What is wanted is on disk when this returns, and a later `settle` of the same resource, by
        whatever key, replaces it. Raises Refused: an environment variable is not set.
        """
        for launch in launches.values():
            if launch is not None:
                self._refuse_unset(launch["argv"][0], launch["environment"])
        places: list[Place] = [
            {"role": self._state.role(role), "launch": launch} for role, launch in launches.items()
        ]
        desired: Desired = {
            "resource": resource,
            "key": key,
            "grace_s": self._grace_s,
            "spec": spec,
            "places": places,
        }
        lock = self._take(key, resource)
        if lock is None:
            return
        with os.fdopen(lock, "rb"):  # the child has its own copy
            self._state.want(resource, desired)
            self._supervise(key, lock, "settle", str(self._state.resource(resource)), key)

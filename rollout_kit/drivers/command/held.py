"""What a rollout announced by the script's `preview`, and what of a change now reaches further. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from rollout_kit.drivers.work.turns import operation_of
from rollout_kit.model.operation import Announcement

UNDO = "undo/"


class Held:
    """The announcements of one rollout; nothing is held where none were made."""

    def __init__(self, announced: Iterable[Announcement] = ()) -> None:
        self._all = tuple(announced)
        self._by_operation = {one.operation: one for one in self._all}

    def __bool__(self) -> bool:
        return bool(self._all)

    def beyond(self, key: str, now: Announcement) -> tuple[str, ...]:
        """What the change under `key` would do by now and nobody announced, in words; empty: nothing.

        Forward each resource is held to the way that it was to change in, a way back only to the
        resources. What has no announcement of its own (a job goes by its revision) may touch what the
        rollout announced.
        """
        operation = operation_of(key)
        undoing = operation.startswith(UNDO)
        if undoing:
            operation = operation.removeprefix(UNDO).rpartition("/")[0]
        own = self._by_operation.get(operation)
        said = self._all if own is None else (own,)
        ways = {pair for one in said for pair in zip(one.resources, one.kinds, strict=True)}
        names = {name for one in said for name in (*one.resources, *one.creates)}
        found = [
            f"{kind} {resource}"
            for resource, kind in zip(now.resources, now.kinds, strict=True)
            if (resource not in names if undoing else (resource, kind) not in ways)
        ]
        found += [f"create {name}" for name in now.creates if name not in names]
        return tuple(dict.fromkeys((*found, *now.beyond)))

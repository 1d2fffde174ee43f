"""The state while an update goes on, written to its file before and after every operation."""

from __future__ import annotations

import time
from typing import Any

from . import faults
from .backend import MAGIC, VERSION, StackFiles, now
from .failure import Failure
from .vault import Vault

Resource = dict[str, Any]
_ORDER = (
    "urn", "custom", "delete", "id", "type", "inputs", "outputs", "parent", "protect", "external",
    "dependencies", "initErrors", "provider", "propertyDependencies", "pendingReplacement",
    "additionalSecretOutputs", "aliases", "customTimeouts", "importID", "retainOnDelete",
    "deletedWith", "created", "modified", "sourcePosition", "stackTrace", "ignoreChanges",
    "replaceOnChanges",
)  # fmt: skip
_ALWAYS = {"urn", "custom", "type"}
_RETRIES = 3


def tidy(resource: Resource) -> Resource:
    """In the order and with the omissions that the file has."""
    return {
        key: resource[key]
        for key in _ORDER
        if key in _ALWAYS
        or resource.get(key)
        or (key == "propertyDependencies" and key in resource)
    }


class Snapshot:
    """`old` is what the state says; operations move resources to the new side one by one."""

    def __init__(self, files: StackFiles, vault: Vault, *, preview: bool) -> None:
        self._files, self._vault, self._preview = files, vault, preview
        latest = files.load()
        self._sealed: dict[int, tuple[Resource, Resource]] = {}
        self._metadata = latest.get("metadata") or {}
        self._secrets = latest.get("secrets_providers") or {
            "type": "passphrase",
            "state": {"salt": vault.state},
        }
        self.old: list[Resource] = [self._unseal(one) for one in latest.get("resources") or []]
        self.new: list[Resource] = []
        self.pending: list[dict] = [
            {"resource": self._unseal(one["resource"]), "type": one["type"]}
            for one in latest.get("pending_operations") or []
        ]
        self._before: list[Resource] = list(self.old)

    def _unseal(self, resource: Resource) -> Resource:
        opened = self._vault.unseal(resource)
        self._sealed[id(opened)] = (opened, resource)
        return opened

    def _seal(self, resource: Resource) -> Resource:
        """An untouched resource keeps its ciphertexts."""
        kept = self._sealed.get(id(resource))
        return kept[1] if kept else tidy(self._vault.seal(resource))

    def find(self, urn: str) -> Resource | None:
        """The live resource of this URN in the old state."""
        return next(
            (one for one in self._before if one["urn"] == urn and not one.get("delete")), None
        )

    def resources(self) -> list[Resource]:
        return [*self.new, *self.old]

    def begin(self, kind: str, resource: Resource) -> dict:
        """Record that an operation is under way."""
        entry = {"resource": dict(resource), "type": kind}
        self.pending.append(entry)
        self.write()
        return entry

    def end(self, entry: dict) -> None:
        """The operation is no longer under way; what it came to is written with the next `write`."""
        self.pending = [one for one in self.pending if one is not entry]

    def settle(self, old: Resource | None, new: Resource | None) -> None:
        """`old` is done with; `new`, if any, stands in its stead."""
        if old is not None:
            self.old = [one for one in self.old if one is not old]
            self.new = [one for one in self.new if one is not old]
        if new is not None:
            self.new.append(new)

    def replace(self, old: Resource, new: Resource) -> None:
        """In place, on whichever side it is."""
        self.old = [new if one is old else one for one in self.old]
        self.new = [new if one is old else one for one in self.new]
        self._before = [new if one is old else one for one in self._before]

    def write(self) -> None:
        """Raises Failure after some tries where there is no room."""
        if self._preview:
            return
        latest: dict[str, Any] = {
            "manifest": {"time": now(), "magic": MAGIC, "version": VERSION},
            "secrets_providers": self._secrets,
        }
        resources = [self._seal(one) for one in self.resources()]
        if resources:
            latest["resources"] = resources
        if self.pending:
            latest["pending_operations"] = [
                {"resource": self._seal(one["resource"]), "type": one["type"]}
                for one in self.pending
            ]
        latest["metadata"] = self._metadata
        self._save(latest)

    def _save(self, latest: dict) -> None:
        for attempt in range(_RETRIES):
            try:
                return self._files.save(latest)
            except OSError as wrong:
                if attempt == _RETRIES - 1:
                    text = (wrong.strerror or str(wrong)).lower()
                    raise Failure(f"failed to save snapshot: {text}") from None
                time.sleep(0.05)
        return None

    @property
    def salt(self) -> str:
        return self._secrets["state"]["salt"]


def strike(point: str, resource: Resource, op: str, outcome: tuple[str, dict] = ("", {})) -> None:
    """A fault at an operation on this resource."""
    faults.strike(point, resource["urn"].rpartition("::")[2], op, outcome)

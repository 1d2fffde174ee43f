"""The state folder: what is wanted of each resource, who has which role, how each change stands.

    resources/<name>.json, .lock    what is wanted; held by the child that makes it so
    roles/<name>.json, .lock        the process of a role, as it recorded itself; .ended: how it ended
    work/, queues/                  changes and jobs by key (`drivers.work.folder`)
    front/<node>.attached, .count   membership of each node, and what the front counts
    logs/<role>.log, .log.1 ...     what its last launch printed, and those before it

Nothing in it is a secret: environments keep their `${env:NAME}` references.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, cast
from urllib.parse import unquote

from rollout_kit.drivers.work import processes, records
from rollout_kit.drivers.work.folder import WorkFolder, file_name

if TYPE_CHECKING:
    from rollout_kit.drivers.work.records import Desired


class StateFolder(WorkFolder):
    """Paths and files below one folder; readable by its owner alone."""

    folders = ("resources", "roles", "work", "queues", "front", "logs")

    def resource(self, name: str) -> Path:
        return self.root / "resources" / f"{file_name(name)}.json"

    def role_name(self, role: str) -> str:
        """The name that `role` was given, unless it was too long for a file."""
        return unquote(role.rpartition("/")[2])

    def log(self, role: str) -> str:
        return str(self.root / "logs" / f"{file_name(role)}.log")

    def desired(self, resource: str) -> Desired | None:
        path = f"{self.root}/resources/{file_name(resource)}.json"
        return cast("Desired | None", records.read(path))

    def resources(self) -> Iterator[Desired]:
        for path in sorted((self.root / "resources").glob("*.json")):
            yield cast("Desired", records.read(str(path)))

    def want(self, resource: str, desired: Desired) -> None:
        """Record what is wanted; on disk when this returns."""
        text = json.dumps(desired, indent=1, ensure_ascii=False) + "\n"
        records.replace_file(str(self.resource(resource)), text, durable=True)

    def attached(self, node: str) -> bool:
        """A node is attached until somebody detaches it."""
        return records.read(self.membership(node) + ".attached") is not False

    def set_attached(self, node: str, *, attached: bool) -> None:
        self.create()
        text = "true\n" if attached else "false\n"
        records.replace_file(self.membership(node) + ".attached", text, durable=True)

    def membership(self, node: str) -> str:
        """The path of the node's files at the front, without their endings."""
        return f"{self.root}/front/{file_name(node)}"

    def connections(self, node: str) -> int | None:
        """What the front counted last; None when it never did."""
        value = records.read(self.membership(node) + ".count")
        return cast("int | None", value)

    def roles(self) -> Iterator[str]:
        """All roles that were ever taken."""
        return (str(path)[: -len(".lock")] for path in (self.root / "roles").glob("*.lock"))

    def end_supervisor(self, work: Path) -> None:
        """SIGKILL to the child that works in this key's folder, if it has said who it is."""
        record = records.read(str(work / "status.json"))
        if record is not None:
            processes.send(record["pid"], record["start"], processes.SIGKILL)

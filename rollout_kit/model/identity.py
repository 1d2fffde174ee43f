"""Names of the things a rollout touches."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote, unquote


@lru_cache(maxsize=4096)
def encoded(name: str) -> str:
    """A name as one part of a path: every path of a fact is built from such, over and over."""
    return quote(name, safe="")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class QueueRef:
    """A task queue in its namespace. Queue names are opaque and case-sensitive."""

    namespace: str
    task_queue: str

    @property
    def path(self) -> str:
        """`<namespace>/<queue>`, each part percent-encoded, for fact names and journal keys."""
        return f"{encoded(self.namespace)}/{encoded(self.task_queue)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortRef:
    """All workers of one build id on one task queue; `build_id=None` is the unversioned cohort."""

    namespace: str
    task_queue: str
    build_id: str | None

    @property
    def queue(self) -> QueueRef:
        return QueueRef(namespace=self.namespace, task_queue=self.task_queue)

    @property
    def label(self) -> str:
        """`queue@build`, as messages show it."""
        return (
            f"{self.task_queue}@{self.build_id if self.build_id is not None else '(unversioned)'}"
        )

    @property
    def path(self) -> str:
        """`<namespace>/<queue>/<build>`; the unversioned cohort is `=`, which no encoding yields."""
        build = "=" if self.build_id is None else encoded(self.build_id)
        return f"{encoded(self.namespace)}/{encoded(self.task_queue)}/{build}"

    @staticmethod
    def from_path(path: str) -> CohortRef:
        """The inverse of `path`."""
        namespace, task_queue, build = path.split("/")
        return CohortRef(
            namespace=unquote(namespace),
            task_queue=unquote(task_queue),
            build_id=None if build == "=" else unquote(build),
        )

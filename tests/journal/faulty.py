"""Objects whose answers get lost: before a write took effect, after it, or long after."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from rollout_kit.journal.objects import Found, MemoryObjects, Unanswered, Version


@dataclass
class FaultyObjects:
    """Implements `objects.Objects` over others. `write_faults` are used up, one a write.

    "before": nothing was written. "after": it was. "late": it is, just before the next write.
    """

    inner: MemoryObjects = field(default_factory=MemoryObjects)
    write_faults: list[str] = field(default_factory=list)
    is_down: Callable[[], bool] = lambda: False
    writes: int = 0
    reads: int = 0
    _late: list[Callable[[], object]] = field(default_factory=list)

    place = "memory:"

    def create(self, key: str, data: bytes) -> Version | None:
        return self._write(lambda: self.inner.create(key, data))

    def replace(self, key: str, data: bytes, seen: Version) -> Version | None:
        return self._write(lambda: self.inner.replace(key, data, seen))

    def read(self, key: str) -> Found | None:
        self._ask()
        return self.inner.read(key)

    def read_all(self, keys: list[str]) -> list[bytes | None]:  # type: ignore[override]
        self._ask()
        return self.inner.read_all(keys)

    def names(self, folder: str) -> list[str]:
        self._ask()
        return self.inner.names(folder)

    def folders(self, folder: str) -> list[str]:
        self._ask()
        return self.inner.folders(folder)

    def arrive(self) -> None:
        """What was on its way arrives."""
        late, self._late = self._late, []
        for act in late:
            act()

    def _ask(self) -> None:
        self.reads += 1
        if self.is_down():
            raise Unanswered("the store gives no answer")

    def _write(self, act: Callable[[], Version | None]) -> Version | None:
        self.writes += 1
        self.arrive()
        if self.is_down():
            raise Unanswered("the store gives no answer")
        match self.write_faults.pop(0) if self.write_faults else "":
            case "before":
                pass
            case "after":
                act()
            case "late":
                self._late.append(act)
            case _:
                return act()
        raise Unanswered("the store gives no answer")

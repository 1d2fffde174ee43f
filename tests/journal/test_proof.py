"""A store that cannot keep two writers apart is refused, with what it lacks."""

from __future__ import annotations

from pathlib import Path

import pytest

from rollout_kit.journal.folder_store import FolderStore
from rollout_kit.journal.objects import Found, MemoryObjects, Version
from rollout_kit.journal.proof import KEY, prove
from rollout_kit.journal.store import RolloutStore
from rollout_kit.ports.journal import JournalLost


class Overwriting(MemoryObjects):
    def create(self, key: str, data: bytes) -> Version | None:
        self.overwrite(key, data)
        return Version(version="x")


class Blind(MemoryObjects):
    def replace(self, key: str, data: bytes, seen: Version) -> Version | None:
        found = self.read(key)
        return super().replace(key, data, found.version) if found else None


class Refusing(MemoryObjects):
    def replace(self, key: str, data: bytes, seen: Version) -> Version | None:
        return None


class Nameless(MemoryObjects):
    def read(self, key: str) -> Found | None:
        found = super().read(key)
        return Found(data=found.data, version=Version()) if found else None


class Busy(MemoryObjects):
    """Another process proves the same at every moment."""

    def replace(self, key: str, data: bytes, seen: Version) -> Version | None:
        self.overwrite(key, b"theirs")
        return None


def test_every_store_that_is_shipped_passes_twice(store: RolloutStore) -> None:
    store.prove()
    store.prove()

    assert store.rollouts() == ()
    assert store.targets() == ()


def test_proving_a_folder_creates_nothing(tmp_path: Path) -> None:
    FolderStore(tmp_path / "state").prove()

    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(
    ("objects", "message"),
    [
        (Overwriting(), r"does not honour create-if-absent.*wrote over an object"),
        (Blind(), r"does not honour if-match: it took a version that was replaced before"),
        (Refusing(), r"does not honour if-match: it refused the version that stands there"),
        (Nameless(), r"does not honour versions \(ETag\)"),
        (Busy(), "replaced all the time by others"),
    ],
)
def test_a_store_that_lacks_something_is_refused(objects: MemoryObjects, message: str) -> None:
    with pytest.raises(JournalLost, match=message):
        prove(objects)


def test_one_object_is_all_that_a_proof_leaves() -> None:
    objects = MemoryObjects()
    for _ in range(3):
        prove(objects)

    assert objects.names("") == [KEY]

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rollout_kit.emulator.memory_store import MemoryStore
from rollout_kit.emulator.model.settings import Generation
from rollout_kit.emulator.sqlite_store import SqliteStore
from rollout_kit.emulator.store import Store
from tests.emulator.cluster import Cluster


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made: Store = (
        MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "cluster.db")
    )
    yield made
    made.close()


@pytest.fixture
def newer() -> Cluster:
    """A bootstrapped cluster of the 2.x generation."""
    cluster = Cluster(MemoryStore(), Generation.V2)
    cluster.bootstrap()
    return cluster


@pytest.fixture
def older() -> Cluster:
    """A bootstrapped cluster of the 0.2.x generation."""
    cluster = Cluster(MemoryStore(), Generation.V0_2)
    cluster.bootstrap()
    return cluster


@pytest.fixture(params=list(Generation), ids=str)
def either(request: pytest.FixtureRequest) -> Cluster:
    """A bootstrapped cluster of each generation in turn."""
    cluster = Cluster(MemoryStore(), request.param)
    cluster.bootstrap()
    return cluster

from __future__ import annotations

import pytest

from rollout_kit.emulator.memory_store import MemoryStore
from rollout_kit.emulator.model.settings import Generation
from tests.emulator.cluster import Cluster


@pytest.fixture
def newer() -> Cluster:
    """A bootstrapped cluster of the 2.x generation."""
    cluster = Cluster(MemoryStore(), Generation.V2)
    cluster.bootstrap()
    return cluster

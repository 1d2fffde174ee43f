"""Every kind of store, each empty and its own."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from rollout_kit.journal.folder_store import FolderStore
from rollout_kit.journal.object_store import ObjectStore
from rollout_kit.journal.objects import MemoryObjects
from rollout_kit.journal.remote_objects import RemoteObjects
from rollout_kit.journal.store import RolloutStore

from .azurite import azurite
from .cases import VirtualClock
from .gcs import gcs_server
from .s3 import s3_server
from .s3_server import BUCKET

BUCKETS = ("s3", "gs", pytest.param("az", marks=[pytest.mark.clients, pytest.mark.timeout(600)]))


@pytest.fixture(scope="session")
def s3_environment() -> Iterator[Mapping[str, str]]:
    with s3_server() as environment:
        yield environment


@pytest.fixture(scope="session")
def gs_environment() -> Iterator[Mapping[str, str]]:
    with gcs_server() as environment:
        yield environment


@pytest.fixture(scope="session")
def az_environment() -> Iterator[Mapping[str, str]]:
    with azurite() as environment:
        yield environment


def bucket_of(kind: str, request: pytest.FixtureRequest) -> str:
    """A place of its own in a bucket of this kind; the environment knows the way there."""
    environment: Mapping[str, str] = request.getfixturevalue(f"{kind}_environment")
    monkeypatch: pytest.MonkeyPatch = request.getfixturevalue("monkeypatch")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return f"{kind}://{BUCKET}/{secrets.token_hex(4)}"


@pytest.fixture
def s3_url(request: pytest.FixtureRequest) -> str:
    return bucket_of("s3", request)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture(params=["folder", "memory", *BUCKETS])
def store(request: pytest.FixtureRequest, tmp_path: Path, clock: VirtualClock) -> RolloutStore:
    match request.param:
        case "folder":
            return FolderStore(tmp_path / "state")
        case "memory":
            return ObjectStore(MemoryObjects(), clock)
        case kind:
            return ObjectStore(RemoteObjects(bucket_of(kind, request), os.environ), clock)

"""Every kind of store, each empty and its own."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from rollout_kit.journal.folder_store import FolderStore
from rollout_kit.journal.object_store import ObjectStore
from rollout_kit.journal.objects import MemoryObjects
from rollout_kit.journal.remote_objects import RemoteObjects
from rollout_kit.journal.store import RolloutStore

from .cases import VirtualClock
from .s3 import s3_server
from .s3_server import BUCKET

KINDS = ("folder", "memory", "s3")


@pytest.fixture(scope="session")
def s3_environment() -> Iterator[Mapping[str, str]]:
    with s3_server() as environment:
        yield environment


@pytest.fixture
def s3_url(s3_environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> str:
    """A place of its own in the bucket; the environment knows the way there."""
    for name, value in s3_environment.items():
        monkeypatch.setenv(name, value)
    return f"s3://{BUCKET}/{secrets.token_hex(4)}"


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path, clock: VirtualClock) -> RolloutStore:
    match request.param:
        case "folder":
            return FolderStore(tmp_path / "state")
        case "memory":
            return ObjectStore(MemoryObjects(), clock)
        case _:
            url = request.getfixturevalue("s3_url")
            environment = request.getfixturevalue("s3_environment")
            return ObjectStore(RemoteObjects(url, environment), clock)

"""Fixtures of the tests against a real control plane."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.cluster.nodes import Serve, serve_until


@pytest.fixture(scope="session", autouse=True)
def _library() -> None:
    """Loaded beforehand: on a busy machine that alone can take as long as a call may."""
    importlib.import_module("kubernetes.config")
    importlib.import_module("kubernetes.stream.ws_client")


@pytest.fixture
def serve() -> Iterator[Serve]:
    with ExitStack() as over:
        yield serve_until(over)

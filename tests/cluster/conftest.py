"""Fixtures of the tests against a real control plane."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.cluster.nodes import Serve, serve_until


@pytest.fixture
def serve() -> Iterator[Serve]:
    with ExitStack() as over:
        yield serve_until(over)

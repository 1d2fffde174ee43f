"""The test cluster for tests marked `cluster`: one for the whole run, a namespace for each test."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.toolchain.build import MissingError, built, find_go

if TYPE_CHECKING:
    from tests.toolchain.cluster import Cluster


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """It takes some seconds to start. Where it cannot, tests are skipped; in CI they fail."""
    from tests.toolchain.cluster import NoAddressesError, running  # other tests do without

    programs = built()
    if programs is None:
        _left_out(_why_not_built())
    try:
        with running(programs, tmp_path_factory.mktemp("cluster")) as found:
            yield found
    except NoAddressesError as error:
        _left_out(str(error))


@pytest.fixture
def space(cluster: Cluster) -> Iterator[str]:
    """A namespace of this test's own; what is in it goes with it."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    cluster.call("POST", "/api/v1/namespaces", body)
    yield name
    cluster.call("DELETE", f"/api/v1/namespaces/{name}")


def _why_not_built() -> str:
    try:
        find_go()
    except MissingError as error:
        return str(error)
    return "the control plane is not built yet: python -m tests.toolchain (or nox -s cluster)"


def _left_out(reason: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)

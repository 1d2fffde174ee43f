"""The stand-in on a real control plane, and the real CLI with its provider, against recordings."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator

import pytest

from tests.toolchain.cluster import Cluster

from . import kubernetes_situations as situations
from . import recordings
from .fixtures import QUIET, Cli, real_or_standin  # noqa: F401
from .kubernetes_replay import KubernetesReplay

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.processes,
    *QUIET,
]
PROVIDER = "pulumi-resource-kubernetes"


@pytest.fixture
def replay(
    real_or_standin: Cli,  # noqa: F811
    cluster: Cluster,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[KubernetesReplay]:
    if real_or_standin.real:
        _install_provider(real_or_standin)
        monkeypatch.setenv("PULUMI_IGNORE_AMBIENT_PLUGINS", "true")
    suffix = f"-{uuid.uuid4().hex[:8]}"
    name = request.getfixturevalue("name")
    yield KubernetesReplay(
        real_or_standin,
        cluster,
        suffix,
        within_s=situations.WITHIN_S.get(name),
        exports=not name.startswith("sigkill"),
    )
    for item in cluster.call("GET", "/api/v1/namespaces")["items"]:
        if item["metadata"]["name"].endswith(suffix):
            cluster.http.delete(f"/api/v1/namespaces/{item['metadata']['name']}")


def _install_provider(cli: Cli) -> None:
    """As any other; found on PATH it is used with a warning."""
    found = shutil.which(PROVIDER)
    if found is None:
        pytest.skip(f"no {PROVIDER} on PATH")
    folder = cli.folder / "home" / "plugins" / "resource-kubernetes-v4.34.2"
    folder.mkdir()
    (folder / PROVIDER).symlink_to(found)


@pytest.mark.parametrize("name", sorted(situations.PLAYED))
def test_it_goes_as_it_was_recorded(
    name: str,
    replay: KubernetesReplay,
    real_or_standin: Cli,  # noqa: F811
) -> None:
    steps = recordings.situation(f"kubernetes/{name}")["steps"]
    for (of, number), program in situations.PROGRAMS.items():
        if of == name:
            steps[number]["program"] = program
    replay.prepare(situations.PLAYED[name])
    replay.play(steps)

    differences = "\n".join(replay.differences)
    known = situations.DIFFERENT | ({} if real_or_standin.real else situations.DIFFERENT_HERE)
    if name in known:
        assert differences, f"{name} is reproduced now: take it off the list"
        return
    assert not differences, f"\n{differences}"

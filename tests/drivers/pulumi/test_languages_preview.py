"""A plan whose program is in Node.js, Go or YAML: what would reach further ends with 13, before any write."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollout_kit.drivers.process.driver import ProcessDriver
from rollout_kit.sandbox.layout import SandboxInfo
from tests.acceptance.machine import STATE, Machine, beside, sandbox_machine
from tests.drivers.pulumi.languages import bring_up, language, ready  # noqa: F401
from tests.drivers.pulumi.rolling import entry
from tests.standin.fixtures import Cli, real_or_standin  # noqa: F401

pytestmark = [
    pytest.mark.crash,
    pytest.mark.processes,
    pytest.mark.timeout(1200),
    pytest.mark.xdist_group("pulumi-languages"),
    pytest.mark.parametrize(
        "real_or_standin", [pytest.param("real", marks=pytest.mark.real_pulumi)], indirect=True
    ),
]
NODES = ("api-1", "api-2")
ENTANGLED_IN_YAML = """\
  knot: # a key of the configuration has its name already
    name: entangled
    type: lab:index:Thing
    properties: {value: {"fn::toJSON": '${fleet:nodes}'}}
    options: {version: 1.0.0}
outputs:
"""
WITHIN_S = 600.0


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Machine, SandboxInfo]]:
    with sandbox_machine(tmp_path_factory.mktemp("languages"), workers=1, rate_hz=0) as found:
        yield found


def plan(info: SandboxInfo, program: Path) -> str:
    """The same version on another image: no bootstrap is needed, and the driver alone can tell."""
    version = info.versions.server_from
    nodes = [f'    - {{name: {name}, url: "{info.node_urls[name]}"}}\n' for name in NODES]
    return f"""\
version: 1
name: patched
target:
  name: patched
  engine: durable-workflow
  url: {info.url}
  namespace: default
  credentials: {{operator: "${{env:DW_OPERATOR_TOKEN}}", admin: "${{env:DW_ADMIN_TOKEN}}"}}
  nodes:
{"".join(nodes)}
infra: {{driver: pulumi, program: {program}, stack: dev}}
release:
  server:
    from: "{version}"
    to: "{version}"
    identity: infra
    from_image: {info.versions.server_image(version)}
    image: durableworkflow/server@sha256:{"0" * 64}
on_failure: rollback
steps:
  - {{id: api, uses: api-cutover, with: {{bake: 0s, within: 60s}}}}
"""


def test_what_would_touch_a_foreign_resource_is_refused_in_any_language(
    fleet: tuple[Machine, SandboxInfo],
    real_or_standin: Cli,  # noqa: F811
    ready: Path,  # noqa: F811
    tmp_path: Path,
) -> None:
    machine, info = fleet
    program = Path(shutil.copytree(ready, real_or_standin.folder / "program", symlinks=True))
    project = program / "Pulumi.yaml"
    project.write_text(project.read_text().replace("outputs:\n", ENTANGLED_IN_YAML))
    runs = ProcessDriver(info.fleet_file, dict(machine.environment))
    scheduler = runs.scheduler_spec()
    assert scheduler is not None
    nodes = {
        name: entry(spec, server_id=spec.server_id, attached=True)
        for name in NODES
        for spec in [runs.node_spec(name)]
    }
    bring_up(
        program, {"nodes": nodes, "scheduler": entry(scheduler, running=True)}, entangled="yes"
    )
    before = real_or_standin.world()
    with beside(machine, tmp_path) as here:
        told = {**machine.environment, **real_or_standin.environment()}
        (here.folder / "plan.yaml").write_text(plan(info, program))
        seen = here.run("preview", "plan.yaml", environment=told, within_s=WITHIN_S)
        assert seen.code == 13, seen.both
        assert "beyond what it may touch: update Thing entangled (value)" in seen.out
        refused = here.run(
            "apply", "plan.yaml", "--state", STATE, environment=told, within_s=WITHIN_S
        )
        assert refused.code == 13, refused.both
        assert "api/api-1/detach: update Thing entangled (value)" in refused.both
        assert here.events() == []
    assert real_or_standin.world() == before

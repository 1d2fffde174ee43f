"""What the doctor says of a stack that is not what a rollout needs."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pulumi import automation

from rollout_kit.drivers.pulumi import api, doctor
from rollout_kit.drivers.pulumi.driver import PulumiDriver
from rollout_kit.ports.checkup import Finding, Health
from rollout_kit.ports.errors import Refused
from tests.drivers.pulumi.lab import Lab
from tests.drivers.pulumi.test_driver import landed
from tests.standin.fixtures import Cli, real_or_standin  # noqa: F401

pytestmark = [pytest.mark.crash, pytest.mark.processes]


def _findings(stack: api.Stack) -> dict[str, Finding]:
    return {found.what: found for found in doctor.findings(stack, ())}


def test_of_a_stack_that_was_destroyed_it_says_that_nothing_stands_and_what_to_do(
    real_or_standin: Cli,  # noqa: F811
) -> None:
    """Its program may fail where nothing stands: that was told in place of the cause."""
    lab = Lab(real_or_standin)
    lab.up({"a": {"value": 1}})
    assert _findings(lab.stack)["stack outputs"].sentence == "fleet"
    automation.select_stack(
        "dev",
        project_name="proj",
        program=lambda: None,
        opts=automation.LocalWorkspaceOptions(work_dir=str(lab.cli.work)),
    ).destroy()
    program = lab.cli.folder / "nothing.py"
    program.write_text("def main():\n    raise RuntimeError('HostError: no such unit')\n")
    fallen = replace(lab.stack, program=api.Program(path=str(program), function="main"))
    found = _findings(fallen)
    assert found["stack outputs"].health is Health.PROBLEM
    assert "the stack dev has no outputs yet" in found["stack outputs"].sentence
    assert "bring the fleet up with `pulumi up`" in found["stack outputs"].hint
    assert found["preview"].health is Health.NOT_JUDGED
    assert "needs: stack outputs" in found["preview"].sentence
    assert "HostError: no such unit" in found["preview"].sentence
    assert found["stack contract"].health is Health.NOT_JUDGED
    driver = PulumiDriver(fallen, {}, plan_folder=lab.cli.folder)
    with pytest.raises(Refused, match="the stack dev has no outputs yet"):
        landed(lambda: driver.node_spec("a"))

"""Where a program is run: here, or in its own folder by its language's host, with our settings file."""

from __future__ import annotations

import sys
from pathlib import Path

import pulumi
import pytest

from rollout_kit.drivers.pulumi import api, previewing, sdk
from rollout_kit.ports.errors import OutsideError, Refused
from tests.drivers.pulumi.lab import Lab
from tests.standin.fixtures import Cli, real_or_standin, standin  # noqa: F401

pytestmark = [pytest.mark.processes]

FOLDER_PROGRAM = """\
import pulumi
nodes = pulumi.Config("fleet").get_object("nodes") or {}
pulumi.export("fleet", {"contract": 1, "nodes": nodes, "project": pulumi.get_project()})
"""
BASE = api.Recorded(text="encryptionsalt: s\nconfig:\n  p:x: y\n")


def _folder(tmp_path: Path, runtime: str) -> api.Stack:
    program = tmp_path / "program"
    program.mkdir()
    (program / "Pulumi.yaml").write_text(f"name: proj\nruntime: {runtime}\n")
    (program / "__main__.py").write_text(FOLDER_PROGRAM)
    return api.Stack(
        program=api.Program(path=str(program)),
        name="dev",
        project="proj",
        folder=str(tmp_path / "ours"),
    )


def test_a_program_of_another_language_is_run_in_its_folder_with_our_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = _folder(tmp_path, "nodejs")
    script = tmp_path / "bin" / "pulumi"
    script.parent.mkdir()
    script.write_text(
        "#!/bin/sh\n"
        'if [ "$2" = version ]; then echo v3.250.0; exit 0; fi\n'
        f'echo "$PWD $*" >> {tmp_path}/asked\n'
        'while [ "$#" -gt 0 ]; do\n'
        f'  if [ "$1" = --config-file ]; then cp "$2" {tmp_path}/settings; fi; shift\n'
        "done\n"
        "echo 'error: stop here' >&2; exit 1\n"
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}:/usr/bin:/bin")
    picture = api.Picture(resources=(), pending=(), hash="h")
    with pytest.raises(OutsideError, match="stop here"):
        api.preview(stack, {"fleet:nodes": {"a": 1}}, baseline=BASE, picture=picture)
    asked = (tmp_path / "asked").read_text()
    assert asked.startswith(f"{stack.program.path} --non-interactive preview")
    assert "--client" not in asked
    assert "--exec-kind auto.local" in asked
    settings = (tmp_path / "settings").read_text()
    assert "encryptionsalt: s" in settings
    assert """fleet:nodes: '{"a": 1}'""" in settings
    assert not (Path(stack.program.path) / "Pulumi.dev.yaml").exists()


@pytest.mark.crash
def test_a_python_folder_is_run_here_and_needs_no_language_host(
    standin: Cli,  # noqa: F811
    tmp_path: Path,
) -> None:
    lab = Lab(standin)
    lab.up({})
    stack = _folder(tmp_path, "python")
    previewed = api.preview(stack, {"fleet:nodes": {"a": {"image": "x"}}})
    assert previewed.outputs == {
        "fleet": {"contract": 1, "nodes": {"a": {"image": "x"}}, "project": "proj"}
    }
    assert previewed.program_digest == api.digest(stack.program)
    assert not any(Path(stack.folder).glob("run-*"))


@pytest.mark.crash
def test_a_stack_that_was_never_updated_is_refused(
    standin: Cli,  # noqa: F811
) -> None:
    from pulumi import automation

    automation.create_stack(
        "dev",
        project_name="proj",
        program=lambda: None,
        opts=automation.LocalWorkspaceOptions(work_dir=str(standin.work)),
    )
    with pytest.raises(Refused, match="has never been updated"):
        api.recorded(Lab(standin).stack)


@pytest.mark.crash
def test_a_missing_stack_says_so(standin: Cli) -> None:  # noqa: F811
    with pytest.raises(Refused, match="the backend has no stack dev"):
        api.look(Lab(standin).stack)


@pytest.mark.crash
def test_a_default_of_the_project_counts_though_the_stack_has_never_seen_it(
    real_or_standin: Cli,  # noqa: F811
    tmp_path: Path,
) -> None:
    stack = _folder(tmp_path, "python")
    lab = Lab(real_or_standin)
    lab.up({})
    program = Path(stack.program.path)
    (program / "Pulumi.yaml").write_text(
        'name: proj\nruntime: python\nconfig: {region: {type: string, default: "12e5"}}\n'
    )
    (program / "__main__.py").write_text(
        'import pulumi\npulumi.export("region", pulumi.Config().require("region"))\n'
    )
    seen = api.preview(stack, {})
    assert dict(seen.outputs or {}) == {"region": "12e5"}


@pytest.mark.parametrize("name", ["slow", "slow$1", "a::b", "a$b::c"])
def test_what_is_adopted_is_known_by_its_type_and_its_whole_name(name: str) -> None:
    """With a "$" in its name it was not found again, and deleted to be made anew."""
    urn = f"urn:pulumi:dev::proj::lab:index:Parent$lab:index:Thing::{name}"
    place = sdk.Workplace(stack="dev", folder="", program=None, adopt={urn: "slow-1"})
    asked = pulumi.ResourceTransformationArgs(
        resource=None,  # type: ignore[arg-type]
        type_="lab:index:Thing",
        name=name,
        props={},
        opts=pulumi.ResourceOptions(),
    )
    made = sdk._transformation(place)(asked)
    assert made is not None
    assert made.opts.import_ == "slow-1"


@pytest.mark.crash
def test_what_a_program_prints_is_no_part_of_what_the_tool_prints(
    standin: Cli,  # noqa: F811
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """A preview in JSON was none with a program that prints; a second one beside it ends later."""
    stack = _folder(tmp_path, "python")
    Lab(standin).up({})
    told = "import sys\nprint('reading the fleet')\nsys.stdout.write('done')\n"
    (Path(stack.program.path) / "__main__.py").write_text(told + FOLDER_PROGRAM)
    before = sys.stdout
    assert dict(api.preview(stack, {}).outputs or {})["fleet"]
    assert capfd.readouterr().out == ""
    with previewing.unheard():
        api.preview(stack, {})
        assert sys.stdout is not before
    assert sys.stdout is before

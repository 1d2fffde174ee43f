"""One process of the CLI: its group, its end, its time; what it is told and what it is not."""

from __future__ import annotations

import json
import os
import signal
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from rollout_kit.document.plan import PulumiInfra
from rollout_kit.drivers.pulumi import api, environment, locks, reading
from rollout_kit.drivers.pulumi.cli import Cli
from rollout_kit.drivers.pulumi.environment import Mask
from rollout_kit.drivers.work import processes
from rollout_kit.ports.errors import Incompatible, Refused
from rollout_kit.wiring.pulumi import stack_of
from tests.drivers.pulumi.lab import until

pytestmark = pytest.mark.processes


def _script(folder: Path, body: str) -> str:
    path = folder / "pulumi"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)


def _cli(command: str, timeout_s: float = 30.0) -> Cli:
    return Cli(command=command, environment=dict(os.environ), timeout_s=timeout_s)


def _stack(folder: Path, **changes: str) -> api.Stack:
    return api.Stack(
        program=api.Program(path=str(folder / "p.py"), function="main"),
        name="dev",
        project="proj",
        folder=str(folder / "ours"),
        **changes,  # type: ignore[arg-type]
    )


def test_code_and_both_streams_are_kept(tmp_path: Path) -> None:
    cli = _cli(_script(tmp_path, "echo out; echo err >&2; exit 3"))
    lines: list[str] = []
    ran = cli.run(
        ["stack", "export", "--stack", "dev"], str(tmp_path), reads=True, on_output=lines.append
    )
    assert (ran.code, ran.stdout, ran.stderr, lines) == (3, "out\n", "err\n", ["out"])
    assert [(call.command, call.code) for call in cli.calls] == [("stack export", 3)]


def test_it_leads_a_process_group_of_its_own(tmp_path: Path) -> None:
    """Ctrl-C in a terminal goes to the whole group: it must not reach the CLI."""
    cli = _cli(_script(tmp_path, "ps -o pgid= -p $$"))
    ran = cli.run([], str(tmp_path), reads=True)
    assert int(ran.stdout) == ran.pid != os.getpgrp()


def test_a_reading_call_that_outlasts_its_time_and_an_interrupt_is_killed(tmp_path: Path) -> None:
    script = _script(tmp_path, "trap 'echo asked' INT; while :; do sleep 0.05; done")
    cli = _cli(script, timeout_s=0.3)
    cli_grace = "rollout_kit.drivers.pulumi.cli._GRACE_S"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cli_grace, 0.3)
        ran = cli.run([], str(tmp_path), reads=True)
    assert (ran.timed_out, ran.code) == (True, -signal.SIGKILL)
    assert ran.stdout.count("asked") == 1


def test_an_update_that_outlasts_its_time_is_asked_once_and_left_to_end(tmp_path: Path) -> None:
    body = "trap 'echo asked' INT; for i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.1; done; echo done > {}/end"
    cli = _cli(_script(tmp_path, body.format(tmp_path)), timeout_s=0.2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rollout_kit.drivers.pulumi.cli._FINISHES_WITHIN_S", 0.1)
        patch.setattr("rollout_kit.drivers.pulumi.cli._JOIN_S", 0.1)
        ran = cli.run([], str(tmp_path), reads=False)
    assert (ran.timed_out, ran.code) == (True, None)
    until((tmp_path / "end").exists)


def test_it_gets_one_interrupt_however_often_it_is_asked_for(tmp_path: Path) -> None:
    script = _script(
        tmp_path,
        f"trap 'echo asked' INT; touch {tmp_path}/up; "
        f"while [ ! -e {tmp_path}/go ]; do sleep 0.05; done",
    )
    cli = _cli(script)

    def ask() -> None:
        until((tmp_path / "up").exists)
        for _ in range(3):
            cli.interrupt()
        (tmp_path / "go").touch()

    asking = threading.Thread(target=ask)
    asking.start()
    ran = cli.run([], str(tmp_path), reads=False)
    asking.join()
    assert ran.stdout.count("asked") == 1


def test_whoever_waits_is_told_the_pid_as_soon_as_it_runs(tmp_path: Path) -> None:
    told: list[tuple[int, str]] = []
    cli = _cli(_script(tmp_path, "sleep 0.1"))
    cli.on_started = lambda pid, start: told.append((pid, start))
    ran = cli.run([], str(tmp_path), reads=True)
    assert [pid for pid, _ in told] == [ran.pid]
    assert not processes.runs(*told[0])


def test_the_cli_downloads_nothing_and_looks_for_no_updates(tmp_path: Path) -> None:
    env = environment.of(_stack(tmp_path, backend="file:///state"), {"PATH": "/bin"})
    assert env["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] == "true"
    assert env["PULUMI_SKIP_UPDATE_CHECK"] == "true"
    assert env["PULUMI_BACKEND_URL"] == "file:///state"


def test_flags_that_somebody_keeps_in_the_environment_are_not_ours(tmp_path: Path) -> None:
    """Each is a flag of every call: what is read would look different, what is changed be more."""
    kept = {"PULUMI_HOME": "/h", "PULUMI_CONFIG_PASSPHRASE": "x", "PULUMI_BACKEND_URL": "file:///s"}
    theirs = {
        "PULUMI_OPTION_REFRESH": "true",
        "PULUMI_OPTION_TARGET_DEPENDENTS": "true",
        "PULUMI_CONTINUE_ON_ERROR": "true",
        "PULUMI_SKIP_CHECKPOINTS": "true",
    }
    env = environment.of(_stack(tmp_path), {**kept, **theirs})
    assert {name: env.get(name) for name in (*kept, *theirs)} == {**kept, **dict.fromkeys(theirs)}


def test_the_backend_is_the_plans_else_the_environments_else_the_programs(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: p\nruntime: python\nbackend: {url: file:///p}\n")
    told = {"PULUMI_BACKEND_URL": "file:///e"}
    name = "PULUMI_BACKEND_URL"
    assert environment.of(_stack(tmp_path), {})[name] == "file:///p"
    assert environment.of(_stack(tmp_path), told)[name] == "file:///e"
    assert environment.of(_stack(tmp_path, backend="file:///b"), told)[name] == "file:///b"


def test_a_relative_backend_is_the_same_from_every_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each call of the CLI runs in a folder of ours: it would look for the state in there."""
    stack, program = tmp_path / "stack", tmp_path / "program"
    for folder in (stack, program):
        folder.mkdir()
    (program / "Pulumi.yaml").write_text("name: p\nruntime: python\nbackend: {url: file://../s}\n")
    place = replace(_stack(stack), program=api.Program(path=str(program)))
    name = "PULUMI_BACKEND_URL"
    assert environment.of(place, {})[name] == f"file://{tmp_path}/s"
    monkeypatch.chdir(stack)
    told = environment.with_backend({name: "file://.?no_tmp_dir=true"})
    monkeypatch.chdir(tmp_path)
    assert environment.of(place, told)[name] == f"file://{stack}?no_tmp_dir=true"
    infra = PulumiInfra(
        program="../program",
        stack="dev",
        backend="file://./s",
        kubeconfig="",
        context="",
        allow=(),
        state="state",
    )
    assert stack_of(infra, stack).backend == f"file://{stack}/s"
    for absolute in ("file:///s", "file://~", "file://~/s", "s3://bucket/s", "https://api"):
        assert locks.absolute(absolute, stack) == absolute


def test_a_context_is_chosen_without_a_copy_of_the_kubeconfig(tmp_path: Path) -> None:
    stack = _stack(tmp_path, kubeconfig="/k/config", context="prod")
    ours, theirs = environment.of(stack, {})["KUBECONFIG"].split(":")
    assert theirs == "/k/config"
    assert 'current-context: "prod"' in Path(ours).read_text()


def test_what_the_environment_keeps_secret_is_masked() -> None:
    mask = Mask({"PULUMI_CONFIG_PASSPHRASE": "correct horse", "AWS_SECRET_ACCESS_KEY": "abcdefgh"})
    mask.learn(["battery staple"])
    said = mask.text("correct horse, abcdefgh and battery staple")
    assert said == "${env:PULUMI_CONFIG_PASSPHRASE}, ${env:AWS_SECRET_ACCESS_KEY} and [secret]"


def test_without_a_cli_it_says_how_to_install_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Refused, match="no Pulumi CLI") as raised:
        api.look(_stack(tmp_path))
    assert "pulumi.com/docs/install" in raised.value.hint


def test_a_cli_that_this_machine_cannot_run_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pulumi").write_bytes(b"\x00nonsense")
    (tmp_path / "pulumi").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Refused, match="cannot be started"):
        api.look(_stack(tmp_path))


def test_the_version_is_asked_once_for_each_installed_file(tmp_path: Path) -> None:
    command = _script(tmp_path, f"echo x >> {tmp_path}/asked; echo v3.250.1")
    stack = _stack(tmp_path)
    assert {reading.version(stack, _cli(command)) for _ in range(3)} == {"3.250.1"}
    assert (tmp_path / "asked").read_text() == "x\n"
    _script(tmp_path, "echo v3.100.0 # another")
    with pytest.raises(Incompatible, match=r"3\.100\.0, older than 3\.205"):
        reading.version(stack, _cli(command))


def test_no_value_of_a_configuration_stands_on_a_command_line() -> None:
    """`config set` would put it there; the file is written instead."""
    folder = Path(reading.__file__).parent
    texts = [path.read_text() for path in folder.glob("*.py")]
    assert not [text for text in texts if '"config", "set' in text or "set_config(" in text]
    assert not [text for text in texts if "set_all_config(" in text or "--plan" in text]


def test_the_folder_of_a_run_goes_with_it_and_what_a_killed_one_left_after_a_day(
    tmp_path: Path,
) -> None:
    (tmp_path / "p.py").touch()
    stack = _stack(tmp_path)
    old, young = tmp_path / "ours" / "run-old", tmp_path / "ours" / "run-young"
    for folder in (old, young):
        folder.mkdir(parents=True)
    os.utime(old, (1, 1))
    with reading.place(stack, "config: {}\n") as (where, settings):
        assert settings.read_text() == "config: {}\n"
        made = json.loads((Path(where) / "Pulumi.yaml").read_text())
        assert made == {"name": "proj", "runtime": "python"}
    assert sorted(path.name for path in (tmp_path / "ours").iterdir()) == ["run-young"]

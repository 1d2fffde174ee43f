"""`simulate` and `drill`: a plan on an emulated fleet, from the command line to what is printed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rollout_kit.cli.commands import drill, simulate
from rollout_kit.cli.exit_codes import ExitCode

from .terminal import Ran, rollout_kit

PLAN = """
version: 1
name: small
target:
  name: somewhere
  engine: durable-workflow
  url: ${env:DURABLE_WORKFLOW_SERVER_URL}
  namespace: orders
  credentials: {operator: "${env:DW_OPERATOR_TOKEN}", admin: "${env:DW_ADMIN_TOKEN}"}
  nodes:
    - {name: left, url: "${env:LEFT_URL}"}
    - {name: right, url: "${env:RIGHT_URL}"}
infra: {driver: process, fleet: fleet.yaml}
release:
  server: {from: 2.3.14, to: 2.4.0, image: "server:2.4.0", identity: version}
gates:
  few: {http: {url: "https://metrics/q", pointer: /value}, at_most: 3, for: 1s, within: 20s, interval: 1s}
steps:
  - {id: schema, uses: bootstrap, with: {additive: true, within: 30s}}
  - {id: tell, uses: run, with: {command: ["false"], undo: ["false"]}}
  - {id: api, uses: api-cutover, with: {bake: 1s, within: 30s}, gates: [few]}
on_failure: rollback
rollback: {within: 5m}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "plan.yaml").write_text(PLAN)
    return tmp_path


def ran(folder: Path, *argv: str) -> Ran:
    """In a process of its own alone: no helpers, and not one variable of the environment is set."""
    return rollout_kit(*argv, "--jobs", "1", folder=folder)


def test_a_plan_without_faults_reaches_its_end_every_time(folder: Path) -> None:
    done = ran(folder, "simulate", "plan.yaml", "--runs", "3", "--faults", "none")
    assert done.code == ExitCode.SUCCESS
    lines = done.out.splitlines()
    assert lines[:2] == [
        "3 simulated rollouts of small: no rule was broken",
        "       3 reached the end",
    ]
    assert any("No command was run: those of tell" in line for line in lines)
    assert any("Nothing was asked over HTTP for few" in line for line in lines)
    assert done.err.splitlines()[-1] == "runs: 3 of 3"


def test_the_same_seed_comes_to_the_same_and_a_bad_release_is_rolled_back(folder: Path) -> None:
    argv = ("simulate", "plan.yaml", "--runs", "4", "--faults", "release", "--output", "json")
    first, second = ran(folder, *argv), ran(folder, *argv)
    assert first.out == second.out
    found = json.loads(first.out)
    assert found["runs"] == 4
    assert found["violations"] == []
    assert sum(found["endings"].values()) == 4
    assert found["endings"]["rolled-back"] >= 1
    assert found["plain_s"] <= found["p95_s"]
    assert {"rule", "spare", "sentence", "seed"} == set(found["nearest"][0])


def test_of_a_run_that_did_not_restore_it_says_what_is_enough_for_it(folder: Path) -> None:
    argv = ("simulate", "plan.yaml", "--runs", "1", "--seed", "3")
    done = ran(folder, *argv)
    assert done.code == ExitCode.FAILURE
    (enough,) = [line for line in done.out.splitlines() if line.startswith("  enough for it: ")]
    assert enough.startswith("  enough for it: person-drains at second ")
    assert "a person answers a hold with a rollback" in enough
    assert "migration" not in enough, "it broke too, and has nothing to do with it"
    assert f"  replay: rollout-kit {' '.join(argv)}" in done.out.splitlines()
    found = json.loads(ran(folder, *argv, "--output", "json").out)["enough"]
    assert found["seed"] == 3
    assert "; ".join(found["causes"]) == enough.removeprefix("  enough for it: ")


def test_a_drill_rolls_back_from_every_step(folder: Path) -> None:
    done = ran(folder, "drill", "plan.yaml", "--output", "json")
    assert done.code == ExitCode.SUCCESS
    rows = json.loads(done.out)["rollbacks"]
    assert [(row["step"], row["what"], row["failed_at"]) for row in rows] == [
        ("schema", "the migration breaks", "schema/run"),
        ("schema", "somebody asks for a rollback after it", ""),
        ("tell", "the command fails", "tell/command"),
        ("tell", "somebody asks for a rollback after it", ""),
        ("api", "new nodes do not come up", "api/left/ready"),
        ("api", "somebody asks for a rollback after it", ""),
    ]
    assert {(row["ending"], row["restored"]) for row in rows} == {("rolled-back", True)}
    assert all(row["took_s"] > 0 for row in rows)


def test_a_drill_of_a_stack_takes_the_new_cohort_out_again(folder: Path) -> None:
    entry = (
        "  workers: [{task_queue: q, from: a, to: b, image: 'w:b', replicas: 1}]\ngates:\n"
        "  served: {cohort: unserved_pins, at_most: 0, for: 1s, within: 30s}\n"
    )
    canary = (
        "  - {id: canary, uses: worker-canary, gates: [served],"
        " with: {task_queue: q, within: 1m, stages: [{share: 100%, bake: 1s}]}}\n"
    )
    text = PLAN.replace(
        "{driver: process, fleet: fleet.yaml}", "{driver: pulumi, program: ., stack: s}"
    )
    text = text.replace("gates:\n", entry, 1).replace("on_failure:", f"{canary}on_failure:", 1)
    (folder / "plan.yaml").write_text(text)
    done = ran(folder, "drill", "plan.yaml", "--step", "canary", "--output", "json")
    assert done.code == ExitCode.SUCCESS, done.err
    asked = json.loads(done.out)["rollbacks"][-1]
    assert asked["what"] == "somebody asks for a rollback after it"
    assert (asked["ending"], asked["restored"]) == ("rolled-back", True), asked


def test_one_step_is_drilled_alone_and_an_unknown_one_is_named(folder: Path) -> None:
    done = ran(folder, "drill", "plan.yaml", "--step", "schema", "--output", "markdown")
    assert done.code == ExitCode.SUCCESS
    assert "| `schema` | the migration breaks" in done.out
    assert "`api`" not in done.out
    lost = ran(folder, "drill", "plan.yaml", "--step", "apo")
    assert lost.code == ExitCode.NOT_FOUND
    assert "it has schema, tell, api" in lost.err


def test_a_plan_that_offers_no_rollback_says_so_and_why(folder: Path) -> None:
    text = PLAN.replace("on_failure: rollback", "on_failure: hold")
    text = text.replace("{within: 5m}", "{forward_only: 'the old one is broken'}")
    (folder / "plan.yaml").write_text(text)
    done = ran(folder, "drill", "plan.yaml", "--step", "api")
    assert "no rollback is offered from here" in done.out
    assert done.out.startswith("small: 2 rehearsed, ")
    assert "The plan offers no rollback: the old one is broken" in done.out


def test_an_unknown_fault_is_refused_with_those_there_are(folder: Path) -> None:
    done = ran(folder, "simulate", "plan.yaml", "--faults", "lost")
    assert done.code == ExitCode.USAGE
    assert '"lost" is no fault' in done.err
    assert "lost-after" in done.err


def test_workers_of_another_namespace_are_more_than_can_be_simulated(folder: Path) -> None:
    entry = (
        "  workers: [{task_queue: q, namespace: other, from: a, to: b, image: i, replicas: 1}]\n"
    )
    text = PLAN.replace("gates:\n", f"{entry}gates:\n", 1)
    text = text.replace("namespace: orders\n", "namespace: orders\n  namespaces: [orders, other]\n")
    (folder / "plan.yaml").write_text(text)
    done = ran(folder, "simulate", "plan.yaml")
    assert done.code == ExitCode.USAGE
    assert "workers of one namespace can be simulated" in done.err


@pytest.mark.parametrize("command", ["simulate", "drill"])
def test_an_interrupt_ends_with_what_is_known(
    folder: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = simulate if command == "simulate" else drill
    name = "rehearsed" if command == "simulate" else "drilled"
    whole = getattr(module, name)

    def interrupted(*given: object) -> object:
        yield next(iter(whole(*given)))
        raise KeyboardInterrupt

    monkeypatch.setattr(module, name, interrupted)
    done = ran(
        folder, command, "plan.yaml", *(("--faults", "none") if command == "simulate" else ())
    )
    assert done.code == ExitCode.INTERRUPTED
    assert " 1 of " in done.out.splitlines()[0] or "1 of 1000 " in done.out.splitlines()[0]

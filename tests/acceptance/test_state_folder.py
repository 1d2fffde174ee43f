"""What becomes of a rollout whose journal cannot be written, read, or trusted."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.machine import STATE, Machine, beside, sandbox_machine
from tests.acceptance.small_plan import approval, pause, plan, touch

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("small-plans")]

HERE = ("--state", STATE)
HELD = plan(touch("first", "first.txt"), approval("ask"), touch("last", "last.txt"))


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with sandbox_machine(tmp_path_factory.mktemp("state"), workers=1, rate_hz=0) as (machine, _):
        yield machine


@pytest.fixture
def machine(fleet: Machine, tmp_path: Path) -> Iterator[Machine]:
    """A folder of its own beside the one sandbox."""
    with beside(fleet, tmp_path) as machine:
        yield machine


def test_a_full_disk_stops_it_before_the_effect_and_it_goes_on_when_there_is_room(
    machine: Machine,
) -> None:
    (machine.folder / "plan.yaml").write_text(HELD)
    assert machine.run("apply", "plan.yaml", *HERE).code == 12
    assert machine.run("approve", *HERE).code == 0
    journal = next((machine.folder / STATE / "sandbox").glob("*.jsonl"))
    room = journal.stat().st_size + 100  # bytes: less than a record

    def no_more_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))

    full = machine.start("apply", "plan.yaml", *HERE, preexec_fn=no_more_room).end()
    assert full.code in (1, 12), full.both
    assert "Traceback" not in full.both
    assert "This is a bug" not in full.both, full.both
    assert str(journal) in full.both
    assert "File too large" in full.both
    assert machine.journal_is_whole()
    assert "last" not in str(machine.events()[-1])

    done = machine.run("apply", "plan.yaml", *HERE)
    assert done.code == 0, done.both


@pytest.mark.parametrize("state", ["plan.yaml", "plan.yaml/below", "/proc/nowhere"])
def test_a_state_folder_that_cannot_be_had_is_refused_before_the_first_write(
    machine: Machine, state: str
) -> None:
    (machine.folder / "plan.yaml").write_text(plan(touch("never", "never.txt")))
    ran = machine.run("apply", "plan.yaml", "--state", state)
    assert ran.code in (1, 2), ran.both
    assert state in ran.both
    assert "hint: " in ran.both
    assert not list((machine.folder.parent / "sandbox").glob("never.txt"))


def test_a_journal_that_somebody_edited_stops_every_command(machine: Machine) -> None:
    (machine.folder / "plan.yaml").write_text(HELD)
    assert machine.run("apply", "plan.yaml", *HERE).code == 12
    journal = next((machine.folder / STATE / "sandbox").glob("*.jsonl"))
    lines = journal.read_bytes().splitlines(keepends=True)
    lines[2] = lines[2].replace(b"small", b"SMALL", 1).replace(b'"facts"', b'"FACTS"', 1)
    journal.write_bytes(b"".join(lines))

    for command in (("journal", "verify"), ("status",), ("resume",), ("rollback",), ("approve",)):
        ran = machine.run(*command, *HERE)
        assert ran.code == 1, (command, ran.both)
        assert str(journal) in ran.both, command
    assert machine.run("apply", "plan.yaml", *HERE).code == 1


def test_a_torn_last_record_is_dropped_with_a_warning(machine: Machine) -> None:
    (machine.folder / "plan.yaml").write_text(
        plan(touch("first", "first.txt"), pause("wait", "1s"))
    )
    running = machine.start("apply", "plan.yaml", *HERE)
    machine.await_event("OperationAwaited", "wait/bake")
    running.kill()
    journal = next((machine.folder / STATE / "sandbox").glob("*.jsonl"))
    journal.write_bytes(journal.read_bytes()[:-20])

    ended = machine.run("apply", "plan.yaml", *HERE)
    assert ended.code == 0, ended.both
    assert "warning: " in ended.err
    assert machine.journal_is_whole()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("DW_OPERATOR_TOKEN", "", "DW_OPERATOR_TOKEN is not set"),
        ("DW_ADMIN_TOKEN", "", "DW_ADMIN_TOKEN is not set"),
        ("DW_OPERATOR_TOKEN", "mistyped", "does not accept the operator token"),
    ],
)
def test_a_rollout_that_has_written_stays_resumable_where_a_token_is_missing(
    machine: Machine, name: str, value: str, said: str
) -> None:
    (machine.folder / "plan.yaml").write_text(HELD)
    assert machine.run("apply", "plan.yaml", *HERE).code == 12
    before = machine.events()
    ran = machine.run("resume", *HERE, environment={name: value})
    assert ran.code == 16, ran.both
    assert said in ran.err
    assert "hint: " in ran.err
    assert ran.last_line == f"next: rollout-kit resume {before[0]['rollout']} --state {STATE}"
    assert machine.events() == before

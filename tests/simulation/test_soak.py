"""`python -m rollout_kit.simulation`: many seeds, what they came to, and how to run one again."""

from __future__ import annotations

import pytest

from rollout_kit.simulation.__main__ import main
from rollout_kit.simulation.faults import Fault
from rollout_kit.simulation.run import run
from rollout_kit.simulation.scenario import Limits, draw
from rollout_kit.simulation.soak import Tally, replay_line, reports


def test_seeds_are_summed_up_and_the_exit_code_is_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seeds", "5..6"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("2 rollouts in ")
    assert "ended: " in out
    assert out.endswith("0 seeds broke a rule\n")


def test_a_trace_ends_with_how_the_rollout_ended(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seeds", "5", "--trace"]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith(f"seed 5: {run(draw(5)).ending}: ")


def test_processes_side_by_side_come_to_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    limits = Limits(nodes=1, queues=1)
    alone = list(reports(range(3), limits))
    assert list(reports(range(3), limits, jobs=2)) == alone


def test_the_replay_line_names_the_seed_and_the_faults_that_were_allowed() -> None:
    limits = Limits(faults=(Fault.LATE,), chance=1.0, nodes=1, queues=1)
    report = run(draw(7, limits))
    line = "python -m rollout_kit.simulation --seeds 7..7 --trace"
    assert replay_line(report, limits) == f"{line} --nodes 1 --queues 1 --only-fault late"
    assert replay_line(report, Limits()) == line


def test_a_tally_counts_endings_and_strikes() -> None:
    tally = Tally()
    report = run(draw(5))
    tally.add(report)
    tally.add(report)
    assert (tally.runs, tally.requests) == (2, 2 * report.requests)
    assert tally.endings == {report.ending: 2}
    assert sum(tally.struck.values()) == 2 * len(report.struck)


def test_what_is_no_range_of_seeds_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--seeds", "many"])
    assert "'many' is not a seed" in capsys.readouterr().err

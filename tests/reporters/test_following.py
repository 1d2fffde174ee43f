"""Those who follow a rollout: a line an event, JSON, the board, GitHub."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest

from rollout_kit.model.codec import from_json
from rollout_kit.model.events import Event, OperationAwaited, Progress, Record
from rollout_kit.model.state import fold
from rollout_kit.reporters import board
from rollout_kit.reporters.github import GithubReporter, escape_data, escape_property
from rollout_kit.reporters.human import HumanReporter
from rollout_kit.reporters.json_lines import JsonLinesReporter
from rollout_kit.reporters.live import LiveReporter
from rollout_kit.reporters.rollout_markdown import MarkdownReporter
from rollout_kit.reporters.verification import verification

from .cases import ROLLED_BACK, SUCCESS, Terminal, completed, operation, records, started


def followed(events: object) -> list[str]:
    terminal = Terminal()
    reporter = HumanReporter(terminal.printer, lambda: 0.0)
    for record in records(events):  # type: ignore[arg-type]
        reporter.record(record)
    return terminal.lines


def test_a_pipe_gets_one_line_an_event_under_its_steps_title() -> None:
    assert followed(SUCCESS) == [
        "10:00:00 ▶ orders-1: plan orders on orders, 2 steps, 4 operations",
        "10:00:02 · `apply` runs it (process 7 on h)",
        "10:00:04 api: Replace the API nodes",
        "10:00:04   ~ api/api-1/detach  detach node; undo: attach node",
        "10:00:06   ✓ api/api-1/detach  out of rotation  2s",
        "10:00:08   ~ api/api-1/attach  attach node; undo: attach node",
        "10:00:10   ✓ api/api-1/attach  in rotation  2s",
        "10:00:12   … api/api-1/gate/ready  waiting, at most 10m",
        "10:00:14   ✓ api/api-1/gate/ready  gate ready: pass: 0, to be at most 0  2s",
        "10:00:18 verify",
        "10:00:18   … verify/served  waiting, at most 10m",
        "10:00:20   ✓ verify/served  gate served: pass: 0, to be at most 0  2s",
        "10:00:24 ✓ succeeded: every operation is done",
    ]


def test_a_failed_gate_is_told_once_and_then_its_rollback() -> None:
    lines = followed(ROLLED_BACK)

    assert lines[-6:] == [
        "10:00:14   ✗ api/api-1/gate/ready  gate ready: fail: 0, to be at most 0  2s",
        "10:00:18 ↩ rolling back: the gate",
        "10:00:20   ~ undo/api/api-1/detach/1  attach node",
        "10:00:22   ✓ undo/api/api-1/detach/1  in rotation  2s",
        "10:00:24 ↩ rolled back with residue: everything but one cohort was put back",
        "           left running: orders@new: 2 open runs",
    ]


def test_long_waits_give_a_sign_of_life_every_thirty_seconds() -> None:
    terminal, now = Terminal(), [0.0]
    reporter = HumanReporter(terminal.printer, lambda: now[0])
    for second in range(100):
        now[0] = float(second)
        reporter.progress(Progress(operation="guard/served", text="0 at most 0"))
        text = f"{second} of 100 read"
        reporter.progress(Progress(operation="drain/q", text=text, waited_s=float(second)))

    assert terminal.lines == [
        "           … drain/q  30 of 100 read (for 30s)",
        "           … drain/q  60 of 100 read (for 1m)",
        "           … drain/q  90 of 100 read (for 1m30s)",
    ]


def test_json_lines_are_the_records_and_the_result() -> None:
    terminal = Terminal()
    reporter = JsonLinesReporter(terminal.printer)
    written = records(ROLLED_BACK)
    for record in written:
        reporter.record(record)
    reporter.progress(Progress(operation="a", text="b"))
    reporter.result({"exit_code": 11})

    said = [json.loads(line) for line in terminal.lines]
    assert [one["type"] for one in said] == ["record"] * len(written) + ["progress", "result"]
    assert {one["schema_version"] for one in said} == {1}
    assert [from_json(Record, one["record"]) for one in said[:-2]] == written
    assert said[-1]["result"] == {"exit_code": 11}


def test_the_board_counts_what_is_done_in_each_step_and_in_the_rollback() -> None:
    half = board.steps(fold(records(SUCCESS[:4])))
    assert [(v.id, v.standing.word, v.done, v.total) for v in half] == [
        ("api", "running", 1, 3),
        ("verify", "to do", 0, 1),
    ]

    back = board.steps(fold(records(ROLLED_BACK)))
    assert [(v.id, v.standing.word, v.done, v.total) for v in back] == [
        ("api", "failed", 2, 3),
        ("verify", "to do", 0, 1),
        ("undo", "done", 1, 1),
    ]


def test_the_live_view_shows_steps_waits_and_guards_and_gives_the_terminal_back() -> None:
    stream, now = io.StringIO(), [10.0]
    with LiveReporter(stream, lambda: now[0], colour=False) as reporter:
        for record in records(SUCCESS[:7]):
            reporter.record(record)
        gate = Progress(operation="api/api-1/gate/ready", text="0 at most 0", waited_s=3.0)
        reporter.progress(gate)
        reporter.progress(Progress(operation="guard/served", text="unserved pins: 0"))
        now[0] = 14.0
        console = reporter._console
        with console.capture() as drawn:
            console.print(reporter.render())
        shown = drawn.get()

    assert "~  api     Replace the API nodes  2/3" in shown
    assert "… api/api-1/gate/ready (7s)  0 at most 0" in shown
    assert "guard/served  unserved pins: 0" in shown
    assert "10:00:06   ✓ api/api-1/detach  out of rotation" in stream.getvalue()
    assert not reporter._live.is_started


def drawn(reporter: LiveReporter) -> list[str]:
    with reporter._console.capture() as shown:
        reporter._console.print(reporter.render())
    return shown.get().splitlines()


def test_on_a_small_terminal_the_board_shows_what_runs_and_counts_the_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("LINES", "12")
    names = [f"step-{number}" for number in range(20)]
    operations = tuple(operation(f"{name}/act", "bake") for name in names)
    plan = replace(
        started(),
        execution_plan=replace(
            started().execution_plan,
            operations=operations,
            steps={name: f"The {name} of a plan with a title that is long" for name in names},
        ),
    )
    events: list[Event] = [plan]
    for done in operations[:9]:
        events += [OperationAwaited(operation=done, attempt=1), completed(done)]
    events.append(OperationAwaited(operation=operations[9], attempt=1))
    with LiveReporter(io.StringIO(), lambda: 0.0, colour=False) as reporter:
        reporter.catch_up(records(events))
        reporter.progress(Progress(operation="step-9/act", text="x" * 80))
        reporter.progress(Progress(operation="guard/served", text="unserved pins: 0"))
        lines = drawn(reporter)

    assert len(lines) <= 11
    assert max(map(len, lines)) <= 59
    assert lines[1].startswith("✓  …        8 steps done")
    assert lines[2].startswith("✓  step-8 ")
    assert lines[3].startswith("~  step-9 ")
    assert lines[-2].startswith("·  …        5 steps to do")
    assert lines[-1] == f"… step-9/act (0s)  {'x' * 39}…"


def test_what_does_not_fit_on_its_line_goes_on_between_words_below_its_text(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    stream = io.StringIO()
    with LiveReporter(stream, lambda: 0.0, colour=False) as reporter:
        reporter.above.line(
            "10:00:02   ✓ api/api-1/detach  api-1 is out of rotation and holds no connection"
        )

    assert "10:00:02   ✓ api/api-1/detach  api-1 is out of\n" in stream.getvalue()
    assert "\n             rotation and holds no connection\n" in stream.getvalue()


def test_who_comes_to_a_rollout_in_its_midst_knows_what_was_before() -> None:
    markdown, lines = MarkdownReporter(), Terminal()
    human = HumanReporter(lines.printer, lambda: 0.0)
    for reporter in (markdown, human):
        reporter.catch_up(records(SUCCESS[:6]))
        for record in records(SUCCESS)[6:]:
            reporter.record(record)

    assert markdown.text().startswith("### ✓ `orders-1` on `orders`: succeeded\n")
    assert lines.lines[0] == "10:00:12 api: Replace the API nodes"


def test_the_live_view_forgets_a_wait_that_is_over() -> None:
    with LiveReporter(io.StringIO(), lambda: 0.0, colour=False) as reporter:
        for record in records(SUCCESS[:7]):
            reporter.record(record)
        reporter.progress(Progress(operation="api/api-1/gate/ready", text="0"))
        for record in records(SUCCESS)[7:]:
            reporter.record(record)

        assert reporter._progress == {}


def test_the_verification_table_names_every_row_and_what_the_plan_lacks() -> None:
    rows = verification(fold(records(SUCCESS)))

    said = {row.name: (row.verdict, row.sentence) for row in rows}
    assert said["served"] == ("pass", "0, to be at most 0")
    assert said["drains-retired"] == (None, "not in this plan")
    assert len(said) == 7


def test_the_verification_table_of_a_rollout_that_did_not_get_there_says_so() -> None:
    rows = verification(fold(records(SUCCESS[:4])))

    assert (rows[0].name, rows[0].verdict, rows[0].sentence) == ("served", None, "not reached")


def test_github_gets_annotations_beside_the_plans_line_and_a_summary(tmp_path: Path) -> None:
    terminal, summary = Terminal(), tmp_path / "summary.md"
    summary.write_text("before\n")
    reporter = GithubReporter(terminal.printer, plan_file="plans/a,b.yaml", summary=summary)
    for record in records(ROLLED_BACK):
        reporter.record(record)
    reporter.close()

    (line,) = terminal.lines
    assert line.startswith(
        "::error file=plans/a%2Cb.yaml,line=12,col=5,title=api/api-1/gate/ready::failed: no%0A"
    )
    assert line.endswith("%0Ahint: look at the node")
    text = summary.read_text()
    assert text.startswith("before\n### ↩ `orders-1` on `orders`: rolled back with residue")
    assert "- orders\\@new: 2 open runs".replace("\\@", "@\u200b") in text
    assert "| ✗ | `api` | Replace the API nodes | 2/3 |" in text


def test_a_server_cannot_smuggle_a_command_into_an_annotation() -> None:
    assert escape_data("a%0A\r\n::set-env") == "a%250A%0D%0A::set-env"
    assert escape_property("a:b,c%") == "a%3Ab%2Cc%25"


def test_a_summary_that_cannot_be_written_is_let_go(tmp_path: Path) -> None:
    terminal = Terminal()
    reporter = GithubReporter(terminal.printer, plan_file="p", summary=tmp_path)
    reporter.record(records(SUCCESS)[0])

    reporter.close()

    assert terminal.lines[0].startswith("warning: the job summary cannot be written")


def test_markdown_of_a_rollout_that_is_not_over_says_how_to_go_on() -> None:
    reporter = MarkdownReporter()
    assert reporter.text("the fleet is already there") == "the fleet is already there\n"
    for record in records(SUCCESS[:4]):
        reporter.record(record)

    assert reporter.text().endswith("Next: `rollout-kit resume orders-1`\n")

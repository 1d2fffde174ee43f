"""What a person is asked, as each reporter and `status` show it: plainly, and only while it stands."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rollout_kit.model import codec
from rollout_kit.model.asked import pending, wants_word
from rollout_kit.model.events import (
    Event,
    PersonAsked,
    ProvedByPerson,
    Record,
    RollbackStarted,
    UndoSkipped,
)
from rollout_kit.model.request import Request
from rollout_kit.model.state import RolloutState, fold
from rollout_kit.reporters.github import GithubReporter
from rollout_kit.reporters.human import HumanReporter
from rollout_kit.reporters.json_lines import JsonLinesReporter
from rollout_kit.reporters.rollout_markdown import MarkdownReporter
from rollout_kit.reporters.status_view import Status, print_status, status_json
from tests.reporters.cases import (
    DETACH,
    HOSTILE,
    Terminal,
    completed,
    intended,
    operation,
    records,
    started,
)

REQUEST = Request(
    what="replace what runs as api-1",
    before="version 2.3.14, marker none",
    after="image server:2.4.0 (version 2.4.0), marker none",
    where="http://api-1:8080",
    seen="http://api-1:8080 answers as version 2.4.0",
)
ASKED = PersonAsked(operation=DETACH, attempt=1, request=REQUEST, before={}, change=None)
BACK = operation("undo/api/api-1/detach/1", "replace_node")
LINES = (
    "from: version 2.3.14, marker none",
    "to: image server:2.4.0 (version 2.4.0), marker none",
    "at: http://api-1:8080",
    "seen by: http://api-1:8080 answers as version 2.4.0",
    "waited for: at most 10m",
)


def state_after(*events: Event) -> RolloutState:
    return fold(records((started(), *events)))


def status_of(*events: Event) -> Status:
    return Status(rollout="orders-1", target="orders", journal="j", state=state_after(*events))


def test_people_read_from_what_to_what_where_how_it_is_seen_and_how_long_it_waits() -> None:
    terminal = Terminal()
    reporter = HumanReporter(terminal.printer, lambda: 0.0)
    for record in records((started(), ASKED)):
        reporter.record(record)
    said = [line.strip() for line in terminal.lines]
    assert said[-6].endswith("? api/api-1/detach  asked of a person: replace what runs as api-1")
    assert tuple(said[-5:]) == LINES


def test_a_word_is_asked_for_with_the_command_that_gives_it() -> None:
    terminal = Terminal()
    word = replace(ASKED, request=replace(REQUEST, word=True))
    print_status(status_of(word), terminal.printer)
    assert (
        '    once it is done: rollout-kit approve api/api-1/detach --because "…"' in terminal.lines
    )


def test_json_lines_carry_the_request_whole() -> None:
    terminal = Terminal()
    reporter = JsonLinesReporter(terminal.printer)
    reporter.record(records((ASKED,))[0])
    found = codec.from_json(Record, json.loads(terminal.lines[0])["record"])
    assert found.event == ASKED


def test_github_puts_a_standing_request_beside_its_step_and_into_the_summary(
    tmp_path: Path,
) -> None:
    terminal, summary = Terminal(), tmp_path / "summary.md"
    hostile = replace(ASKED, request=replace(REQUEST, before=HOSTILE))
    reporter = GithubReporter(terminal.printer, plan_file="plan.yaml", summary=summary)
    for record in records((started(), hostile)):
        reporter.record(record)
    reporter.close()
    (line,) = terminal.lines
    assert line.startswith(
        "::notice file=plan.yaml,line=12,col=5,title=api/api-1/detach::"
        "asked of a person: replace what runs as api-1%0Afrom: no"
    )
    assert line.count("::") == 2 + HOSTILE.count("::")
    text = summary.read_text()
    assert "#### Asked of a person" in text
    assert "asked of a person: replace what runs as api" in text


def test_markdown_for_gitlab_and_comments_lists_what_is_wanted_line_by_line() -> None:
    reporter = MarkdownReporter()
    for record in records((started(), ASKED)):
        reporter.record(record)
    text = reporter.text()
    asked = text[text.index("#### Asked of a person") :].splitlines()
    assert asked[2].startswith("- **`api/api-1/detach`** asked of a person: replace what runs")
    assert len([line for line in asked if line.startswith("  - ")]) == len(LINES)


def test_status_tells_programs_every_part_of_a_standing_request() -> None:
    (rollout,) = json.loads(status_json([status_of(ASKED)]))["rollouts"]
    assert rollout["asked"] == [
        {
            "operation": "api/api-1/detach",
            "attempt": 1,
            "what": REQUEST.what,
            "from": REQUEST.before,
            "to": REQUEST.after,
            "where": REQUEST.where,
            "seen_by": REQUEST.seen,
            "needs_word": False,
            "within_s": 600.0,
        }
    ]


def test_a_request_stands_until_it_is_done_withdrawn_or_given_up() -> None:
    back = replace(ASKED, operation=BACK)
    rollback = RollbackStarted(cause="the gate", actor="ada")
    cases: Sequence[tuple[tuple[Event, ...], tuple[str, ...]]] = (
        ((ASKED,), (DETACH.id,)),
        ((ASKED, intended()), (DETACH.id,)),
        ((ASKED, intended(), completed()), ()),
        ((ASKED, intended(), rollback), ()),
        ((ASKED, intended(), rollback, back), (BACK.id,)),
        ((ASKED, rollback, back, UndoSkipped(operation=BACK.id, reason="late")), ()),
    )
    for events, standing in cases:
        found = tuple(one.operation.id for one in pending(state_after(*events)))
        assert found == standing, events


def test_a_word_that_was_given_is_not_wanted_again() -> None:
    said = ProvedByPerson(operation=DETACH.id, fact="it is so", actor="ada")
    assert wants_word(state_after(ASKED), DETACH.id) == ASKED
    assert wants_word(state_after(ASKED, said), DETACH.id) is None

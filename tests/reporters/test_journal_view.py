"""`journal show`, read by somebody who is woken by it at night."""

from __future__ import annotations

import io
from datetime import timedelta
from pathlib import Path

from rollout_kit.journal.chain import parse
from rollout_kit.model.events import Event, Record
from rollout_kit.reporters.journal_view import print_journal
from rollout_kit.reporters.text import Printer
from tests.journal.cases import START, attached, completed, finished, intended, started

VERSIONS = Path(__file__).parents[1] / "journal" / "versions"


def told(records: tuple[Record, ...]) -> list[str]:
    out = io.StringIO()
    print_journal(records, Printer(out, colour=False))
    return out.getvalue().splitlines()


def kept(name: str) -> list[str]:
    return told(parse((VERSIONS / f"{name}.jsonl").read_bytes(), name).records)


def record(n: int, event: Event, *, at_s: float, attended_s: float, fence: int) -> Record:
    return Record(
        sequence=n,
        at=START + timedelta(seconds=at_s),
        attended_s=attended_s,
        actor=("ada", "bob")[fence - 1],
        fence=fence,
        previous="",
        event=event,
    )


TAKEN_OVER = (
    record(0, started(), at_s=0, attended_s=0, fence=1),
    record(1, intended(), at_s=1, attended_s=1, fence=1),
    record(2, attached(), at_s=12_901, attended_s=4, fence=2),
    record(3, completed("out of rotation"), at_s=12_903, attended_s=6, fence=2),
)


def test_who_goes_on_with_it_and_how_long_nobody_ran_it_is_said_where_it_happens() -> None:
    assert told(TAKEN_OVER) == [
        "2026-04-28 (UTC)",
        "  ada (lock 1) runs it",
        "  10:00:00 ▶ orders-1: plan orders on orders-prod, 2 steps, 0 operations",
        "  10:00:01   ~ api/api-1/detach  detach node; undo: none, it stays: harmless",
        "  bob (lock 2) goes on with it, 3h35m after the record before; attended 1s so far",
        "  13:35:01 · `apply` runs it (process 1 on h)",
        "  13:35:03   ✓ api/api-1/detach  out of rotation  5s",
        "  here it ends, unfinished: `rollout-kit status` says what to do next",
    ]


def test_a_finished_one_needs_no_next_step() -> None:
    end = record(4, finished(), at_s=12_904, attended_s=7, fence=2)

    assert told((*TAKEN_OVER, end))[-1] == "  13:35:04 ✓ succeeded: All done."


def test_each_step_has_its_head_and_each_wait_its_length() -> None:
    lines = kept("v1-succeeded")

    heads = [
        line[11:] for line in lines if line[11:] in ("schema", "api", "sched", "canary", "drain")
    ]
    assert heads == ["schema", "api", "sched", "canary", "drain"]
    assert "  12:00:30   ✓ drain/orders/retired  orders@build-1 is gone  10.6s" in lines


def test_a_second_attempt_is_timed_from_its_own_beginning() -> None:
    ready = [line for line in kept("v1-held-and-resumed") if "✓ api/api-2/ready" in line]

    assert ready == [
        "  12:00:11   ✓ api/api-2/ready  api-2 is ready and shows version 2.4.0  1.02s"
    ]


def test_what_differs_is_said_once() -> None:
    lines = kept("v1-held-and-resumed")
    at = next(n for n, line in enumerate(lines) if "held (drift)" in line)

    assert "build-1/drain_intent: expected" in lines[at]
    assert lines[at + 1].strip().startswith("hint: `resume --accept`")


def test_a_rollback_says_why_and_what_each_undo_undoes() -> None:
    lines = kept("v1-rolled-back")

    why = 'version is "9.9.9", expected "2.4.0"'
    assert any("↩ rolling back: api/api-1/ready: " in line and why in line for line in lines)
    assert (
        "  12:00:07   ~ undo/api/api-1/replace/1  replace node: undoes api/api-1/replace" in lines
    )
    assert any(line.lstrip().startswith("kept: schema/run: ") for line in lines)


def test_an_empty_journal_tells_nothing() -> None:
    assert told(()) == []

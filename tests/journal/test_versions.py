"""Journals of every format version are read for ever, and come to what they came to when written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rollout_kit.journal import codec
from rollout_kit.journal.chain import JournalDamaged, parse

from .versions.keep import STORIES, summary

FOLDER = Path(__file__).parent / "versions"
KEPT = sorted(FOLDER.glob("v*.jsonl"))
EVERY = pytest.mark.parametrize("path", KEPT, ids=lambda path: path.stem)


def test_a_journal_of_every_version_is_kept() -> None:
    """Before `VERSION` is raised: `python -m tests.journal.versions.keep`, and commit its files."""
    wanted = [f"v{n}-{name}" for n in range(1, codec.VERSION + 1) for name in STORIES]

    assert {path.stem for path in KEPT} >= set(wanted)


@EVERY
def test_a_kept_journal_comes_to_what_it_came_to(path: Path) -> None:
    stored = json.loads(path.with_suffix(".json").read_bytes())

    assert json.loads(json.dumps(summary(path.read_bytes()))) == stored


@EVERY
def test_a_kept_journal_is_of_the_version_that_its_name_says(path: Path) -> None:
    versions = {json.loads(line)["version"] for line in path.read_bytes().splitlines()}

    assert versions == {int(path.stem.partition("-")[0].removeprefix("v"))}


@EVERY
def test_a_kept_journal_is_told_as_a_story(path: Path) -> None:
    from rollout_kit.reporters.journal_view import journal_markdown

    records = parse(path.read_bytes(), path.name).records

    assert journal_markdown(records).count("\n") == len(records) + 2


def test_a_version_that_is_still_to_come_is_refused_by_name() -> None:
    first = KEPT[0].read_bytes().splitlines(keepends=True)[0]
    version = json.loads(first)["version"]
    line = first.replace(b'"version":%d' % version, b'"version":99', 1)

    with pytest.raises(JournalDamaged, match=r"record version 99.*use a newer rollout-kit"):
        parse(line, "here")

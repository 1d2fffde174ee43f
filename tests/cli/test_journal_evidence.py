"""`journal` away from where the rollout ran: a copied file is checked, told and exported like any other."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from rollout_kit.journal import codec

from .terminal import rollout_kit

KEPT = Path(__file__).parents[1] / "journal" / "versions"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copy(KEPT / "v1-rolled-back.jsonl", tmp_path / "copy.jsonl"))


def test_a_copied_journal_is_verified_by_its_path(copy: Path) -> None:
    ran = rollout_kit("journal", "verify", "copy.jsonl", folder=copy.parent)

    last = codec.digest(copy.read_bytes().splitlines()[-1])
    lines = ran.out.splitlines()
    assert (ran.code, ran.err) == (0, "")
    assert lines[0] == f"{copy}: whole"
    assert lines[1].startswith("  r-1: rolled-back, attended ")
    assert lines[2].startswith(f"  23 records in {copy.stat().st_size} bytes, each after the one")
    assert lines[3] == f"  last line's SHA-256: {last}"


def test_verification_is_data_too(copy: Path) -> None:
    ran = rollout_kit("journal", "verify", str(copy), "--output", "json", folder=copy.parent)

    found = json.loads(ran.out)
    assert (found["type"], found["rollout"], found["outcome"]) == (
        "journal-verification",
        "r-1",
        "rolled-back",
    )
    assert (found["records"], found["versions"], found["remarks"]) == (23, [1], [])


def test_damage_in_the_middle_of_a_copy_names_the_byte(copy: Path) -> None:
    data = bytearray(copy.read_bytes())
    start = len(b"".join(data.splitlines(keepends=True)[:7]))
    data[start + 300] ^= 1
    copy.write_bytes(data)

    for act in ("verify", "show", "export"):
        ran = rollout_kit("journal", act, "copy.jsonl", folder=copy.parent)
        assert ran.code == 1, act
        assert ran.err.startswith(f"error: The journal {copy} is damaged at byte "), act
        named = int(ran.err.partition("at byte ")[2].partition(" ")[0])
        after = start + len(bytes(data[start:]).splitlines(keepends=True)[0])
        assert named in (start, after), "version 1 tells it by the next record's hash"


def test_a_torn_end_is_a_remark_and_no_failure(copy: Path) -> None:
    copy.write_bytes(copy.read_bytes()[:-40])

    ran = rollout_kit("journal", "verify", "copy.jsonl", folder=copy.parent)

    assert ran.code == 0
    assert "  remark: " in ran.out
    assert "of a record that a crash cut off stand at the end" in ran.out


def test_a_file_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    ran = rollout_kit("journal", "verify", "gone.jsonl", folder=tmp_path)

    assert ran.code == 5
    assert ran.err == (
        f"error: There is no file {tmp_path / 'gone.jsonl'}\n"
        "hint: name a journal, or a rollout's id\n"
    )


def test_an_export_is_the_journal_byte_for_byte(copy: Path) -> None:
    ran = rollout_kit("journal", "export", "copy.jsonl", folder=copy.parent)

    assert ran.out.encode() == copy.read_bytes(), "an old version stays what it was"


def test_what_a_crash_cut_off_is_not_exported(copy: Path) -> None:
    whole = copy.read_bytes()
    copy.write_bytes(whole[:-40])

    ran = rollout_kit("journal", "export", "copy.jsonl", folder=copy.parent)

    assert ran.out.encode() == b"".join(whole.splitlines(keepends=True)[:-1])


def test_an_export_goes_to_a_file_when_asked(copy: Path) -> None:
    ran = rollout_kit(
        "journal",
        "export",
        "copy.jsonl",
        "--format",
        "otel",
        "--to",
        "trace.json",
        folder=copy.parent,
    )

    assert (ran.code, ran.out) == (0, "")
    found = json.loads((copy.parent / "trace.json").read_bytes())
    spans = found["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert spans[0]["name"] == "rollout walk"
    assert {"rollback", "api", "api/api-1/replace"} <= {span["name"] for span in spans}


def test_an_export_that_cannot_be_written_is_a_sentence(copy: Path) -> None:
    ran = rollout_kit("journal", "export", "copy.jsonl", "--to", "no/such", folder=copy.parent)

    assert ran.code == 2
    assert "no/such cannot be used: No such file or directory" in ran.err


def test_a_copy_is_told_as_a_story(copy: Path) -> None:
    ran = rollout_kit("journal", "show", "copy.jsonl", folder=copy.parent)

    assert ran.code == 0
    assert "rolling back: api/api-1/ready: api-1 came up ready" in ran.out

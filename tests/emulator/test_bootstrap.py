"""The bootstrap job and its ledger."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rollout_kit.emulator import bootstrap
from rollout_kit.emulator.model import ledger
from rollout_kit.emulator.model.records import Namespace
from rollout_kit.emulator.sqlite_store import SqliteStore


def run(path: Path, *arguments: str) -> int:
    return bootstrap.main(["--database", str(path), *arguments])


def status(path: Path, version: str, capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    capsys.readouterr()
    assert run(path, "--to", version, "--status") == 0
    listed: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return listed


def test_it_migrates_and_seeds_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    database = tmp_path / "c.db"
    assert run(database, "--to", "0.2.9") == 0
    assert capsys.readouterr().out == "10 migrations applied, namespace default seeded\n"
    with SqliteStore(database).read() as rows:
        assert [namespace.name for namespace in rows.select(Namespace)] == ["default"]
        assert ledger.missing_tables(rows) == []


def test_repeating_it_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    database = tmp_path / "c.db"
    run(database, "--to", "2.3.14")
    capsys.readouterr()
    assert run(database, "--to", "2.3.14") == 0
    assert capsys.readouterr().out == "0 migrations applied, namespace was there\n"


def test_the_status_of_a_newer_image_shows_what_is_pending(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    database = tmp_path / "c.db"
    run(database, "--to", "0.2.9")
    assert all(entry["ran"] for entry in status(database, "0.2.9", capsys))
    pending = [entry for entry in status(database, "0.2.10", capsys) if not entry["ran"]]
    assert len(pending) == 1
    run(database, "--to", "0.2.10")
    assert all(entry["ran"] for entry in status(database, "0.2.10", capsys))


def test_the_status_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    database = tmp_path / "c.db"
    assert not any(entry["ran"] for entry in status(database, "0.2.9", capsys))
    with SqliteStore(database).read() as rows:
        assert ledger.applied_names(rows) == set()


def test_an_older_image_takes_nothing_back(tmp_path: Path) -> None:
    database = tmp_path / "c.db"
    run(database, "--to", "2.5.0")
    run(database, "--to", "2.3.14")
    with SqliteStore(database).read() as rows:
        assert ledger.pending(rows, "2.5.0") == []


@pytest.mark.parametrize(
    ("version", "same_as"),
    [("2.4.7", "2.4.0"), ("0.2.99", "0.2.10"), ("3.0.0", "2.5.0"), ("2.4.0-rc.3", "2.4.0")],
)
def test_an_unknown_release_has_the_ledger_of_the_nearest_lower_one(
    version: str, same_as: str
) -> None:
    assert ledger.migrations_of(version) == ledger.migrations_of(same_as)


def test_each_known_release_brings_something_of_its_own() -> None:
    releases = ["0.2.5", "0.2.6", "0.2.9", "0.2.10", "2.3.14", "2.4.0", "2.5.0"]
    counts = [len(ledger.migrations_of(release)) for release in releases]
    assert counts == sorted(set(counts))


@pytest.mark.processes
def test_two_at_once_do_the_work_once(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "rollout_kit.emulator.bootstrap", "--database",
            str(tmp_path / "c.db"), "--to", "2.3.14"]  # fmt: skip
    jobs = [subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    said = sorted(job.communicate(timeout=60)[0] for job in jobs)
    assert [job.returncode for job in jobs] == [0, 0, 0]
    assert [text.split()[0] for text in said] == ["0", "0", "13"]

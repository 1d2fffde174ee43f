"""`unlock` on a fleet that a stack describes: the stack's own locks, and which of them may go."""

from __future__ import annotations

import json
import os
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rollout_kit.document.read import read_plan
from rollout_kit.drivers.pulumi.locks import Standing
from rollout_kit.drivers.pulumi.marks import Marks, here
from rollout_kit.drivers.work import processes
from rollout_kit.drivers.work.folder import file_name
from rollout_kit.journal.folder_store import FolderStore
from rollout_kit.wiring import stack_lock
from tests.cli.terminal import Ran, rollout_kit
from tests.journal.cases import attached, intended, started
from tests.journal.test_store import write

GONE = (4_000_000, "12")  # no pid is that high
PLAN = """\
version: 1
name: small
target:
  name: orders
  engine: durable-workflow
  url: http://127.0.0.1:9
  namespace: orders
  credentials: {operator: "${env:DW_OPERATOR_TOKEN}"}
  nodes: [{name: api-1, url: "http://127.0.0.1:9"}]
infra: {driver: pulumi, program: fleet.py:main, stack: acme/fleet/prod, backend: BACKEND}
release: {server: {from: 2.3.0, to: 2.4.0, image: "server:2.4.0"}}
steps:
  - {id: wait, uses: pause, with: {for: 1s}}
"""


class Site:
    """A rollout under way of a stack whose backend is a folder, and the stack's locks."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.marks = Marks(folder / ".rollout-kit" / "pulumi" / file_name("acme/fleet/prod"))
        self._locks = folder / "state" / ".pulumi" / "locks" / "organization" / "fleet" / "prod"
        self._locks.mkdir(parents=True)

    def journal(self, backend: str = "") -> None:
        text = PLAN.replace("BACKEND", backend or f"file://{self.folder}/state")
        read = read_plan(text, file="plan.yaml", variables={}, environment=None)
        assert read.canonical is not None, read.diagnostics
        begun = replace(started(), document=read.canonical, plan_folder=str(self.folder))
        store = FolderStore(self.folder / ".rollout-kit")
        write(store, "orders-1", begun, attached(), intended())

    def began(self, *pids: tuple[int, str]) -> None:
        """An update of ours was sent from here."""
        folder = self.folder / ".rollout-kit" / "pulumi" / file_name("acme/fleet/prod")
        folder.mkdir(parents=True)
        self.marks.begin("orders-1/api/1")
        for pid, start in pids:
            self.marks.started(pid, start)

    def lock(self, pid: int, host: str) -> Path:
        path = self._locks / f"{uuid.uuid4()}.json"
        since = (datetime.now(UTC) + timedelta(milliseconds=1)).isoformat()
        said = {"pid": pid, "username": "ci", "hostname": host, "timestamp": since}
        path.write_text(json.dumps(said))
        return path

    def unlock(self, *argv: str) -> Ran:
        return rollout_kit("unlock", *argv, folder=self.folder)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_a_stack_that_nobody_holds_is_said_to_be_open(site: Site) -> None:
    site.journal()
    ran = site.unlock()
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == "orders is not locked\nstack acme/fleet/prod is not locked\n"


def test_a_lock_of_our_own_dead_update_is_shown_and_removed_by_force_alone(site: Site) -> None:
    site.journal()
    site.began(GONE)
    left = site.lock(GONE[0], here().host)
    seen = site.unlock()
    assert seen.code == 15
    owner = f"ci@{here().host} (process {GONE[0]}, since {datetime.now(UTC):%Y-%m-%d}"
    assert f"stack acme/fleet/prod is held by {owner}" in seen.out
    assert "): ours and dead\nnext: `resume` removes it, or this command with --force" in seen.out
    assert left.exists()
    forced = site.unlock("--force")
    assert forced.code == 0
    assert f"✓ removed the lock of {owner}" in forced.out
    assert not left.exists()
    assert site.unlock().code == 0


@pytest.mark.parametrize(
    ("host", "pid", "standing"),
    [
        ("somebody-elses", 17, Standing.FOREIGN),
        (attached().host, GONE[0], Standing.OURS_ELSEWHERE),  # the journal names that machine
        (here().host, 17, Standing.FOREIGN),  # from here, but by no update of ours
    ],
)
def test_what_is_not_provably_ours_and_dead_stays_and_what_to_do_is_said(
    site: Site, host: str, pid: int, standing: Standing
) -> None:
    site.journal()
    site.began(GONE)
    theirs = site.lock(pid, host)
    dead = site.lock(GONE[0], here().host)
    forced = site.unlock("--force")
    assert forced.code == 15
    assert f"held by ci@{host} (process {pid}" in forced.out
    assert f"): {standing.value}\n" in forced.out
    assert (
        "`pulumi cancel --stack acme/fleet/prod` removes its locks; it stops nobody" in forced.out
    )
    assert theirs.exists()
    assert not dead.exists()


def test_a_living_update_of_ours_keeps_its_lock(site: Site) -> None:
    me = os.getpid()
    site.journal()
    site.began((me, processes.started(me) or ""))
    mine = site.lock(me, here().host)
    assert ": ours and alive\n" in site.unlock("--force").out
    assert mine.exists()


def test_a_backend_that_tells_nobody_is_said_to_be_unknown(site: Site) -> None:
    site.journal(backend="mem://state")
    ran = site.unlock()
    assert ran.code == 0
    assert "stack acme/fleet/prod: of its locks its backend tells an update alone" in ran.out


def test_the_journal_says_which_machines_ran_it_and_since_when_its_intents_stand(
    site: Site,
) -> None:
    site.journal()
    store = FolderStore(site.folder / ".rollout-kit")
    records = store.load(store.rollouts("orders")[0]).records
    known = stack_lock.attendance(records)
    assert known.hosts == ("h",)
    assert known.intended_at == {"orders-1/api/1": records[-1].at}

"""What is judged of an update without a good end: whose lock, how far, what may exist, what becomes of it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rollout_kit.drivers.pulumi import (
    locks,
    marks,
    mending,
    recovering,
    recovery,
    state_export,
)
from rollout_kit.drivers.pulumi.api import Pending, Picture, Resource
from rollout_kit.drivers.pulumi.locks import Claim, Lock, Standing
from rollout_kit.drivers.pulumi.marks import Machine, Mark, Marks, Object
from rollout_kit.drivers.pulumi.objects import NoObjects
from rollout_kit.drivers.pulumi.recovery import Absence, LastUpdate, Verdict
from rollout_kit.drivers.pulumi.session import Unsettled
from rollout_kit.drivers.work import processes
from tests.drivers.pulumi import recorded
from tests.drivers.pulumi.lab import until

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
HERE = Machine(host="ci-1", boot_id="boot", pid_namespace="pid:1")
MARK = Mark(operation="r/op/1", machine=HERE, at=NOW, pids=((70, "s70"),))
THING = "urn:pulumi:dev::proj::lab:index:Thing::"


def _lock(host: str = "ci-1", pid: int = 70, after_s: float = 5) -> Lock:
    since = NOW + timedelta(seconds=after_s)
    return Lock(path="/l", pid=pid, user="ci", host=host, since=since, written_at=since)


BROKEN = Lock(path="/l", written_at=NOW + timedelta(seconds=5))
OLD_BROKEN = Lock(path="/l", written_at=NOW - timedelta(seconds=5))
OTHER_BOOT = Machine(host="ci-1", boot_id="another", pid_namespace="pid:1")
UNTOLD = Machine(host="ci-1")


@pytest.mark.parametrize(
    ("lock", "claim", "alive", "standing"),
    [
        (_lock(), Claim(mark=MARK), False, Standing.OURS_AND_DEAD),
        (_lock(), Claim(mark=MARK), True, Standing.OURS_AND_ALIVE),
        (_lock(pid=99), Claim(mark=MARK), False, Standing.FOREIGN),
        (_lock(after_s=-60), Claim(mark=MARK), False, Standing.FOREIGN),
        (_lock(host="ci-2"), Claim(mark=MARK), False, Standing.FOREIGN),
        (_lock(), Claim(), False, Standing.FOREIGN),
        (_lock(), Claim(hosts=("ci-1",)), False, Standing.FOREIGN),
        (_lock(), Claim(hosts=("ci-1",), intended_at=NOW), False, Standing.OURS_ELSEWHERE),
        (_lock("ci-2"), Claim(hosts=("ci-2",), intended_at=NOW), False, Standing.OURS_ELSEWHERE),
        (
            _lock(),
            Claim(mark=Mark(operation="o", machine=OTHER_BOOT, at=NOW)),
            False,
            Standing.OURS_ELSEWHERE,
        ),
        (BROKEN, Claim(mark=MARK), False, Standing.OURS_AND_DEAD),
        (BROKEN, Claim(mark=MARK), True, Standing.BROKEN),
        (OLD_BROKEN, Claim(mark=MARK), False, Standing.BROKEN),
        (BROKEN, Claim(), False, Standing.BROKEN),
    ],
)
def test_a_lock_is_broken_only_where_it_is_provably_ours_and_dead(
    lock: Lock, claim: Claim, alive: bool, standing: Standing
) -> None:
    """Hazard 6: breaking a lock stops nobody."""
    assert locks.judge(lock, claim, HERE, lambda pid, start: alive) is standing


def test_a_lock_that_the_cli_names_to_the_second_is_still_ours() -> None:
    """In a bucket: the update began within the very second that the lock says."""
    mark = Mark(operation="o", machine=HERE, at=NOW + timedelta(seconds=0.7), pids=((70, "s"),))
    (lock,) = locks.in_text(
        "error: the stack is currently locked by 1 lock(s).\n  s3://b/.pulumi/locks/x.json?region=r: "
        "created by ci@ci-1 (pid 70) at 2026-11-21T12:00:00Z"
    )
    judged = locks.judge(lock, Claim(mark=mark), HERE, lambda pid, start: False)
    assert judged is Standing.OURS_AND_DEAD
    older = replace(lock, since=NOW - timedelta(seconds=1))
    assert locks.judge(older, Claim(mark=mark), HERE, lambda p, s: False) is Standing.FOREIGN


def test_where_the_system_does_not_tell_machines_apart_nothing_is_dead() -> None:
    mark = Mark(operation="o", machine=UNTOLD, at=NOW, pids=((70, "s"),))
    judged = locks.judge(_lock(), Claim(mark=mark), UNTOLD, lambda pid, start: False)
    assert judged is Standing.OURS_ELSEWHERE


def test_lock_files_are_read_as_they_lie(tmp_path: Path) -> None:
    folder = tmp_path / ".pulumi" / "locks" / "organization" / "proj" / "dev"
    folder.mkdir(parents=True)
    said = {
        "pid": 7,
        "username": "u",
        "hostname": "h",
        "timestamp": "2026-11-21T12:00:00.123456789Z",
    }
    (folder / "a.json").write_text(json.dumps(said))
    (folder / "a.json.attrs").write_text("{}")
    (folder / "b.json").write_text("not json")
    (folder / "c.json.18e9.tmp").write_text("")
    found = locks.read(f"file://{tmp_path}", "proj", "acme/proj/dev")
    assert found is not None
    assert [(lock.pid, lock.since is None) for lock in found] == [(7, False), (0, True), (0, True)]
    assert found[0].owner == "u@h (process 7, since 2026-11-21 12:00:00Z)"
    assert locks.read("s3://bucket", "proj", "dev") is None


def _picture(
    *pending: Pending, resources: tuple[Resource, ...] = (), written_at: str = ""
) -> Picture:
    return Picture(resources=resources, pending=pending, hash="h", written_at=written_at)


CREATING = Pending(urn=f"{THING}slow", act="creating", type="lab:index:Thing")
BEFORE, AFTER = "2026-11-21T11:59:00.123456789Z", "2026-11-21T12:01:00.123456789Z"


@pytest.mark.parametrize(
    ("picture", "mark", "last", "verdict"),
    [
        (_picture(), None, None, Verdict.CLEAN),
        (_picture(CREATING), None, None, Verdict.HALF_DONE),
        (_picture(CREATING), MARK, None, Verdict.HALF_DONE),
        (
            _picture(written_at=AFTER),
            MARK,
            LastUpdate(message="r/op/1", succeeded=True),
            Verdict.DONE,
        ),
        (
            _picture(written_at=AFTER),
            MARK,
            LastUpdate(message="r/op/1", succeeded=False),
            Verdict.HALF_DONE,
        ),
        (
            _picture(written_at=BEFORE),
            MARK,
            LastUpdate(message="older", succeeded=True),
            Verdict.NOT_STARTED,
        ),
        (
            _picture(written_at=AFTER),
            MARK,
            LastUpdate(message="older", succeeded=True),
            Verdict.HALF_DONE,
        ),
        (
            _picture(written_at=BEFORE),
            replace(MARK, creating=(Object(urn=f"{THING}orphan", type="lab:index:Thing"),)),
            LastUpdate(message="older", succeeded=True),
            Verdict.HALF_DONE,
        ),
        (_picture(written_at="?"), MARK, None, Verdict.HALF_DONE),
    ],
)
def test_how_far_an_update_got(
    picture: Picture, mark: Mark | None, last: LastUpdate | None, verdict: Verdict
) -> None:
    assert recovery.verdict(picture, mark, last) is verdict


def test_what_never_got_ready_is_mended_also_without_a_mark() -> None:
    stuck = Resource(urn=f"{THING}a", type="lab:index:Thing", not_ready=("no pods",))
    assert recovery.verdict(_picture(resources=(stuck,)), None, None) is Verdict.HALF_DONE


def test_suspects_are_pending_creates_and_what_we_saw_begin_without_an_end() -> None:
    orphan = Object(urn=f"{THING}orphan", type="lab:index:Thing")
    known = Object(urn=f"{THING}known", type="lab:index:Thing")
    provider = Object(urn="urn:pulumi:dev::p::pulumi:providers:lab::x", type="pulumi:providers:lab")
    mark = Mark(operation="o", machine=HERE, at=NOW, creating=(orphan, known, provider))
    there = Resource(urn=known.urn, type=known.type)
    updating = Pending(urn=f"{THING}u", act="updating", type="lab:index:Thing")
    found = recovery.suspects(_picture(CREATING, updating, resources=(there,)), mark)
    assert [item.urn for item in found] == [CREATING.urn, orphan.urn]


@pytest.mark.parametrize(
    ("found", "can_adopt", "tried", "became"),
    [
        ("slow-1", True, frozenset(), "adopt"),
        ("slow-1", False, frozenset(), "remove"),
        ("slow-1", True, frozenset({f"{THING}slow"}), "remove"),
        (Absence.ABSENT, True, frozenset(), "nothing"),
        (Absence.UNKNOWN, True, frozenset(), "ask"),
        (Absence.REPEATABLE, True, frozenset(), "again"),
    ],
)
def test_what_becomes_of_a_suspect(
    found: recovery.Found, can_adopt: bool, tried: frozenset[str], became: str
) -> None:
    """Hazard 1: made again it never is."""
    item = Object(urn=f"{THING}slow", type="lab:index:Thing")
    remedy = recovery.remedy({item.urn: found}, [item], can_adopt=can_adopt, adopted_before=tried)
    assert remedy.again == ((item,) if became == "again" else ())
    expected = {"adopt": [item.urn], "remove": [item], "ask": [item]}
    assert list(remedy.adopt) == (expected["adopt"] if became == "adopt" else [])
    assert list(remedy.remove) == (expected["remove"] if became == "remove" else [])
    assert list(remedy.ask) == (expected["ask"] if became == "ask" else [])


def test_nobody_looks_for_what_its_program_promises_to_make_once_however_often_it_is_asked() -> (
    None
):
    kind = "pulumi-python:dynamic:Resource"
    units = Object(urn=f"{THING}units", type=kind)
    other = Object(urn=f"{THING}other", type="lab:index:Thing")
    output = {"contract": 1, "reads": [], "repeatable": [kind]}
    picture = replace(_picture(), outputs={"fleet": output})

    class Blind(NoObjects):
        def find(self, item: Object) -> recovery.Found:
            assert item == other
            return Absence.UNKNOWN

    mark = replace(MARK, creating=(units,))
    settled = recovering.look_for(picture, mark, Blind(), can_adopt=False)
    assert settled.remedy.again == (units,)
    mark = replace(MARK, creating=(units, other))
    with pytest.raises(Unsettled, match="may have made Thing other, and nothing here can look"):
        recovering.look_for(picture, mark, Blind(), can_adopt=False)


def test_a_kubernetes_object_is_known_by_its_kind_and_name() -> None:
    steps = recorded.load("kubernetes/create")
    facts = {
        event.resource_pre_event.metadata.urn.rpartition("::")[2]: state_export.known_by(
            event.resource_pre_event.metadata.type, event.resource_pre_event.metadata.new.inputs
        )
        for step in steps
        for event in recorded.events(step)
        if event.resource_pre_event is not None and event.resource_pre_event.metadata.new
    }
    assert facts["web"] == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "namespace": "shop",
        "name": "web",
    }


def test_a_mark_survives_its_writer_and_a_torn_last_line(tmp_path: Path) -> None:
    mine = Marks(tmp_path)
    assert mine.found() is None
    mine.started(1, "ignored: nothing is open")
    mine.begin("r/op/1")
    mine.started(70, "s70")
    mine.creating(Object(urn="a", type="t", facts={"name": "x"}))
    mine.creating(Object(urn="b", type="t"))
    mine.created("a")
    mine.adopting("b")
    with (tmp_path / "open.jsonl").open("a") as file:
        file.write('{"creat')
    found = Marks(tmp_path).found()
    assert found is not None
    assert (found.operation, found.pids, found.machine) == ("r/op/1", ((70, "s70"),), marks.here())
    assert [item.urn for item in found.creating] == ["b"]
    assert found.adopting == {"b"}
    mine.carry_over(found, (Object(urn="c", type="t"),))
    mine.started(71, "s71")
    again = Marks(tmp_path).found()
    assert again is not None
    assert (again.at, again.pids) == (found.at, ((70, "s70"), (71, "s71")))
    assert [item.urn for item in again.creating] == ["c"]
    mine.close({"written_at": "now", "settings": "x"})
    assert Marks(tmp_path).found() is None
    assert Marks(tmp_path).last() == {"written_at": "now", "settings": "x"}


def test_locks_out_of_reach_are_read_from_what_the_cli_says_of_them() -> None:
    said = (
        "error: the stack is currently locked by 2 lock(s). Either wait for the other process(es) to "
        "end or delete the lock file with `pulumi cancel`.\n"
        "  s3://b/.pulumi/locks/organization/p/dev/1.json: created by root@ci-1 (pid 70) at "
        "2026-11-21T12:00:05Z\n"
        "  s3://b/.pulumi/locks/organization/p/dev/2.json: created by u@ci-2 (pid 9) at "
        "2026-11-21T13:00:05+01:00\n"
    )
    first, second = locks.in_text(said)
    assert (first.host, first.pid, first.since) == ("ci-1", 70, NOW + timedelta(seconds=5))
    assert (second.user, second.host, second.since) == ("u", "ci-2", NOW + timedelta(seconds=5))
    recovering.expect_dead((first,), Claim(mark=MARK), HERE)
    with pytest.raises(Unsettled, match=r"u@ci-2 \(process 9"):
        recovering.expect_dead((first, second), Claim(mark=MARK), HERE)


def test_a_real_lock_text_can_be_read() -> None:
    text = (
        "  file://<state>/.pulumi/locks/organization/proj/dev/<uuid>.json?no_tmp_dir=true: created "
        "by <user>@<host> (pid 12) at 2026-11-21T12:00:00Z\n"
    )
    assert [lock.host for lock in locks.in_text(text)] == ["<host>"]


@pytest.mark.parametrize(
    ("backend", "environment", "found"),
    [
        ("file:///a", {"PULUMI_BACKEND_URL": "s3://b"}, "file:///a"),
        ("", {"PULUMI_BACKEND_URL": "s3://b"}, "s3://b"),
        ("", {"PULUMI_HOME": "{home}"}, "file:///logged/in"),
        ("", {"PULUMI_HOME": "/nowhere"}, ""),
    ],
)
def test_the_backend_is_the_stacks_else_the_environments_else_that_of_the_login(
    tmp_path: Path, backend: str, environment: dict[str, str], found: str
) -> None:
    (tmp_path / "credentials.json").write_text('{"current": "file:///logged/in"}')
    told = {name: value.format(home=tmp_path) for name, value in environment.items()}
    assert locks.backend_of(backend, told) == found


def test_a_full_backend_is_refused_before_anything_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second update on a full disk destroys the recorded state."""
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=3 * 2**20))
    with pytest.raises(Unsettled, match="3 MB free, an update of this stack needs 32 MB"):
        mending.expect_space(f"file://{tmp_path}", "proj", "dev")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=60 * 2**20))
    mending.expect_space(f"file://{tmp_path}", "proj", "dev")
    state = tmp_path / ".pulumi" / "stacks" / "proj" / "dev.json"
    state.parent.mkdir(parents=True)
    state.write_bytes(b" " * 20 * 2**20)
    with pytest.raises(Unsettled, match="needs 80 MB"):
        mending.expect_space(f"file://{tmp_path}", "proj", "acme/proj/dev")


@pytest.mark.processes
def test_hazard_9_a_cli_that_outlives_its_driver_is_waited_for(tmp_path: Path) -> None:
    """It finishes what runs and records it; beside it nothing may begin."""
    script = f"import time; time.sleep(0.3); open({str(tmp_path / 'recorded')!r}, 'w')"
    lives = subprocess.Popen([sys.executable, "-c", script], process_group=0)
    reaped = threading.Thread(target=lives.wait)
    reaped.start()
    start = processes.started(lives.pid)
    assert start is not None
    mark = Mark(operation="o", machine=marks.here(), at=NOW, pids=((lives.pid, start),))
    said: list[str] = []
    recovering.end_processes(mark, marks.here(), said.append)
    assert (tmp_path / "recorded").exists()
    assert said == [f"an update of ours still runs (process {lives.pid}); its end is awaited"]
    reaped.join()
    assert lives.returncode == 0


@pytest.mark.processes
def test_hazard_9_a_provider_that_outlives_its_cli_is_ended(tmp_path: Path) -> None:
    """What it still makes nobody would record."""
    plugin = f"import time; open({str(tmp_path / 'up')!r}, 'w'); time.sleep(60)"
    script = (
        f"import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', {plugin!r}]).pid)"
    )
    cli = subprocess.Popen(
        [sys.executable, "-c", script], start_new_session=True, stdout=subprocess.PIPE, text=True
    )
    start = processes.started(cli.pid) or ""
    assert cli.stdout is not None
    orphan = int(cli.stdout.readline())
    cli.wait()
    until((tmp_path / "up").exists)
    mark = Mark(operation="o", machine=marks.here(), at=NOW, pids=((cli.pid, start),))
    recovering.end_processes(mark, marks.here(), lambda sentence: None)
    until(lambda: processes.started(orphan) is None)
    cli.stdout.close()

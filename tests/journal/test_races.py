"""Everybody at once, in threads and in processes: exactly one takes the lock, appends, has the word."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from rollout_kit.journal.attendance import Attendance
from rollout_kit.journal.lock_place import LockState
from rollout_kit.journal.memory_lock import MemoryLock
from rollout_kit.journal.state_url import open_state
from rollout_kit.journal.store import RolloutStore
from rollout_kit.ports.journal import LockLost

from .cases import VirtualClock, attached, owner, started
from .conftest import BUCKETS, bucket_of
from .test_people import APPROVAL

AT_ONCE = 4
ROUNDS = 4


def winners(act: Callable[[int], bool]) -> int:
    """How many of the threads that do this at one moment are told yes."""
    start, won = threading.Barrier(AT_ONCE), list[bool]()

    def one(number: int) -> None:
        start.wait()
        won.append(act(number))

    threads = [threading.Thread(target=one, args=(number,)) for number in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == AT_ONCE
    return sum(won)


def taken(store: RolloutStore, seen: LockState | None, number: int) -> bool:
    place = store.lock("orders")
    if place.read() != seen:
        return False  # somebody was faster than our look
    fence = (seen.fence if seen else 0) + 1
    new = LockState(version=0, fence=fence, owner=owner(number), rollout="one")
    return place.swap(seen, new) is not None


def appended(store: RolloutStore, number: int) -> bool:
    clock = VirtualClock()
    journal = store.journal(
        "orders",
        "one",
        clock=clock,
        actor=f"writer {number}",
        lock=MemoryLock(),
        attendance=Attendance(clock),
    )
    known = len(journal.read())
    try:
        return journal.append(attached() if known else started()).sequence == known
    except LockLost:
        return False
    finally:
        journal.close()


def test_one_of_many_takes_a_lock(store: RolloutStore) -> None:
    seen = None
    for _ in range(ROUNDS):
        before = seen
        assert winners(lambda number: taken(store, before, number)) == 1  # noqa: B023
        seen = store.lock("orders").read()
    assert seen is not None
    assert (seen.fence, seen.version) == (ROUNDS, ROUNDS)


def test_a_record_is_written_once_whoever_wants_its_place(store: RolloutStore) -> None:
    won = sum(winners(lambda number: appended(store, number)) for _ in range(ROUNDS))

    records = store.tape("orders", "one").load().records
    assert len(records) == won >= ROUNDS
    assert [record.sequence for record in records] == list(range(won))


def test_one_of_many_has_the_first_word(store: RolloutStore) -> None:
    for attempt in range(ROUNDS):
        said = replace(APPROVAL, attempt=attempt)

        def leave(number: int, said: object = said) -> bool:
            word = replace(said, actor=f"person {number}")  # type: ignore[type-var]
            return store.people("orders", "one").leave(word)  # type: ignore[arg-type]

        assert winners(leave) == 1
    assert len(store.people("orders", "one").read()) == ROUNDS


CONTENDER = """
import json, os, sys
from dataclasses import replace
from pathlib import Path
from rollout_kit.journal.state_url import open_state
from tests.journal.cases import VirtualClock
from tests.journal.test_people import APPROVAL
from tests.journal.test_races import appended, taken

store = open_state(sys.argv[1], Path("/"), os.environ, VirtualClock())
number = int(sys.argv[2])
print("ready", flush=True)
for round_ in map(int, sys.stdin):
    lock = store.lock("orders").read()
    seen = lock if lock and lock.fence == round_ else None
    won = taken(store, seen, number) if (lock is None) == (round_ == 0) and lock == seen else False
    said = replace(APPROVAL, attempt=round_, actor=f"person {number}")
    word = store.people("orders", "one").leave(said)
    print(json.dumps([won, appended(store, number), word]), flush=True)
"""


@pytest.mark.processes
@pytest.mark.parametrize("kind", ["folder", *BUCKETS])
def test_real_processes_race_for_lock_record_and_word(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    state = str(tmp_path / "state") if kind == "folder" else bucket_of(kind, request)
    environment: Mapping[str, str] = dict(os.environ)
    root = Path(__file__).parents[2]
    contenders = [
        subprocess.Popen(
            [sys.executable, "-c", CONTENDER, state, str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=root,
            env=environment,
        )
        for number in range(3)
    ]
    try:
        for one in contenders:
            assert one.stdout is not None
            assert one.stdout.readline() == "ready\n"
        records = 0
        for round_ in range(ROUNDS):
            for one in contenders:
                assert one.stdin is not None
                one.stdin.write(f"{round_}\n")
                one.stdin.flush()
            answers = [json.loads(one.stdout.readline()) for one in contenders if one.stdout]
            locks, appends, words = (sum(said) for said in zip(*answers, strict=True))
            assert (locks, words) == (1, 1), (round_, answers)
            assert 1 <= appends <= len(contenders)
            records += appends
    finally:
        for one in contenders:
            one.kill()
            one.communicate()
    store = open_state(state, root, environment, VirtualClock())
    assert len(store.tape("orders", "one").load().records) == records
    lock = store.lock("orders").read()
    assert lock is not None
    assert lock.fence == ROUNDS

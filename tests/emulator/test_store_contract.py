"""What the model may rely on, held against every store."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from rollout_kit.emulator.model.records import Counter, Event, Namespace, Task, TaskKind, TaskState
from rollout_kit.emulator.model.settings import Generation
from rollout_kit.emulator.sqlite_store import SqliteStore
from rollout_kit.emulator.store import Store, StoreUnavailable, new_id, next_number, write_log
from tests.emulator.cluster import Cluster


def a_task(task_id: str, *, state: TaskState = TaskState.READY) -> Task:
    return Task(
        task_id=task_id,
        namespace="default",
        task_queue="q",
        kind=TaskKind.WORKFLOW,
        state=state,
        run_id="r",
        workflow_id="w",
        compatibility=None,
        created_us=1,
        available_us=2,
        retry_policy={"max_attempts": 3},
    )


def an_event(number: int) -> Event:
    return Event(run_id="r", number=number, event_id="e", event_type="T", payload={}, recorded_us=1)


def test_a_record_comes_back_as_it_was_put(store: Store) -> None:
    task = a_task("t1")
    with store.write() as rows:
        rows.put(task)
    with store.read() as rows:
        assert rows.get(Task, "t1") == task
        assert rows.get(Task, "t2") is None


def test_putting_the_same_key_again_replaces_the_record_in_every_index(store: Store) -> None:
    with store.write() as rows:
        rows.put(a_task("t1"))
        rows.put(a_task("t1", state=TaskState.DONE))
    with store.read() as rows:
        assert rows.select(Task, state=TaskState.READY) == []
        assert rows.count(Task, state=TaskState.DONE) == 1
        assert rows.count(Task) == 1


def test_a_record_changed_in_what_nobody_looks_it_up_by_is_the_new_one_everywhere(
    store: Store,
) -> None:
    changed = replace(a_task("t1"), attempt=7)
    with store.write() as rows:
        rows.put(a_task("t1"))
        rows.put(changed)
    with store.read() as rows:
        assert [*rows.select(Task, state=TaskState.READY)] == [changed]
        assert [*rows.select(Task, run_id="r")] == [changed]
        assert rows.get(Task, "t1") == changed


def test_records_are_listed_in_the_order_of_their_keys(store: Store) -> None:
    with store.write() as rows:
        for number in (10, 2, 1):
            rows.put(an_event(number))
    with store.read() as rows:
        assert [event.number for event in rows.select(Event, run_id="r")] == [1, 2, 10]


def test_a_deleted_record_is_gone(store: Store) -> None:
    with store.write() as rows:
        rows.put(a_task("t1"))
        rows.delete(a_task("t1"))
    with store.read() as rows:
        assert rows.count(Task) == 0


def test_looking_up_by_fields_without_an_index_is_an_error(store: Store) -> None:
    with store.read() as rows, pytest.raises(LookupError, match="index"):
        rows.select(Task, lease_owner="w1")


def test_a_failed_transaction_leaves_nothing_behind(store: Store) -> None:
    with store.write() as rows:
        rows.put(a_task("t1"))

    def change_and_fail() -> None:
        with store.write() as rows:
            rows.put(a_task("t1", state=TaskState.DONE))
            rows.put(a_task("t2"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        change_and_fail()
    with store.read() as rows:
        assert rows.select(Task) == [a_task("t1")]


def test_numbers_and_ids_are_never_given_twice(store: Store) -> None:
    with store.write() as rows:
        assert [next_number(rows, "a") for _ in range(3)] == [1, 2, 3]
        ids = [new_id(rows, 1_790_000_000_000_000) for _ in range(50)]
    assert len(set(ids)) == 50
    assert ids == sorted(ids)
    assert all(len(made) == 26 for made in ids)


def test_writers_on_many_threads_never_lose_an_update(store: Store) -> None:
    def count_up() -> None:
        for _ in range(20):
            with store.write() as rows:
                next_number(rows, "n")

    threads = [threading.Thread(target=count_up) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with store.read() as rows:
        assert rows.get(Counter, "n") == Counter(name="n", value=160)


def test_a_whole_workflow_runs_on_every_store(store: Store) -> None:
    cluster = Cluster(store, Generation.V2)
    cluster.bootstrap()
    node = cluster.node()
    node.join("w1", "b1")
    assert node.start("o-1").json["outcome"] == "started_new"
    task = node.poll("w1")
    node.complete(task, {"type": "schedule_activity", "activity_type": "pay", "queue": "q"})
    node.finish(node.poll("w1", "activity"))
    node.complete(node.poll("w1"))
    shown = node.get("/api/workflows/o-1").json
    assert (shown["status"], shown["compatibility"]) == ("completed", "b1")


def test_the_write_log_names_each_write_and_no_read(store: Store) -> None:
    cluster = Cluster(store, Generation.V2)
    cluster.bootstrap()
    node = cluster.node(server_id="api-7")
    node.get("/api/task-queues")
    node.metrics()
    node.join("w1", "b1")
    assert write_log(store) == []
    node.cohort("q", "b1", "drain")
    node.cohort("q", "b1", "promote")
    log = [(entry.method, entry.path, entry.role, entry.status) for entry in write_log(store)]
    assert log == [
        ("POST", "/api/task-queues/q/build-ids/drain", "operator", 200),
        ("POST", "/api/task-queues/q/build-ids/promote", "operator", 409),
    ]
    assert {entry.server_id for entry in write_log(store)} == {"api-7"}


def test_two_openings_of_one_file_see_the_same_rows(tmp_path: Path) -> None:
    first, second = SqliteStore(tmp_path / "c.db"), SqliteStore(tmp_path / "c.db")
    with first.write() as rows:
        rows.put(a_task("t1"))
    with second.read() as rows:
        assert rows.select(Task, run_id="r") == [a_task("t1")]


def test_a_missing_file_is_unavailable_and_is_not_made(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "none.db", create=False)
    with pytest.raises(StoreUnavailable, match="does not exist"), store.read() as rows:
        rows.count(Namespace)
    assert not (tmp_path / "none.db").exists()

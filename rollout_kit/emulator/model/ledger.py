"""The bootstrap ledger: which migrations each release brings, which are applied, what they leave."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from rollout_kit.emulator.model.moments import whole_second
from rollout_kit.emulator.model.records import Migration, Namespace
from rollout_kit.emulator.store import Rows

REQUIRED_TABLES = (
    "migrations",
    "workflow_namespaces",
    "workflow_instances",
    "workflow_runs",
    "workflow_tasks",
    "workflow_history_events",
    "workflow_worker_registrations",
    "search_attribute_definitions",
)
ROLLOUT_TABLE = "workflow_worker_build_id_rollouts"
BUILD_IDS_SINCE = (0, 2, 6)
OPERATOR_METRICS_SINCE = (0, 2, 7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One migration: the release that brought it, and the table it makes or widens."""

    since: tuple[int, ...]
    name: str
    table: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bootstrapped:
    """What a bootstrap run did."""

    applied: Sequence[str]
    seeded: bool


_LEDGER = (
    *(
        Step(since=(0,), name=f"2026_04_01_0000{number:02}_create_{table}_table", table=table)
        for number, table in enumerate(REQUIRED_TABLES)
    ),
    Step(since=(0, 2, 6), name=f"2026_04_21_000000_create_{ROLLOUT_TABLE}_table",
         table=ROLLOUT_TABLE),
    Step(since=(0, 2, 9), name="2026_04_24_000000_add_intent_index_to_build_id_rollouts",
         table=ROLLOUT_TABLE),
    Step(since=(0, 2, 10), name="2026_04_25_000000_add_note_to_build_id_rollouts",
         table=ROLLOUT_TABLE),
    Step(since=(2, 0, 0), name="2026_06_10_000000_add_promotion_to_build_id_rollouts",
         table=ROLLOUT_TABLE),
    Step(since=(2, 3, 14), name="2026_09_20_000000_add_task_slots_to_registrations",
         table="workflow_worker_registrations"),
    Step(since=(2, 4, 0), name="2026_10_04_000000_add_rollout_note_to_build_id_rollouts",
         table=ROLLOUT_TABLE),
    Step(since=(2, 5, 0), name="2026_11_02_000000_add_wait_index_to_workflow_runs",
         table="workflow_runs"),
)  # fmt: skip


@cache
def migrations_of(version: str) -> tuple[Step, ...]:
    """The ledger of a release; one that is not known has that of the nearest lower one."""
    known = release(version)
    return tuple(step for step in _LEDGER if step.since <= known)


@cache
def release(version: str) -> tuple[int, ...]:
    """The numbers of a release, as far as there are three; what follows them does not count."""
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])


def applied_names(rows: Rows) -> set[str]:
    return {migration.name for migration in rows.select(Migration)}


def pending(rows: Rows, version: str) -> list[Step]:
    """What a server of this release would still have to migrate."""
    return [step for step in migrations_of(version) if rows.get(Migration, step.name) is None]


def missing_tables(rows: Rows) -> list[str]:
    """The tables that readiness looks for and does not find."""
    applied = applied_names(rows)
    made = {step.table for step in _LEDGER if step.name in applied and step.since == (0,)}
    return [table for table in REQUIRED_TABLES if table not in made]


def rollout_table_ready(rows: Rows, version: str) -> bool:
    """Whether the build-id rollout table is as this release's code expects it."""
    return not any(step.table == ROLLOUT_TABLE for step in pending(rows, version))


def status(rows: Rows, version: str) -> list[dict[str, object]]:
    """Each migration of the release, and whether it ran."""
    applied = applied_names(rows)
    return [
        {"migration": step.name, "ran": step.name in applied} for step in migrations_of(version)
    ]


def bootstrap(
    rows: Rows, version: str, namespace: str, now_us: int, *, seed: bool = True
) -> Bootstrapped:
    """Apply what is pending and make the default namespace; repeating it changes nothing."""
    steps = pending(rows, version)
    for step in steps:
        rows.put(Migration(name=step.name, applied_us=now_us))
    fresh = seed and rows.get(Namespace, namespace) is None
    if fresh:
        created_us = whole_second(now_us)
        rows.put(
            Namespace(
                name=namespace,
                description="Default namespace",
                retention_days=30,
                status="active",
                created_us=created_us,
                updated_us=created_us,
            )
        )
    return Bootstrapped(applied=[step.name for step in steps], seeded=fresh)

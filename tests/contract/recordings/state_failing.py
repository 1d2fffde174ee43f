"""Nodes in trouble: of their database, cache, credentials, schema or settings."""

from __future__ import annotations

from dataclasses import replace

from rollout_kit.emulator.memory_store import MemoryStore
from rollout_kit.emulator.model import ledger
from rollout_kit.emulator.model.records import Migration
from rollout_kit.emulator.model.settings import Condition, FleetValidation, Tokens
from tests.contract.recordings.given import (
    BOOTSTRAPPED,
    NEW,
    NODE,
    OLD,
    Given,
    bootstrapped,
    rollout,
    worker,
)

PROBE = replace(NODE, server_id="probe-nb", version="0.2.10")


def _migrated() -> MemoryStore:
    store = MemoryStore()
    with store.write() as rows:
        ledger.bootstrap(rows, "0.2.10", "default", BOOTSTRAPPED, seed=False)
    return store


def _without(table: str) -> MemoryStore:
    store = bootstrapped()
    with store.write() as rows:
        for applied in rows.select(Migration):
            if table in applied.name:
                rows.delete(applied)
    return store


def _in(condition: Condition) -> frozenset[Condition]:
    return frozenset({condition})


PAY = [
    worker("pay-v2-a", "pay", NEW, seen="20:33:48", beat="20:44:46"),
    worker("pay-v1-c", "pay", OLD, seen="20:38:24", beat="20:38:46", draining=True),
    rollout("pay", OLD, "20:38:39"),
]
EMPTY = Given(node=PROBE, store=MemoryStore)
UNSEEDED = Given(node=PROBE, store=_migrated)
TABLE_MISSING = Given(node=PROBE, store=lambda: _without("search_attribute_definitions"))
MIGRATION_PENDING = Given(node=PROBE, store=lambda: _without(ledger.ROLLOUT_TABLE))
DATABASE_DOWN = Given(
    rows=PAY,
    node=replace(NODE, version="0.2.9", conditions=_in(Condition.DATABASE_DOWN)),
    undetermined=("checks.*.message",),
)
FILE_MISSING = DATABASE_DOWN.on(conditions=_in(Condition.DATABASE_FILE_MISSING))
CACHE_DOWN = Given(rows=PAY, node=replace(NODE, conditions=_in(Condition.CACHE_DOWN)))
UNKNOWN_DRIVER = Given(node=replace(PROBE, auth_driver="bogus"))
UNKNOWN_PROVIDER = Given(node=replace(PROBE, auth_provider="App\\Nope"))
NO_TOKENS = Given(node=replace(PROBE, tokens=Tokens()))
NO_AUTH = Given(node=replace(PROBE, auth_driver="none"))
MARKER_OF_NOBODY = Given(
    node=replace(PROBE, marker="ghost-build", fleet_validation=FleetValidation.FAIL)
)

STATES = {
    "*/before-bootstrap*": EMPTY,
    "*/migrated-not-seeded*": UNSEEDED,
    "*/required-table-missing*": TABLE_MISSING,
    "*/pending-migration-not-noticed*": MIGRATION_PENDING,
    "*/db-down*": DATABASE_DOWN,
    "*/sqlite-file-missing*": FILE_MISSING,
    "*/redis-down*": CACHE_DOWN,
    "*/auth-invalid-driver*": UNKNOWN_DRIVER,
    "*/auth-invalid-provider*": UNKNOWN_PROVIDER,
    "*/auth-missing*": NO_TOKENS,
    "*/auth-none*": NO_AUTH,
    "*/fleet-validation-fail*": MARKER_OF_NOBODY,
    "health/ok": Given(),
    "errors/*": Given(),
    "misc/*": Given(),
}

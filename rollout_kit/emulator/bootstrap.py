"""The server-bootstrap job: `python -m rollout_kit.emulator.bootstrap --database PATH --to VERSION`.

`--status` prints which migrations of that release ran, and changes nothing.
"""

from __future__ import annotations

import fcntl
import json
import sys

from rollout_kit.emulator import process
from rollout_kit.emulator.model import ledger
from rollout_kit.emulator.model.moments import to_us
from rollout_kit.emulator.sqlite_store import SqliteStore


def main(argv: list[str] | None = None) -> int:
    arguments = process.parser(__doc__ or "")
    arguments.add_argument("--to", required=True, help="release whose ledger is applied")
    arguments.add_argument("--namespace", default="default", help="namespace to seed")
    arguments.add_argument("--status", action="store_true", help="only show what ran")
    options = arguments.parse_args(argv)
    if options.status:
        store = SqliteStore(options.database)
        with store.read() as rows:
            found = ledger.status(rows, options.to)
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
        return 0
    lock = options.database.with_name(options.database.name + ".bootstrap.lock")
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        store = SqliteStore(options.database)
        with store.write() as rows:
            done = ledger.bootstrap(rows, options.to, options.namespace, to_us(process.utc_now()))
    seeded = f"namespace {options.namespace} seeded" if done.seeded else "namespace was there"
    sys.stdout.write(f"{len(done.applied)} migrations applied, {seeded}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""The queue:work and repair loop: `python -m rollout_kit.emulator.maintenance --database PATH`."""

from __future__ import annotations

from rollout_kit.emulator import process
from rollout_kit.emulator.model import passes
from rollout_kit.emulator.model.moments import to_us
from rollout_kit.emulator.sqlite_store import SqliteStore


def main(argv: list[str] | None = None) -> int:
    arguments = process.parser(__doc__ or "")
    arguments.add_argument("--every", type=float, default=0.2, help="seconds between looks")
    options = arguments.parse_args(argv)
    settings = process.settings(options)

    def look(store: SqliteStore) -> None:
        now_us = to_us(process.utc_now())
        with store.read() as rows:
            waits = passes.work_waits(rows, now_us)
        if waits:
            with store.write() as rows:
                passes.maintenance_pass(rows, settings, now_us)

    process.loop(options.database, look, options.every)


if __name__ == "__main__":
    raise SystemExit(main())

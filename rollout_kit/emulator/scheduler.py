"""The schedule:evaluate loop: `python -m rollout_kit.emulator.scheduler --database PATH`."""

from __future__ import annotations

from rollout_kit.emulator import process
from rollout_kit.emulator.model import passes
from rollout_kit.emulator.model.moments import to_us
from rollout_kit.emulator.sqlite_store import SqliteStore


def main(argv: list[str] | None = None) -> int:
    arguments = process.parser(__doc__ or "")
    arguments.add_argument("--tick", type=float, default=10.0, help="seconds between ticks")
    options = arguments.parse_args(argv)
    settings = process.settings(options)
    name = process.identity()

    def tick(store: SqliteStore) -> None:
        now_us = to_us(process.utc_now())
        with store.write() as rows:
            passes.scheduler_tick(rows, settings, process=name, now_us=now_us)

    process.loop(options.database, tick, options.tick)


if __name__ == "__main__":
    raise SystemExit(main())

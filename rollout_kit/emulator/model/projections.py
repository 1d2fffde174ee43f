"""The figures about projections within the operator metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rollout_kit.emulator.model.moments import carbon
from rollout_kit.emulator.model.records import Bucket, Run


def leaves(runs: Sequence[Run], statics: Mapping[str, object]) -> dict[str, object]:
    """`projections` of the operator metrics; here every projection is always up to date."""
    fixed = _mapping(statics["projections"])
    total, waiting = len(runs), sum(run.bucket is Bucket.RUNNING for run in runs)
    events = sum(run.events for run in runs)
    with_timers = sum(run.timers > 0 for run in runs)
    updated = [run.progress_us for run in runs]
    ages = {
        "oldest_updated_at": carbon(min(updated, default=None)),
        "newest_updated_at": carbon(max(updated, default=None)),
    }
    unset = dict.fromkeys(ages)
    counts: dict[str, dict[str, object]] = {
        "run_summaries": {"runs": total, "summaries": total, **ages},
        "run_waits": {
            "runs": total,
            "rows": total,
            "projected_runs": total,
            "runs_with_waits": total,
            "projected_runs_with_waits": total,
            "summaries_with_open_waits": waiting,
            "projected_current_open_waits": waiting,
            **ages,
        },
        "run_timeline_entries": {
            "runs": total,
            "history_events": events,
            "rows": events,
            "projected_runs": total,
            "runs_with_history": total,
            "projected_runs_with_history": total,
            **ages,
        },
        "run_timer_entries": {
            "runs": total,
            "rows": sum(run.timers for run in runs),
            "projected_runs": with_timers,
            "runs_with_timers": with_timers,
            "projected_runs_with_timers": with_timers,
            **(ages if with_timers else unset),
        },
        "run_lineage_entries": {
            "runs": total,
            "rows": 0,
            "projected_runs": 0,
            "runs_with_lineage": 0,
            "projected_runs_with_lineage": 0,
            **unset,
        },
    }
    return {name: _mapping(fixed[name]) | counted for name, counted in counts.items()}


def _mapping(value: object) -> dict[str, object]:
    return dict(value) if isinstance(value, Mapping) else {}

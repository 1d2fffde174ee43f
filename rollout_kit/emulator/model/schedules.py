"""Schedules: when they are due next, and what firing one does."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from rollout_kit.emulator.model import payloads, routing, runs
from rollout_kit.emulator.model.moments import SECOND_US, from_us, offset, to_us
from rollout_kit.emulator.model.records import Bucket, Namespace, Schedule
from rollout_kit.emulator.model.runs import NewRun
from rollout_kit.emulator.model.settings import Generation, ServerSettings
from rollout_kit.emulator.store import Rows, next_number

_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?")
_MINUTES_AHEAD = 366 * 24 * 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Fired:
    """What one evaluation of all schedules did."""

    started: int
    skipped: int


def every_us(text: str) -> int | None:
    """The length of an ISO duration such as `PT10S`, or of a plain number of seconds."""
    if text.isdigit():
        return int(text) * SECOND_US
    found = _DURATION.fullmatch(text)
    if not found or not any(found.groups()):
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return ((days * 24 + hours) * 3600 + minutes * 60 + seconds) * SECOND_US


def next_fire_us(spec: Mapping[str, object], after_us: int) -> int | None:
    """The first time after the given one that the specification names."""
    times = [
        time
        for time in (
            *(_next_interval(item, after_us) for item in _items(spec, "intervals")),
            *(_next_cron(str(item), after_us) for item in _items(spec, "cron_expressions")),
        )
        if time is not None
    ]
    return min(times, default=None)


def evaluate(rows: Rows, settings: ServerSettings, now_us: int) -> Fired:
    """Start what is due, once for each schedule, pinned as this process pins."""
    started = skipped = 0
    for schedule in all_schedules(rows):
        if schedule.paused or schedule.next_fire_us is None or schedule.next_fire_us > now_us:
            continue
        if fire(rows, settings, schedule, now_us):
            started += 1
        else:
            skipped += 1
    return Fired(started=started, skipped=skipped)


def fire(rows: Rows, settings: ServerSettings, schedule: Schedule, now_us: int) -> bool:
    """Start the schedule's workflow, unless its last one still runs and overlap is not allowed."""
    following_us = next_fire_us(schedule.spec, now_us)
    if schedule.overlap_policy == "skip" and _still_runs(rows, schedule):
        skipped = schedule.skipped + 1
        rows.put(replace(schedule, next_fire_us=following_us, skipped=skipped, updated_us=now_us))
        return False
    action = schedule.action
    queue = str(action.get("task_queue") or "default")
    workflow_type = str(action["workflow_type"])
    codec, blob = _input(action.get("input"), settings.generation)
    pin = routing.pin_for_start(
        rows,
        settings,
        namespace=schedule.namespace,
        task_queue=queue,
        workflow_type=workflow_type,
        explicit=None,
        now_us=now_us,
    )
    workflow_id = f"{schedule.schedule_id}-{next_number(rows, 'fires')}"
    runs.start(
        rows,
        NewRun(
            namespace=schedule.namespace,
            workflow_id=workflow_id,
            workflow_type=workflow_type,
            task_queue=queue,
            compatibility=pin,
            codec=codec,
            input_blob=blob,
            caller="schedule",
        ),
        now_us,
    )
    rows.put(
        replace(
            schedule,
            next_fire_us=following_us,
            last_fire_us=now_us,
            fires=schedule.fires + 1,
            latest_workflow_id=workflow_id,
            updated_us=now_us,
        )
    )
    return True


def all_schedules(rows: Rows) -> list[Schedule]:
    return [
        schedule
        for namespace in rows.select(Namespace)
        for schedule in rows.select(Schedule, namespace=namespace.name)
    ]


def listed(schedule: Schedule, generation: Generation) -> dict[str, object]:
    """A row of the list; the newer generation spells its times twice."""
    row: dict[str, object] = {
        "schedule_id": schedule.schedule_id,
        "workflow_type": schedule.action.get("workflow_type"),
        "status": _status(schedule),
        "paused": schedule.paused,
        "next_fire": offset(schedule.next_fire_us),
        "last_fire": offset(schedule.last_fire_us),
        "overlap_policy": schedule.overlap_policy,
        "note": schedule.note,
        "fires_count": schedule.fires,
    }
    if generation is Generation.V2:
        row |= {
            "next_fire_at": offset(schedule.next_fire_us),
            "last_fired_at": offset(schedule.last_fire_us),
            "spec": dict(schedule.spec),
            "action": dict(schedule.action),
        }
    return row


def described(schedule: Schedule) -> dict[str, object]:
    """The body of `GET /api/schedules/{id}`."""
    remaining = None if schedule.max_runs is None else schedule.max_runs - schedule.fires
    return {
        "schedule_id": schedule.schedule_id,
        "spec": dict(schedule.spec),
        "action": dict(schedule.action),
        "overlap_policy": schedule.overlap_policy,
        "state": {
            "status": _status(schedule),
            "paused": schedule.paused,
            "note": schedule.note,
        },
        "info": {
            "next_fire": offset(schedule.next_fire_us),
            "last_fire": offset(schedule.last_fire_us),
            "fires_count": schedule.fires,
            "failures_count": schedule.failures,
            "recent_actions": [],
            "buffered_actions": [],
            "skipped_trigger_count": schedule.skipped,
            "last_skip_reason": "overlap" if schedule.skipped else None,
            "last_skipped_at": offset(schedule.updated_us) if schedule.skipped else None,
        },
        "memo": None,
        "search_attributes": None,
        "created_at": offset(schedule.created_us),
        "updated_at": offset(schedule.updated_us),
        "jitter_seconds": schedule.jitter_s,
        "max_runs": schedule.max_runs,
        "remaining_actions": remaining,
        "latest_workflow_instance_id": schedule.latest_workflow_id,
    }


def _status(schedule: Schedule) -> str:
    return "paused" if schedule.paused else "active"


def _still_runs(rows: Rows, schedule: Schedule) -> bool:
    if schedule.latest_workflow_id is None:
        return False
    run = runs.current_run(rows, schedule.namespace, schedule.latest_workflow_id)
    return run is not None and run.bucket is Bucket.RUNNING


def _input(value: object, generation: Generation) -> tuple[str, str]:
    if isinstance(value, Mapping) and "blob" in value:
        return str(value.get("codec") or payloads.CODEC), str(value["blob"])
    made = payloads.envelope(value if value is not None else [], generation)
    return str(made["codec"]), str(made["blob"])


def _items(spec: Mapping[str, object], name: str) -> Sequence[object]:
    value = spec.get(name)
    return value if isinstance(value, Sequence) and not isinstance(value, str) else ()


def _next_interval(item: object, after_us: int) -> int | None:
    every = item.get("every") if isinstance(item, Mapping) else None
    length_us = every_us(str(every)) if every is not None else None
    return None if not length_us else (after_us // length_us + 1) * length_us


def _next_cron(expression: str, after_us: int) -> int | None:
    fields = [
        _cron_field(text, low, high)
        for text, (low, high) in zip(
            expression.split(), ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7)), strict=False
        )
    ]
    if len(fields) != 5:
        return None
    minutes, hours, days, months, weekdays = fields
    moment = from_us(after_us).replace(second=0, microsecond=0)
    for _ in range(_MINUTES_AHEAD):
        moment += timedelta(minutes=1)
        weekday = moment.isoweekday()
        if (
            moment.minute in minutes
            and moment.hour in hours
            and moment.day in days
            and moment.month in months
            and (weekday in weekdays or weekday % 7 in weekdays)
        ):
            return to_us(moment)
    return None


def _cron_field(text: str, low: int, high: int) -> set[int]:
    allowed: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        if span == "*":
            start, end = low, high
        else:
            start = int(first)
            end = int(last) if last else (high if step else start)
        allowed.update(range(start, end + 1, int(step or 1)))
    return allowed

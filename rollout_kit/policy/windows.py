"""Whether a moment lies in a freeze window. Wall clocks jump; a window is as wide as either reading."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from rollout_kit.policy.pack import DatedWindow, Freeze, WeeklyWindow, Window

Span = tuple[datetime, datetime]
"""From (included) to (excluded), in UTC."""


def frozen_until(freeze: Freeze, now: datetime) -> datetime | None:
    """The end, in the freeze's time zone, of what `now` lies in; None where nothing is frozen.

    Windows that touch or overlap are one: the answer is the moment at which a rollout may start.
    """
    zone = ZoneInfo(freeze.time_zone)
    spans = [span for window in freeze.windows for span in _spans(window, zone, now)]
    moment = now.astimezone(UTC)
    end: datetime | None = None
    while (further := _end_of(spans, end or moment)) is not None:
        end = further
    return None if end is None else end.astimezone(zone)


def _end_of(spans: list[Span], moment: datetime) -> datetime | None:
    ends = [end for start, end in spans if start <= moment < end]
    return max(ends, default=None)


def _spans(window: Window, zone: ZoneInfo, now: datetime) -> Iterator[Span]:
    match window:
        case DatedWindow():
            yield _span(window.start, window.end, zone)
        case WeeklyWindow():
            today = now.astimezone(zone).date()
            # Yesterday's window may still be open; a week ahead shows where joined ones end.
            for offset in range(-1, 8):
                day = today + timedelta(days=offset)
                if day.weekday() in window.weekdays:
                    yield _span(*_of_day(window, day), zone)


def _of_day(window: WeeklyWindow, day: date) -> tuple[datetime, datetime]:
    ends_today = window.end is not None and window.end > window.start
    last = day if ends_today else day + timedelta(days=1)
    return datetime.combine(day, window.start), datetime.combine(last, window.end or time())


def _span(start: datetime, end: datetime, zone: ZoneInfo) -> Span:
    return min(_readings(start, zone)), max(_readings(end, zone))


def _readings(local: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Both moments that a wall clock may mean: it shows some times twice, and leaves others out."""
    return (
        local.replace(tzinfo=zone, fold=0).astimezone(UTC),
        local.replace(tzinfo=zone, fold=1).astimezone(UTC),
    )

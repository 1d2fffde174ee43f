"""Freeze windows keep the wall clock of their time zone, also when that clock jumps."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from rollout_kit.policy.pack import Freeze
from rollout_kit.policy.windows import frozen_until
from tests.policy.plans import findings, pack


def freeze(windows: str, zone: str = "Europe/Berlin") -> Freeze:
    body = pack(f"freeze: {{time_zone: {zone}, windows: [{windows}]}}").rules[0].body
    assert isinstance(body, Freeze)
    return body


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


YEAR_END = '{from: "2026-12-18T16:00", to: "2027-01-07T08:00"}'
FRIDAY = '{days: [fri], from: "16:00", to: "24:00"}'
WEEKEND = '{days: [sat, sun], from: "00:00", to: "24:00"}'
NIGHTS = '{days: [mon, tue, wed, thu, fri, sat, sun], from: "22:00", to: "06:00"}'


@pytest.mark.parametrize(
    ("windows", "now", "until"),
    [
        (YEAR_END, "2026-12-18T14:59", None),
        (YEAR_END, "2026-12-18T15:00", "2027-01-07T08:00+01:00"),
        (YEAR_END, "2027-01-07T06:59", "2027-01-07T08:00+01:00"),
        (YEAR_END, "2027-01-07T07:00", None),
        # In May, Berlin is two hours ahead.
        (FRIDAY, "2026-05-08T13:59", None),
        (FRIDAY, "2026-05-08T14:00", "2026-05-09T00:00+02:00"),
        (FRIDAY, "2026-05-08T22:00", None),
        # In January, one.
        (FRIDAY, "2026-01-09T14:59", None),
        (FRIDAY, "2026-01-09T15:00", "2026-01-10T00:00+01:00"),
        # A night belongs to the day on which it starts.
        (NIGHTS, "2026-05-05T03:59", "2026-05-05T06:00+02:00"),
        (NIGHTS, "2026-05-05T04:00", None),
        # Windows that touch are one: the answer is when a rollout may start.
        (f"{FRIDAY}, {WEEKEND}", "2026-05-08T14:00", "2026-05-11T00:00+02:00"),
    ],
)
def test_a_moment_lies_in_a_window_or_not(windows: str, now: str, until: str | None) -> None:
    found = frozen_until(freeze(windows), utc(now))
    assert (None if found is None else found.isoformat(timespec="minutes")) == until


def test_an_hour_that_the_clock_shows_twice_is_frozen_twice() -> None:
    # On 2026-10-25 Berlin's clock goes from 03:00 back to 02:00: 02:30 is 00:30 and 01:30 UTC.
    windows = '{from: "2026-10-25T02:30", to: "2026-10-25T02:45"}'
    at = {
        text: frozen_until(freeze(windows), utc(f"2026-10-25T{text}")) is not None
        for text in ("00:29", "00:30", "01:44", "01:45")
    }
    assert at == {"00:29": False, "00:30": True, "01:44": True, "01:45": False}


def test_an_hour_that_the_clock_leaves_out_is_still_frozen() -> None:
    # On 2026-03-29 Berlin's clock goes from 02:00 to 03:00 (01:00 UTC).
    windows = '{days: [sun], from: "02:15", to: "02:45"}'
    assert frozen_until(freeze(windows), utc("2026-03-29T01:00")) is not None
    assert frozen_until(freeze(windows), utc("2026-03-29T02:00")) is None


def test_a_day_of_25_hours_is_frozen_to_its_end() -> None:
    windows = '{days: [sun], from: "00:00", to: "24:00"}'
    until = frozen_until(freeze(windows), utc("2026-10-24T22:00"))
    assert until is not None
    assert until.astimezone(UTC) == utc("2026-10-25T23:00")


def test_the_refusal_names_the_end_and_the_time_there() -> None:
    rule = f"freeze: {{time_zone: America/New_York, windows: [{WEEKEND}]}}"
    (found,) = findings(rule, now=utc("2026-05-09T12:00"))
    assert found.sentence == (
        "rollouts are frozen until 2026-05-11 00:00 America/New_York"
        " (it is Sat 2026-05-09 08:00 there)"
    )
    assert findings(rule, now=utc("2026-05-11T04:00")) == ()

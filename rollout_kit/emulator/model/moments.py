"""Times as the server stores and spells them: whole microseconds since the epoch, three spellings."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

SECOND_US = 1_000_000
_REMEMBERED = 4096
"""How many spellings are kept: one row is shown many times."""


def to_us(moment: datetime) -> int:
    """Microseconds since the epoch of an aware time."""
    return (moment - _EPOCH) // _MICROSECOND


def from_us(us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=us)


def whole_second(us: int) -> int:
    """Columns without a fraction lose it, as the server's timestamp columns do."""
    return us - us % SECOND_US


@lru_cache(maxsize=_REMEMBERED)
def carbon(us: int | None) -> str | None:
    """`2026-10-03T08:15:02.123456Z`, the spelling of heartbeats, leases and runs."""
    if us is None:
        return None
    return f"{_bare(us).isoformat(timespec='microseconds')}Z"


@lru_cache(maxsize=_REMEMBERED)
def offset(us: int | None) -> str | None:
    """`2026-10-03T08:15:02+00:00`, the spelling of schedules, namespaces and readiness."""
    if us is None:
        return None
    return from_us(us).isoformat(timespec="seconds")


@lru_cache(maxsize=_REMEMBERED)
def zulu(us: int | None) -> str | None:
    """`2026-10-03T08:15:02Z`, the spelling of the newer generation's rollout rows."""
    if us is None:
        return None
    return f"{_bare(us).isoformat(timespec='seconds')}Z"


def _bare(us: int) -> datetime:
    return from_us(us).replace(tzinfo=None)


def age_ms(now_us: int, since_us: int | None) -> int:
    """Milliseconds between the two, 0 when nothing qualifies, as the metrics count it."""
    return 0 if since_us is None else max(0, (now_us - since_us) // 1000)

"""What a gate or a guard has where the plan says nothing; durations in seconds."""

from __future__ import annotations

DEFAULT_INTERVAL_S = 10.0
DEFAULT_NO_DATA_LIMIT = 3
DEFAULT_GUARD_NO_DATA_LIMIT = 6
DEFAULT_GUARD_FAILURE_LIMIT = 2
DEFAULT_GATE_WITHIN_S = 600.0

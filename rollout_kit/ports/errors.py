"""Errors of the outside world, split by what the executor may do about them."""

from __future__ import annotations

from enum import StrEnum


class Trouble(StrEnum):
    """What it was on the wire, for the exit code when nothing has been written yet."""

    NETWORK = "network"
    AUTH = "auth"
    NOT_FOUND = "not-found"
    SERVER = "server"
    TIMEOUT = "timeout"
    INCOMPATIBLE = "incompatible"
    OTHER = "other"


class OutsideError(Exception):
    """Something outside said no, or nothing.

    `message` says what and with both values; `why` why it matters; `hint` what to do next.
    """

    def __init__(
        self, message: str, *, why: str = "", hint: str = "", trouble: Trouble = Trouble.OTHER
    ) -> None:
        super().__init__(message)
        self.message = message
        self.why = why
        self.hint = hint
        self.trouble = trouble

    @property
    def sentences(self) -> str:
        """What, and why it matters, as one text."""
        return f"{self.message}. {self.why}" if self.why else self.message


class Unavailable(OutsideError):
    """Outcome unknown (timeout, reset, 5xx): observe, then decide again."""


class InFlight(OutsideError):
    """A read that is still under way inside its adapter: *pending*, ask again. `message`: k of n."""


class NotYet(OutsideError):
    """Not possible yet, and will be: wait, send again within `within` (promote before a heartbeat)."""


class Refused(OutsideError):
    """It said no and will again (401, 403, 404, 422, 409 of our own making)."""


class Unknowable(Refused):
    """It never can say: asking again is of no use, only a person may know."""


class Conflict(OutsideError):
    """Someone else holds or changed it: stop, and say who."""


class Incompatible(OutsideError):
    """Never retry: a protocol that does not fit, or an answer outside the contract to a write."""

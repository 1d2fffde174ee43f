"""Numbers from elsewhere: one document over HTTP."""

from __future__ import annotations

from typing import Protocol

from rollout_kit.model.gate import HttpSource


class MetricsReader(Protocol):
    def http_number(self, source: HttpSource) -> float:
        """The number at the source's pointer.

        Raises: Unavailable or InFlight when it cannot be had now; Refused when the document has no
        number there (both values in the message).
        """
        ...

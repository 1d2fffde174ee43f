"""The update that a service (Pulumi Cloud, or one's own) has under way, and whose it is. Pure.

A service keeps no lock files and names no process: it knows an update by what its CLI told it. So
each of ours is sent with a name of its own, which is on our record before. An update that falls
silent is ended by the service itself, five minutes after it last heard of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from rollout_kit.drivers.pulumi.locks import Claim, Lock, Standing
from rollout_kit.drivers.pulumi.marks import Machine

_SERVICES = frozenset({"http", "https"})
_IN_PROGRESS = "in-progress"
ENDS_SILENT = "the service ends one that has been silent for five minutes"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnderWay:
    """What the history says of an update that has not ended. `name`: what it was sent with."""

    kind: str
    message: str
    name: str
    since: datetime

    @property
    def lock(self) -> Lock:
        """The same as a lock: nobody else can update the stack while it is there."""
        told = f' "{self.message}"' if self.message else ""
        return Lock(path="", since=self.since, said=f"{_article(self.kind)}{told}")


def _article(kind: str) -> str:
    return f"an {kind}" if kind[:1] in "aeiou" else f"a {kind}"


def in_service(backend: str) -> bool:
    """Whether the backend is a service, which is spoken to over HTTP."""
    return urlsplit(backend).scheme in _SERVICES


def under_way(newest: Mapping[str, str] | None) -> UnderWay | None:
    """The newest entry of the history, if it has not ended."""
    if newest is None or newest["result"] != _IN_PROGRESS:
        return None
    return UnderWay(
        kind=newest["kind"],
        message=newest["message"],
        name=newest["agent"],
        since=datetime.fromisoformat(newest["startTime"]),
    )


def judge(
    found: UnderWay, claim: Claim, here: Machine, runs: Callable[[int, str], bool]
) -> Standing:
    """Whose it is: ours and dead only where the process that sent it under this name is gone."""
    mark = claim.mark
    sender = mark.sent.get(found.name) if mark is not None else None
    if mark is None or sender is None:
        known = {claim.operation, mark.operation if mark else ""} - {""}
        return Standing.OURS_ELSEWHERE if found.message in known else Standing.FOREIGN
    if mark.machine != here or not here.certain:
        return Standing.OURS_ELSEWHERE
    return Standing.OURS_AND_ALIVE if runs(*sender) else Standing.OURS_AND_DEAD

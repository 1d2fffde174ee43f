"""Waits for an object of a cluster to get ready, or to be gone."""

from __future__ import annotations

import time

from tests.standin.engine.failure import OperationFailed, Unfinished

from .api import Call, Tree
from .awaiting import GONE_S, leads_to_pods, standing, wait_s
from .cluster import Cluster
from .offline import Offline

Place = tuple[str, str, str, str]
"""apiVersion, kind, namespace ("" where there is none), name."""
_POLL_S = 0.1
_CANCELLED = (
    'update of resource "{urn}" failed: Resource operation was cancelled for "{name}"\n'
    "unable to get cluster state: client rate limiter Wait returned an error: context canceled"
)


class Wait:
    """`own`: outputs that the object itself does not have."""

    def __init__(
        self, cluster: Cluster | Offline, call: Call, new: Tree, place: Place, own: Tree
    ) -> None:
        self._cluster, self._call, self._new = cluster, call, new
        self._place, self._own = place, own
        self._said = ""

    def over(self, *, updating: bool) -> Tree:
        """The object once it is ready. Raises OperationFailed, Unfinished."""
        id_, name = id_of(self._place), self._place[3]
        deadline = time.monotonic() + wait_s(self._new, self._call.timeout_s)
        settling = Settling(self._cluster.settles_s)
        while True:
            now = self._cluster.get(*self._place)
            if now is None:
                raise OperationFailed(f"{id_} was deleted while it was awaited")
            around = self._cluster.around(now)
            seen = standing(now, around, annotation(self._new, "waitFor"))
            settled = not leads_to_pods(now) or settling.over(around)
            self._say(seen.message if settled else "[1/3] Finding Pods to direct traffic to")
            if seen.ready and settled:
                self._say("")
                return now
            if seen.failed or time.monotonic() > deadline:
                first = seen.failed or f"'{name}' timed out waiting to be Ready"
                reasons = [reported(id_, first), *seen.reasons]
                raise Unfinished(id_, {**now, **self._own}, reasons)
            if self._call.cancelled.wait(_POLL_S):
                raise OperationFailed(
                    _CANCELLED.format(urn=self._call.urn, name=name)
                    if updating
                    else f'Resource operation was cancelled for "{name}"'
                )

    def _say(self, message: str) -> None:
        if message != self._said:
            self._said = message
            self._call.say(message)


class Settling:
    """What leads to pods counts once it has not changed for a while."""

    def __init__(self, settles_s: float) -> None:
        self._settles_s = settles_s
        self._last: list[Tree] = []
        self._since_s = 0.0

    def over(self, around: list[Tree]) -> bool:
        if around != self._last:
            self._last, self._since_s = around, time.monotonic()
        return bool(around) and time.monotonic() - self._since_s >= self._settles_s


def gone(cluster: Cluster | Offline, call: Call, place: Place, uid: str) -> None:
    """Until the object is no more, or another one has its name. Raises OperationFailed."""
    deadline = time.monotonic() + (call.timeout_s or GONE_S)
    said = False
    while (live := cluster.get(*place)) is not None:
        if uid and live["metadata"].get("uid") != uid:
            break
        if not said:
            call.say("Resource scheduled for deletion")
            said = True
        if time.monotonic() > deadline:
            raise OperationFailed(f"timed out waiting for {id_of(place)} to be gone")
        if call.cancelled.wait(_POLL_S):
            raise OperationFailed(f'Resource operation was cancelled for "{place[3]}"')
    call.say("")


def id_of(place: Place) -> str:
    return f"{place[2]}/{place[3]}" if place[2] else place[3]


def annotation(new: Tree, name: str) -> str:
    annotations = (new.get("metadata") or {}).get("annotations") or {}
    return str(annotations.get(f"pulumi.com/{name}", ""))


def reported(id_: str, text: str) -> str:
    return (
        f'the Kubernetes API server reported that "{id_}" failed to fully initialize or become '
        f"live: {text}"
    )

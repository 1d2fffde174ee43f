"""The network between one tool and its fleet, which takes time, loses, doubles and delays."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rollout_kit.ports.errors import InFlight, Trouble, Unavailable
from rollout_kit.simulation.fate import Fate
from rollout_kit.simulation.faults import Blow, Fault, Moment
from rollout_kit.simulation.world import World
from rollout_kit.transport import faults
from rollout_kit.transport.errors import Transient
from rollout_kit.transport.messages import Request, Response

GIVES_UP_S = 4.5
"""How long the transport waits for an answer."""
METRICS_PATH = "/api/system/operator-metrics"
PAGE = b"<html><body>502 Bad Gateway</body></html>"


class ToolCrashed(BaseException):
    """The tool is killed here. Nothing catches it but who runs the simulation."""


@dataclass(slots=True, kw_only=True)
class Metrics:
    """What operator metrics show beside the truth: figures too high, or none at all, until then."""

    spike: float = 0.0
    spikes_until_s: float = 0.0
    silent_until_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LateRequest:
    due_s: float
    request: Request


class Network:
    """`exchange` is the product's transport. `late` requests arrive when somebody calls `arrive`."""

    def __init__(self, world: World, fate: Fate, latency_s: float) -> None:
        self.world = world
        self.fate = fate
        self.latency_s = latency_s
        self.metrics = Metrics()
        self.late: list[LateRequest] = []
        self.requests = 0
        self.writes = 0
        self.beat: Callable[[], None] = lambda: None
        """Called at each request: who runs the simulation sees that it does not run away."""

    def exchange(self, request: Request) -> Response:
        """Send it once. Raises as a transport does, or `ToolCrashed`."""
        self.requests += 1
        self.beat()
        self.world.clock.sleep(self.latency_s)
        reads = request.method == "GET"
        if not reads:
            self.writes += 1
        blows = self.fate.due(Moment.READ if reads else Moment.WRITE)
        for blow in blows:
            answer = self._before(blow, request)
            if answer is not None:
                return answer
        response = self._measured(request, self.world.deliver(request))
        for blow in blows:
            self._after(blow, request)
        return response

    def arrive(self) -> None:
        """What was under way for long enough arrives; its caller has given up."""
        now_s = self.world.clock.elapsed_s
        for item in [item for item in self.late if item.due_s <= now_s]:
            self.late.remove(item)
            self._again(item.request, late=True)

    def _again(self, request: Request, *, late: bool) -> None:
        fleet = self.world.fleet
        fleet.late, fleet.copy = late, not late
        try:
            self.world.deliver(request)
        except Unavailable:
            pass
        finally:
            fleet.late = fleet.copy = False

    def _before(self, blow: Blow, request: Request) -> Response | None:
        """What a blow does before the request has arrived; a response ends it there."""
        clock = self.world.clock
        match blow.fault:
            case Fault.CRASH_BEFORE:
                raise ToolCrashed(request.label)
            case Fault.LOST_BEFORE:
                raise self._lost(blow, request)
            case Fault.BAD_GATEWAY:
                return Response(status=502, headers={"content-type": "text/html"}, body=PAGE)
            case Fault.LATE:
                due_s = clock.elapsed_s + GIVES_UP_S + blow.lasting_s
                self.late.append(LateRequest(due_s=due_s, request=request))
                clock.sleep(GIVES_UP_S)
                raise faults.timed_out(request)
            case Fault.SLOW if blow.lasting_s >= GIVES_UP_S and request.method == "GET":
                clock.sleep(GIVES_UP_S)
                raise InFlight(f"{request.label} is under way", trouble=Trouble.TIMEOUT)
            case Fault.SLOW:
                clock.sleep(min(blow.lasting_s, GIVES_UP_S))
            case _:
                pass
        return None

    def _after(self, blow: Blow, request: Request) -> None:
        """What a blow does once the request has arrived."""
        match blow.fault:
            case Fault.CRASH_AFTER:
                raise ToolCrashed(request.label)
            case Fault.LOST_AFTER:
                raise self._lost(blow, request)
            case Fault.DUPLICATE:
                self._again(request, late=False)
            case Fault.SLOW if blow.lasting_s >= GIVES_UP_S:
                raise faults.timed_out(request)
            case _:
                pass

    def _lost(self, blow: Blow, request: Request) -> Unavailable:
        """A connection that broke at once, or silence until the transport gives up."""
        if blow.lasting_s < GIVES_UP_S:
            return Transient(f"{request.label}: the connection was reset")
        self.world.clock.sleep(GIVES_UP_S)
        return Unavailable(f"{request.label} gave no answer", trouble=Trouble.TIMEOUT)

    def _measured(self, request: Request, response: Response) -> Response:
        """The answer, with what the scenario shows of metrics in place of the truth."""
        now_s, metrics = self.world.clock.elapsed_s, self.metrics
        if METRICS_PATH not in request.url or response.status != 200:
            return response
        if now_s < metrics.silent_until_s:
            return Response(status=503, headers=response.headers, body=b'{"message": "no data"}')
        if now_s >= metrics.spikes_until_s:
            return response
        body = json.loads(response.body)
        _raise_figures(body, metrics.spike)
        return Response(status=200, headers=response.headers, body=json.dumps(body).encode("ascii"))


def _raise_figures(body: Any, by: float) -> None:
    """Failed runs, expired leases and overdue schedules by this many."""
    shown = body.get("operator_metrics", body)
    for group, figure in (("runs", "failed"), ("tasks", "lease_expired"), ("schedules", "missed")):
        found = shown.get(group)
        if isinstance(found, dict) and isinstance(found.get(figure), int):
            found[figure] += int(by * 4)

"""What strikes the fleet and its people while the rollout runs: deaths, silence, meddling."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import replace

from rollout_kit.model.identity import CohortRef
from rollout_kit.simulation.effects import Who, WorkerDied
from rollout_kit.simulation.faults import Blow, Fault
from rollout_kit.simulation.members import NEVER, Cohort
from rollout_kit.simulation.network import Metrics
from rollout_kit.simulation.world import World

FLAP_S = 3.0


class Harm:
    """`wrong_s`: how far the wall clock of the tool's machine is off."""

    def __init__(self, world: World, metrics: Metrics) -> None:
        self.world = world
        self.metrics = metrics
        self.wrong_s = 0.0
        self._later: list[tuple[float, int, Callable[[], None]]] = []
        self._serial = 0
        self._dead: set[str] = set()

    def strike(self, blow: Blow) -> None:
        """Let this blow of the world fall now."""
        match blow.fault:
            case Fault.NODE_RESTART | Fault.NODE_DEATH:
                self._node_dies(blow)
            case Fault.WORKER_DEATH:
                self._worker_dies(blow)
            case Fault.STALE_HEARTBEATS | Fault.FLAPPING_HEARTBEATS:
                self._silence(blow)
            case Fault.METRIC_SPIKE:
                self.metrics.spike = blow.amount
                self.metrics.spikes_until_s = self._now_s + blow.lasting_s
            case Fault.METRIC_GAP:
                self.metrics.silent_until_s = self._now_s + blow.lasting_s
            case Fault.CLOCK_STEP:
                self.wrong_s += (blow.amount - 2.0) * 60.0
            case Fault.PERSON_DRAINS:
                self._person_drains(blow)
            case Fault.PERSON_SCALES:
                self._person_scales(blow)
            case Fault.PERSON_DETACHES:
                self._person_detaches(blow)
            case _:
                pass

    def turn(self) -> None:
        """Do what was to be done by now."""
        while self._later and self._later[0][0] <= self._now_s:
            heapq.heappop(self._later)[2]()

    def heal(self) -> None:
        """Nothing is broken any more: what was dead lives, who was silent speaks."""
        due, self._later = sorted(self._later), []
        for _, _, act in due:
            act()
        self.wrong_s = 0.0
        self.metrics.spikes_until_s = self.metrics.silent_until_s = 0.0
        fleet = self.world.fleet
        for name in sorted(self._dead):
            fleet.start_node(name, fleet.nodes[name].spec, Who.FATE)
        self._dead.clear()
        for ref, found in list(fleet.cohorts.items()):
            if len(found.workers) < found.spec.replicas:
                fleet.start_cohort(ref, found.spec, Who.FATE)
            for worker in found.workers:
                worker.mute = False

    @property
    def _now_s(self) -> float:
        return self.world.clock.elapsed_s

    def _after(self, seconds: float, act: Callable[[], None]) -> None:
        self._serial += 1
        heapq.heappush(self._later, (self._now_s + seconds, self._serial, act))

    def _node_dies(self, blow: Blow) -> None:
        fleet = self.world.fleet
        name = sorted(fleet.nodes)[blow.target % len(fleet.nodes)]
        node = fleet.nodes[name]
        fleet.kill_node(name)
        if blow.fault is Fault.NODE_DEATH:
            self._dead.add(name)
            return

        def back() -> None:
            if fleet.nodes[name] is node and node.up_at_s == NEVER:
                fleet.start_node(name, node.spec, Who.FATE)

        self._after(blow.lasting_s, back)

    def _cohort(self, blow: Blow) -> tuple[CohortRef, Cohort] | None:
        """A cohort with live workers."""
        live = [(ref, found) for ref, found in self.world.fleet.cohorts.items() if found.workers]
        return live[blow.target % len(live)] if live else None

    def _worker_dies(self, blow: Blow) -> None:
        chosen = self._cohort(blow)
        if chosen is None:
            return
        ref, found = chosen
        worker = found.workers.pop()
        fleet = self.world.fleet
        fleet.happened(WorkerDied(cohort=ref, worker_id=worker.worker_id), Who.FATE)

        def back() -> None:
            if len(found.workers) < found.spec.replicas:
                fleet.start_cohort(ref, found.spec, Who.FATE)

        self._after(blow.lasting_s, back)

    def _silence(self, blow: Blow) -> None:
        chosen = self._cohort(blow)
        if chosen is None:
            return
        until_s = self._now_s + blow.lasting_s

        def mute(silent: bool) -> None:
            for worker in chosen[1].workers:
                worker.mute = silent and self._now_s < until_s
            if self._now_s < until_s and blow.fault is Fault.FLAPPING_HEARTBEATS:
                self._after(FLAP_S, lambda: mute(not silent))

        mute(True)
        self._after(blow.lasting_s, lambda: mute(False))

    def _person_drains(self, blow: Blow) -> None:
        queue = self.world.queues[blow.target % len(self.world.queues)]
        builds = [ref.build_id for ref in self.world.fleet.cohorts if ref.task_queue == queue]
        body = {"build_id": builds[int(blow.amount) % len(builds)]}
        path = f"/api/task-queues/{queue}/build-ids"
        self.world.control("POST", f"{path}/drain", body)
        self._after(blow.lasting_s, lambda: self._resume(f"{path}/resume", body))

    def _resume(self, path: str, body: dict[str, str | None]) -> None:
        """They take it back, and try until a node answers."""
        answer = self.world.control("POST", path, body)
        if answer is None or answer.status >= 500:
            self._after(1.0, lambda: self._resume(path, body))

    def _person_scales(self, blow: Blow) -> None:
        chosen = self._cohort(blow)
        if chosen is None:
            return
        ref, found = chosen
        more = replace(found.spec, replicas=found.spec.replicas + int(blow.amount))
        self.world.fleet.start_cohort(ref, more, Who.PERSON)

    def _person_detaches(self, blow: Blow) -> None:
        """A node out of rotation, where another one that answers stays in it; back after a while."""
        fleet = self.world.fleet
        serving = sorted(name for name, node in fleet.nodes.items() if node.attached)
        if sum(fleet.up(name) for name in serving) < 2:
            return
        name = serving[blow.target % len(serving)]
        if sum(fleet.up(other) for other in serving if other != name) < 1:
            return
        fleet.set_attached(name, False, Who.PERSON)
        self._after(blow.lasting_s, lambda: fleet.set_attached(name, True, Who.PERSON))

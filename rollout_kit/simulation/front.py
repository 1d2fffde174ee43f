"""How requests reach the machines of a fleet in memory: through the front, or to one node."""

from __future__ import annotations

from rollout_kit.emulator.app import NoAnswer
from rollout_kit.emulator.model import workers
from rollout_kit.emulator.model.moments import to_us
from rollout_kit.emulator.model.records import Task, TaskState
from rollout_kit.emulator.model.records import Worker as WorkerRow
from rollout_kit.emulator.model.tasks import lease_expired
from rollout_kit.emulator.wire import Request, Response
from rollout_kit.simulation.effects import ServerWrite, Who
from rollout_kit.simulation.machines import Machines


class Front(Machines):
    """Machines behind a load balancer. `workers.Server` to the workers that run here."""

    late = False
    """The request that now arrives was given up by its caller."""
    copy = False
    """It arrived before."""
    _turn = 0

    def live(self) -> None:
        """A turn of everybody's life."""
        for cohort in self.cohorts.values():
            for worker in cohort.workers:
                worker.live(self.clock.elapsed_s, self)
        for stranger in self.strangers:
            stranger.live(self.clock.elapsed_s, self)

    def ask(self, request: Request) -> Response | None:
        """A worker's request, through the front."""
        return self.front(request, Who.WORKER)

    def beat(self, namespace: str, worker_id: str) -> bool:
        """A worker's heartbeat, given to the model: it comes every second and says nothing else."""
        name = self._serving()
        if name is None:
            return False
        with self.store.write() as rows:
            row = rows.get(WorkerRow, namespace, worker_id)
            if row is not None:
                now_us = to_us(self.clock.now())
                workers.heartbeat(rows, self.nodes[name].settings, row, now_us)
        return True

    def offers(self, namespace: str, task_queue: str) -> bool:
        """Whether anything is ready on this queue, or leased by somebody whose time has run out."""
        place = {"namespace": namespace, "task_queue": task_queue}
        with self.store.read() as rows:
            return bool(rows.count(Task, **place, state=TaskState.READY)) or any(
                lease_expired(task, to_us(self.clock.now()))
                for task in rows.each(Task, **place, state=TaskState.LEASED)
            )

    def front(self, request: Request, who: Who = Who.PERSON) -> Response | None:
        """Through the load balancer: the first attached node that answers, turn by turn."""
        name = self._serving()
        return None if name is None else self.node(name, request, who)

    def _serving(self) -> str | None:
        """Whose turn it is among the attached nodes that answer."""
        names = [name for name, node in self.nodes.items() if node.attached]
        self._turn += 1
        for offset in range(len(names)):
            name = names[(self._turn + offset) % len(names)]
            if self.up(name):
                return name
        return None

    def node(self, name: str, request: Request, who: Who = Who.PERSON) -> Response | None:
        """To this node itself. None: no answer."""
        if not self.up(name):
            return None
        try:
            response = self.nodes[name].handle(request)
        except NoAnswer:
            return None
        if self.tell is not None and request.method != "GET" and response.hold_s is None:
            self._told(name, request, response, who)
        return response

    def _told(self, name: str, request: Request, response: Response, who: Who) -> None:
        written = ServerWrite(
            node=name,
            method=request.method,
            path=request.path,
            namespace=request.headers.get("x-namespace", ""),
            body=request.body,
            status=response.status,
            late=self.late,
            copy=self.copy,
        )
        self.happened(written, who)

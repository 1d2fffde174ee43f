"""Every open run of a namespace with its pin: listings, and one describe per run ever.

A pin never changes while its run lives, so a describe is remembered by run id. A look that does not
fit into one call goes on at the next: first the pages of the listing, then the describes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from rollout_kit.engines.durable_workflow import decode_runs, refusals
from rollout_kit.engines.durable_workflow.decode_runs import ListedRun, Page
from rollout_kit.engines.durable_workflow.wire import Wire, workflow_path
from rollout_kit.model.situation import OpenRun, OpenRuns
from rollout_kit.ports.errors import Incompatible, OutsideError, Trouble
from rollout_kit.transport.client import JsonClient, Terms

PAGE_SIZE = 200
DESCRIBES_PER_QUEUE = 2_000
BUDGET_S = 4.0
WIDTH = 4
FAILURES = 3
"""After so many failed describes a look goes no further: the server has other troubles."""
LISTING_AGES_AFTER_S = 15.0
"""A listing this old is taken anew, however many describes are still to come."""


@dataclass(slots=True)
class _Look:
    """One listing under way or ended, and the runs found so far by run id."""

    started_s: float
    runs: dict[str, ListedRun] = field(default_factory=dict)
    token: str | None = None
    ended_s: float | None = None
    touched_s: float = 0.0


@dataclass(slots=True)
class OpenRunsReader:
    """Keeps looks and pins between calls; one per engine."""

    client: JsonClient
    wire: Wire
    monotonic_s: Callable[[], float]
    _looks: dict[str, _Look] = field(default_factory=dict)
    _pins: dict[str, dict[str, str | None]] = field(default_factory=dict)
    _failed: set[str] = field(default_factory=set)  # run ids, asked last the next time

    def read(self, namespace: str) -> OpenRuns:
        """What is known within four seconds; `complete` once every page and every pin was read.

        Raises:
            OutsideError: nothing could be read now; what was read before stays for the next call.
        """
        until_s = self.monotonic_s() + BUDGET_S
        look = self._look(namespace)
        pins = self._pins.setdefault(namespace, {})
        while look.ended_s is None and self.monotonic_s() < until_s:
            self._turn_page(namespace, look, until_s)
        if look.ended_s is not None:
            pins.update({run.run_id: run.pin for run in look.runs.values() if run.pin_known})
            self._describe(namespace, look, pins, until_s)
        look.touched_s = self.monotonic_s()
        return self._result(namespace, look, pins)

    def _look(self, namespace: str) -> _Look:
        now_s = self.monotonic_s()
        look = self._looks.get(namespace)
        since_s = (
            now_s if look is None else look.touched_s if look.ended_s is None else look.ended_s
        )
        if look is None or now_s - since_s > LISTING_AGES_AFTER_S:
            look = self._looks[namespace] = _Look(started_s=now_s, touched_s=now_s)
        return look

    def _turn_page(self, namespace: str, look: _Look, until_s: float) -> None:
        query = {"status": "running", "page_size": str(PAGE_SIZE)}
        if look.token:
            query["next_page_token"] = look.token
        found: Page = self.client.read(
            self.wire.read("/api/workflows", namespace=namespace, query=query),
            decode_runs.page,
            Terms(budget_s=self._left_s(until_s), explain=refusals.general),
        )
        if found.next_token is not None and found.next_token == look.token:
            raise Incompatible(
                f"the listing of open runs of {namespace} repeats its page {look.token!r}",
                why="It would never end, and a part of the runs would stay unseen.",
                trouble=Trouble.INCOMPATIBLE,
            )
        look.runs.update({run.run_id: run for run in found.runs if not run.terminal})
        look.token = found.next_token
        if found.next_token is None:
            look.ended_s = self.monotonic_s()

    def _describe(
        self, namespace: str, look: _Look, pins: dict[str, str | None], until_s: float
    ) -> None:
        """Describe runs whose pin nobody knows yet, as many as time and the cap allow."""
        errors: list[OutsideError] = []
        asked: Counter[str] = Counter()
        calls = []

        def describing(run: ListedRun) -> Callable[[], None]:
            def call() -> None:
                if len(errors) >= FAILURES or self.monotonic_s() >= until_s:
                    return
                try:
                    found = self._ask(namespace, run, until_s)
                except refusals.NoSuchRun:
                    found = None
                except OutsideError as error:
                    errors.append(error)
                    self._failed.add(run.run_id)
                    return
                self._failed.discard(run.run_id)
                look.runs.pop(run.run_id, None)
                if found and not found.terminal:
                    pins[found.run_id] = found.pin
                    look.runs[found.run_id] = found

            return call

        for run in sorted(look.runs.values(), key=lambda run: run.run_id in self._failed):
            if run.run_id not in pins and asked[run.task_queue] < DESCRIBES_PER_QUEUE:
                asked[run.task_queue] += 1
                calls.append(describing(run))
        self.client.each(calls, WIDTH)
        if errors and not any(run_id in pins for run_id in look.runs):
            raise errors[0]

    def _ask(self, namespace: str, run: ListedRun, until_s: float) -> ListedRun:
        return self.client.read(
            self.wire.read(workflow_path(run.workflow_id), namespace=namespace),
            decode_runs.described,
            Terms(
                attempts=1,
                budget_s=self._left_s(until_s),
                remember=False,
                explain=refusals.general,
            ),
        )

    def _left_s(self, until_s: float) -> float:
        return max(0.1, until_s - self.monotonic_s())

    def _result(self, namespace: str, look: _Look, pins: dict[str, str | None]) -> OpenRuns:
        complete = look.ended_s is not None and all(run_id in pins for run_id in look.runs)
        if complete:
            del self._looks[namespace]
            self._pins[namespace] = {run_id: pins[run_id] for run_id in look.runs}
        return OpenRuns(
            namespace=namespace,
            runs=tuple(_open_run(namespace, run, pins) for run in look.runs.values()),
            complete=complete,
            listed_at_s=self.monotonic_s() if look.ended_s is None else look.ended_s,
            started_at_s=look.started_s,
        )


def _open_run(namespace: str, run: ListedRun, pins: dict[str, str | None]) -> OpenRun:
    return OpenRun(
        namespace=namespace,
        workflow_id=run.workflow_id,
        run_id=run.run_id,
        task_queue=run.task_queue,
        workflow_type=run.workflow_type,
        pin=pins.get(run.run_id),
        described=run.run_id in pins,
    )

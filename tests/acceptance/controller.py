"""A GitOps controller beside the command: it reads what is asked, changes the fleet, and tells nobody."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from rollout_kit.drivers.process import whole
from rollout_kit.drivers.process.driver import ProcessDriver
from rollout_kit.model import codec
from rollout_kit.ports.infra import (
    CohortSpec,
    InfraChange,
    ProcessSpec,
    ReplaceNode,
    RunJob,
    SetAttached,
    SetCohort,
    SetScheduler,
)
from rollout_kit.sandbox import fleet
from rollout_kit.sandbox.layout import SandboxInfo
from tests.acceptance.machine import STATE, Machine

LOOK_S = 0.2
ENDS_WITHIN_S = 60.0


@dataclass
class Controller:
    """Does each request once. Where a word is wanted it says so, as a person would: `approve`."""

    machine: Machine
    info: SandboxInfo

    done: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    _scheduler: ProcessSpec | None = None
    _did: set[tuple[str, int]] = field(default_factory=set)
    _said: set[tuple[str, int, str]] = field(default_factory=set)

    def look(self, *, wanted: Callable[[str], bool] = lambda _: True, say: bool = True) -> None:
        """One look at the newest journal: what is asked and not done yet is done."""
        for asked in self.asked():
            name, attempt = asked["operation"]["id"], asked["attempt"]
            if not wanted(name):
                continue
            if asked["change"] is not None and (name, attempt) not in self._did:
                self._did.add((name, attempt))
                self.change(name, codec.from_json(InfraChange, asked["change"]))
                self.done.append(name)
            if say and asked["request"]["word"]:
                self.say(name, attempt, asked["fingerprint"])
        held = self.held()
        if say and held and held["kind"] == "person" and wanted(held["operation"]):
            self.say(held["operation"], 0, held["fingerprint"])

    def say(self, name: str, attempt: int, fingerprint: str) -> None:
        if (name, attempt, fingerprint) in self._said:
            return
        ran = self.machine.run(
            "approve", name, "--state", STATE, "--because", "the job's log and ps say so"
        )
        if ran.code == 0:  # else it is not waited for any more, or not yet
            self._said.add((name, attempt, fingerprint))

    def asked(self) -> list[dict[str, Any]]:
        """What `status` calls pending, with the change itself from the journal."""
        newest: dict[str, dict[str, Any]] = {}
        for event in self.machine.events():
            if event["is"] == "PersonAsked":
                newest[event["operation"]["id"]] = event
            if event["is"] in ("OperationCompleted", "OperationFailed", "UndoSkipped"):
                newest.pop(event["operation"], None)
            if event["is"] == "RollbackStarted":
                newest = {}
            if event["is"] == "ProvedByPerson" and event["operation"] in newest:
                newest[event["operation"]]["request"]["word"] = False
        return list(newest.values())

    def held(self) -> dict[str, Any] | None:
        last = [e for e in self.machine.events() if e["is"] not in ("Attached", "PersonAsked")][-1:]
        return last[0] if last and last[0]["is"] == "RolloutHeld" else None

    def change(self, name: str, change: InfraChange) -> None:
        driver = fleet.driver_of(self.info)
        key = f"by-hand/{name}/{len(self.done)}"
        match change:
            case ReplaceNode(node=node):
                now = driver.node_spec(node)
                image = self._server(change.spec.image)
                spec = replace(now, image=image, marker=change.spec.marker)
                self._do(driver, f"{key}/out", SetAttached(node=node, attached=False))
                self._do(driver, key, ReplaceNode(node=node, spec=spec))
                self._do(driver, f"{key}/in", SetAttached(node=node, attached=True))
            case SetScheduler(spec=None) | RunJob():
                if isinstance(change, SetScheduler):
                    self._scheduler = driver.scheduler_spec()
                self._do(driver, key, change)
            case SetScheduler(spec=wanted) if wanted is not None and self._scheduler is not None:
                image = self._server(wanted.image)
                spec = replace(self._scheduler, image=image, marker=wanted.marker)
                self._do(driver, key, SetScheduler(spec=spec))
            case SetCohort(cohort=cohort, spec=workers):
                known = driver.cohort_specs().get(cohort)
                image = known.image if known is not None else workers.image
                environment = known.environment if known is not None else {}
                stood = CohortSpec(image=image, replicas=workers.replicas, environment=environment)
                self._do(driver, key, SetCohort(cohort=cohort, spec=stood))
            case _:
                raise AssertionError(f"nobody asks for {change}")

    def _server(self, image: str) -> str:
        versions = self.info.versions
        new = versions.server_image(versions.server_to)
        return new if image == new else versions.server_image(versions.server_from)

    def _do(self, driver: ProcessDriver, key: str, change: InfraChange) -> None:
        driver.begin(key, change)
        whole.await_work(driver, [key], ENDS_WITHIN_S)

    @contextmanager
    def at_work(self, wanted: Callable[[str], bool] = lambda _: True) -> Iterator[None]:
        """In the background for as long as this lasts. What it could not do fails the test."""
        over = threading.Event()

        def work() -> None:
            while not over.is_set():
                try:
                    self.look(wanted=wanted)
                except Exception as error:  # noqa: BLE001 - told by the test itself
                    self.errors.append(repr(error))
                    return
                time.sleep(LOOK_S)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join(timeout=ENDS_WITHIN_S)
        assert self.errors == []


def pending(machine: Machine) -> list[dict[str, Any]]:
    """As `status` tells programs."""
    found = machine.run("status", "--state", STATE, "--output", "json")
    assert found.code == 0, found.both
    rollouts: list[dict[str, Any]] = json.loads(found.out)["rollouts"]
    asked: list[dict[str, Any]] = rollouts[0]["asked"]
    return asked

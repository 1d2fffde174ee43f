"""The whole fleet at once: start all that its file declares, stop all that its state folder knows."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rollout_kit.drivers.process.driver import FRONT, ProcessDriver
from rollout_kit.drivers.process.fleet import Program
from rollout_kit.drivers.process.state import StateFolder
from rollout_kit.drivers.work import children, processes, roles
from rollout_kit.ports.errors import Unavailable
from rollout_kit.ports.infra import (
    InfraChange,
    JobState,
    ReplaceNode,
    SetCohort,
    SetMaintenance,
    SetScheduler,
)

if TYPE_CHECKING:
    from rollout_kit.drivers.work.records import Place

_LOOK_S = 0.02
_KILLED_WITHIN_S = 5.0


def declared(driver: ProcessDriver) -> Iterator[tuple[str, InfraChange]]:
    """A change for everything that the fleet file says runs at first, with its resource."""
    fleet = driver.fleet
    for name, node in fleet.nodes.items():
        yield f"node/{name}", ReplaceNode(node=name, spec=node.declared)
    if fleet.scheduler is not None:
        yield "scheduler", SetScheduler(spec=fleet.scheduler.declared)
    for name, entry in fleet.maintenance.items():
        yield f"maintenance/{name}", SetMaintenance(name=name, spec=entry.declared)
    for queue in fleet.queues:
        for cohort, spec in queue.declared.items():
            yield f"cohort/{cohort.path}", SetCohort(cohort=cohort, spec=spec)


def start_front(driver: ProcessDriver, key: str) -> None:
    """Start the front address, if the file has one; it runs until the fleet is stopped."""
    fleet, state = driver.fleet, driver.state
    if fleet.front is None:
        return
    nodes = [
        f"{state.membership(name)}={node.host}:{node.port}" for name, node in fleet.nodes.items()
    ]
    argv = children.argv(
        "rollout_kit.drivers.process.front", fleet.front.host, str(fleet.front.port), *nodes
    )
    launch = driver.render.program(FRONT, Program(argv=tuple(argv)))
    driver.begin_program(key, FRONT, launch)


def start_process(driver: ProcessDriver, key: str, name: str) -> None:
    """Start one of the file's `processes`."""
    role = f"process/{name}"
    driver.begin_program(key, role, driver.render.program(role, driver.fleet.processes[name]))


def stop_process(driver: ProcessDriver, key: str, name: str) -> None:
    """Stop one of the file's `processes`."""
    driver.end_program(key, f"process/{name}")


def await_work(driver: ProcessDriver, keys: list[str], within_s: float) -> None:
    """Wait until all of it has succeeded. Raises Unavailable: what failed, or what still runs."""
    deadline = time.monotonic() + within_s
    for key in keys:
        while (status := driver.work(key)).state in {JobState.QUEUED, JobState.RUNNING}:
            if time.monotonic() > deadline:
                raise Unavailable(f"{key} still runs after {within_s:g} s")
            time.sleep(_LOOK_S)
        if status.state is not JobState.SUCCEEDED:
            raise Unavailable(f"{key}: {status.state.value}", why=status.detail)


def stop_everything(state: StateFolder, grace_s: float) -> None:
    """Stop every process that the state folder knows, whatever state it was left in.

    First what could start something, then what is wanted, then what runs: nothing comes back.
    Raises Unavailable when a process does not even end when killed.
    """
    for work in state.works():
        state.end_supervisor(work)
        (work / "job.json").unlink(missing_ok=True)
    for desired in state.resources():
        nothing: list[Place] = [
            {"role": place["role"], "launch": None} for place in desired["places"]
        ]
        state.want(desired["resource"], {**desired, "key": "stopped", "places": nothing})
    begun = time.monotonic()
    asked: set[int] = set()
    while left := [found for role in state.roles() if (found := roles.holder(role)) is not None]:
        waited_s = time.monotonic() - begun
        if waited_s > grace_s + _KILLED_WITHIN_S:
            pids = ", ".join(str(holder.pid) for holder in left)
            raise Unavailable(f"processes {pids} do not end, not even when killed")
        for holder in left:
            if waited_s > grace_s:
                processes.send_group(holder.pid, holder.start, processes.SIGKILL)
            elif holder.pid not in asked:
                asked.add(holder.pid)
                processes.send_group(holder.pid, holder.start, processes.SIGTERM)
        time.sleep(_LOOK_S)

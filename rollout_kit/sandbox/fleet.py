"""Starting a sandbox, stopping it, looking at it; each leaves a clean end whatever happens."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rollout_kit.drivers.process import whole
from rollout_kit.drivers.process.driver import ProcessDriver
from rollout_kit.drivers.process.state import StateFolder
from rollout_kit.drivers.work import roles
from rollout_kit.ports.errors import OutsideError
from rollout_kit.ports.infra import RunJob
from rollout_kit.sandbox import account as accounting
from rollout_kit.sandbox import files, ledger
from rollout_kit.sandbox.account import LoadAccount
from rollout_kit.sandbox.files import SandboxError
from rollout_kit.sandbox.fleet_text import fleet_text
from rollout_kit.sandbox.layout import (
    NAMESPACE,
    QUEUES,
    VERSIONS,
    Flaw,
    Generation,
    SandboxInfo,
    Versions,
)
from rollout_kit.sandbox.wire import CONTROL_PLANE, NoAnswer, Wire

UP_WITHIN_S = 60.0
DOWN_GRACE_S = 1.0
_LOOK_S = 0.05
_LOAD = "load"
_SCHEDULES = (("hourly-report", QUEUES[0], 3), ("stock-check", QUEUES[1], 5))
"""Schedule id, its queue, its interval in seconds (an hour is short here)."""


def up(
    folder: Path,
    *,
    generation: Generation = Generation.V2,
    versions: Versions | None = None,
    flaw: Flaw | None = None,
    workers: int = 2,
    rate_hz: float = 4.0,
) -> SandboxInfo:
    """Start three API nodes, a front, scheduler, maintenance, two cohorts, and a load on them.

    Returns when all of it works. `workers`: of each queue. `rate_hz`: starts of the load; 0: none.

    Raises:
        SandboxError: one already runs in this folder, or something did not come up; what had been
            started by then is stopped again.
    """
    if _roles_held(folder):
        raise SandboxError(
            f"a sandbox already runs in {folder}", "Stop it first: rollout-kit sandbox down"
        )
    shutil.rmtree(folder / "state", ignore_errors=True)
    _forget(folder)
    found = files.new_info(folder, generation, versions or VERSIONS[generation], flaw, workers)
    try:
        files.write(found)
        found.fleet_file.write_text(fleet_text(found, rate_hz=rate_hz or 1.0), encoding="utf-8")
        _start(found, load=rate_hz > 0)
    except BaseException as error:
        down(folder)
        if isinstance(error, OutsideError | NoAnswer):
            why = getattr(error, "why", "")
            raise SandboxError(
                f"the sandbox did not come up: {error}" + (f" ({why})" if why else ""),
                f"Its logs are in {found.state_folder / 'logs'}.",
            ) from error
        raise
    return found


def down(folder: Path) -> None:
    """Stop every process of the sandbox; silent where there is none. Its files stay.

    Raises SandboxError when a process does not even end when killed.
    """
    try:
        whole.stop_everything(StateFolder(folder.resolve() / "state"), DOWN_GRACE_S)
    except OutsideError as error:
        raise SandboxError(str(error), "Look at them with ps; they may hang in the kernel.") from (
            error
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleStatus:
    """One process of the sandbox. `pid` is None when nothing has the role."""

    role: str
    pid: int | None
    worker_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxStatus:
    """What runs, by what is wanted; and what the nodes say of themselves."""

    info: SandboxInfo
    roles: tuple[RoleStatus, ...]
    ready: Mapping[str, bool]  # node -> answers ready
    versions: Mapping[str, str]  # node -> what it says that it is; empty without an answer
    starts: int  # of the load, so far

    @property
    def up(self) -> bool:
        return all(role.pid is not None for role in self.roles) and all(self.ready.values())


def status(folder: Path) -> SandboxStatus:
    """Raises SandboxError: there is no sandbox in this folder."""
    found = files.read(folder)
    state = StateFolder(found.state_folder)
    rows = []
    for desired in state.resources():
        for place in desired["places"]:
            holder = roles.holder(place["role"])
            if holder is None and place["launch"] is None:
                continue
            name = state.role_name(place["role"])
            worker = holder.worker_id or None if holder else None
            rows.append(RoleStatus(role=name, pid=holder.pid if holder else None, worker_id=worker))
    return SandboxStatus(
        info=found,
        roles=tuple(rows),
        ready={name: _ready(url) for name, url in found.node_urls.items()},
        versions={name: _version(found, url) for name, url in found.node_urls.items()},
        starts=len(ledger.read(found.ledger)),
    )


def driver_of(info: SandboxInfo) -> ProcessDriver:
    """The process driver of this sandbox, with its tokens."""
    return ProcessDriver(info.fleet_file, {**os.environ, **info.environment})


def stop_load(info: SandboxInfo) -> None:
    """Let the load settle what it has sent and end it; silent when it does not run."""
    driver = driver_of(info)
    whole.stop_process(driver, "sandbox/load-stop", _LOAD)
    whole.await_work(driver, ["sandbox/load-stop"], 20)


def account(info: SandboxInfo) -> LoadAccount:
    """What became of every start so far. Raises CannotAccount: the server does not answer."""
    driver = driver_of(info)
    serving = dict(_serving(info, driver))
    return accounting.account(
        _operator(info),
        ledger.read(info.ledger),
        QUEUES,
        lambda pin: all(pin in builds or pin is None for builds in serving.values()),
    )


def settle(
    info: SandboxInfo,
    within_s: float,
    *,
    sleep: Callable[[float], None] = time.sleep,
    interrupted: Callable[[], bool] = lambda: False,
) -> LoadAccount:
    """Stop the load and wait for its open runs; the account when none is open, or time is over."""
    stop_load(info)
    end = time.monotonic() + within_s
    while (found := account(info)).open_claimable and time.monotonic() < end and not interrupted():
        sleep(_LOOK_S * 10)
    return found


def _serving(info: SandboxInfo, driver: ProcessDriver) -> Iterator[tuple[str, set[str | None]]]:
    """Builds with live workers that get their tasks, for each queue."""
    for queue in QUEUES:
        refused: set[str | None] = set()
        if info.generation is Generation.V2:
            body = _operator(info).call("GET", f"/api/task-queues/{queue}/build-ids").body
            rows = body.get("build_ids")
            for row in rows if isinstance(rows, list) else []:
                if row["drain_intent"] == "draining":
                    refused.add(row["build_id"])
        yield (
            queue,
            {
                cohort.build_id
                for cohort in driver.cohort_specs()
                if cohort.task_queue == queue
                and cohort.build_id not in refused
                and driver.cohort_processes(cohort)
            },
        )


def _start(info: SandboxInfo, *, load: bool) -> None:
    driver = driver_of(info)
    versions = info.versions
    image = versions.server_image(versions.server_from)
    install = RunJob(job="install", image=image, revision=versions.server_from)
    driver.begin("sandbox/install", install)
    whole.await_work(driver, ["sandbox/install"], UP_WITHIN_S)
    keys = []
    whole.start_front(driver, "sandbox/front")
    for resource, change in whole.declared(driver):
        keys.append(f"sandbox/{resource}")
        driver.begin(keys[-1], change)
    whole.await_work(driver, ["sandbox/front", *keys], UP_WITHIN_S)
    for name, url in info.node_urls.items():
        _await(partial(_ready, url), f"{name} is ready")
    operator = _operator(info)
    for queue in QUEUES:
        _await(partial(_workers_there, info, queue), f"workers of {queue}")
        if info.generation is Generation.V2:
            path = f"/api/task-queues/{queue}/build-ids/promote"
            body = {"build_id": versions.worker_from}
            _await(partial(_accepted, operator, path, body), f"promote {versions.worker_from}")
    for schedule_id, queue, every_s in _SCHEDULES:
        _schedule(operator, schedule_id, queue, every_s)
    if load:
        whole.start_process(driver, "sandbox/load", _LOAD)
        whole.await_work(driver, ["sandbox/load"], UP_WITHIN_S)


def _schedule(operator: Wire, schedule_id: str, queue: str, every_s: int) -> None:
    body = {
        "schedule_id": schedule_id,
        "spec": {"intervals": [{"every": f"PT{every_s}S"}]},
        "action": {"workflow_type": "short", "task_queue": queue, "input": [{}]},
        "overlap_policy": "skip",
    }
    _await(partial(_accepted, operator, "/api/schedules", body), f"schedule {schedule_id}")


def _accepted(wire: Wire, path: str, body: Mapping[str, object]) -> bool:
    """Whether it is so now; a schedule that is there already was created by a lost answer."""
    answer = wire.call("POST", path, body)
    return answer.status in {200, 201} or answer.reason == "schedule_already_exists"


def _workers_there(info: SandboxInfo, queue: str) -> bool:
    """Whether all workers of the old build have registered on the queue."""
    rows = _operator(info).call("GET", f"/api/workers?task_queue={queue}").body.get("workers")
    return isinstance(rows, list) and len(rows) >= info.workers


def _ready(url: str) -> bool:
    wire = Wire(url=url, token="", namespace=NAMESPACE, headers={}, timeout_s=2.0)
    try:
        return wire.call("GET", "/api/ready").status == 200
    except NoAnswer:
        return False


def _version(info: SandboxInfo, url: str) -> str:
    try:
        return str(_operator(info, url).call("GET", "/api/cluster/info").body.get("version", ""))
    except NoAnswer:
        return ""


def _operator(info: SandboxInfo, url: str = "") -> Wire:
    return Wire(
        url=url or info.url,
        token=info.tokens["DW_OPERATOR_TOKEN"],
        namespace=NAMESPACE,
        headers=CONTROL_PLANE,
    )


def _await(there: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + UP_WITHIN_S
    while True:
        try:
            if there():
                return
            said = "not yet"
        except NoAnswer as error:
            said = str(error)
        if time.monotonic() > deadline:
            raise SandboxError(f"{what}: not within {UP_WITHIN_S:g} s ({said})")
        time.sleep(_LOOK_S)


def _roles_held(folder: Path) -> bool:
    state = StateFolder(folder.resolve() / "state")
    return any(roles.holder(role) is not None for role in state.roles())


def _forget(folder: Path) -> None:
    """What an earlier sandbox in this folder left."""
    for name in ("database.sqlite3", "database.sqlite3-wal", "database.sqlite3-shm", "load.jsonl"):
        (folder / name).unlink(missing_ok=True)

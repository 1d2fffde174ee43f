"""A script of the command driver over a sandbox's processes: `fleet_script.py FLEET.yaml ACTION`.

It stands for a user's own: it knows the process driver's machinery as others know systemd. Faults
for tests lie as files in the folder $SCRIPT_FAULTS: `lies` (of a kind of change it says that it
did, and did nothing), `hangs` (a change never ends), `widens` (a change of this kind would touch one
thing more than before). $SCRIPT_WITHOUT: what it does not answer.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from rollout_kit.drivers.process.driver import ProcessDriver
from rollout_kit.model.identity import CohortRef
from rollout_kit.ports.infra import (
    CohortSpec,
    InfraChange,
    JobState,
    ProcessSpec,
    ReplaceNode,
    RunJob,
    SetAttached,
    SetCohort,
    SetMaintenance,
    SetScheduler,
)


def main(fleet: str, action: str) -> int:
    request = json.load(sys.stdin)
    driver = ProcessDriver(Path(fleet), os.environ)
    faults = Path(os.environ.get("SCRIPT_FAULTS", "/nowhere"))
    match action:
        case "describe":
            without = os.environ.get("SCRIPT_WITHOUT", "").split()
            answers = sorted({answer.value for answer in driver.answers()}.difference(without))
            tell(contract=1, answers=answers, actions=["preview"])
        case "observe":
            tell(contract=1, **observe(driver))
        case "preview":
            changes = [previewed(driver, entry, faults) for entry in request["changes"]]
            tell(contract=1, changes=changes)
        case "apply":
            return apply(driver, request, faults)
    return 0


def tell(**answer: Any) -> None:
    print(json.dumps(answer), flush=True)


def observe(driver: ProcessDriver) -> dict[str, Any]:
    fleet = driver.fleet
    scheduler = driver.scheduler_spec()
    cohorts = driver.cohort_specs()
    return {
        "nodes": {
            name: {
                **spec_told(driver.node_spec(name)),
                "attached": driver.attached(name),
                "connections": driver.connections(name) if fleet.front else None,
                "processes": [{"pid": one.pid} for one in driver.node_processes(name)],
            }
            for name in fleet.nodes
        },
        "scheduler": scheduler
        and {**spec_told(scheduler), "processes": len(driver.scheduler_processes())},
        "maintenance": {
            name: {**spec_told(spec), "processes": len(driver.maintenance_processes(name))}
            for name, spec in driver.maintenance_specs().items()
        },
        "cohorts": [
            {
                "namespace": cohort.namespace,
                "task_queue": cohort.task_queue,
                "build_id": cohort.build_id,
                "image": spec.image,
                "replicas": spec.replicas,
                "environment": dict(spec.environment),
                "processes": [
                    {"pid": one.pid, "worker_id": one.worker_id}
                    for one in driver.cohort_processes(cohort)
                ],
            }
            for cohort, spec in cohorts.items()
        ],
        "images": sorted(fleet.images),
    }


def spec_told(spec: ProcessSpec) -> dict[str, Any]:
    return {
        "image": spec.image,
        "marker": spec.marker,
        "server_id": spec.server_id,
        "environment": dict(spec.environment),
        "version": spec.version,
    }


def previewed(driver: ProcessDriver, entry: dict[str, Any], faults: Path) -> dict[str, Any]:
    (told,) = driver.announce(((entry["operation"], change_of(entry["change"])),))
    resources = [f"unit/{name}" for name in told.resources]
    widens = faults / "widens"
    if widens.exists() and entry["change"]["kind"] == widens.read_text():
        resources.append("proxy/shared")
    return {
        "operation": told.operation,
        "resources": resources,
        "kinds": ["unit" for _ in resources],
        "changed": list(told.changed),
    }


def change_of(given: dict[str, Any]) -> InfraChange:
    match given["kind"]:
        case "set_attached":
            return SetAttached(node=given["node"], attached=given["attached"])
        case "replace_node":
            return ReplaceNode(node=given["node"], spec=ProcessSpec(**given["spec"]))
        case "set_scheduler":
            return SetScheduler(spec=given["spec"] and ProcessSpec(**given["spec"]))
        case "set_maintenance":
            return SetMaintenance(name=given["name"], spec=ProcessSpec(**given["spec"]))
        case "run_job":
            return RunJob(job=given["job"], image=given["image"], revision=given["revision"])
    place = {name: given[name] for name in ("namespace", "task_queue", "build_id")}
    wanted = {name: given[name] for name in ("image", "replicas", "environment", "autoscaled")}
    return SetCohort(cohort=CohortRef(**place), spec=CohortSpec(**wanted))


def apply(driver: ProcessDriver, request: dict[str, Any], faults: Path) -> int:
    given = request["change"]
    if (faults / "lies").exists() and given["kind"] == (faults / "lies").read_text().strip():
        tell(sentence="all done")
        return 0
    while (faults / "hangs").exists():
        time.sleep(0.05)
    key = f"script/{request['key']}"
    driver.begin(key, change_of(given))
    while (status := driver.work(key)).state in {JobState.QUEUED, JobState.RUNNING}:
        time.sleep(0.02)
    if given["kind"] == "run_job":
        sys.stdout.write(status.output)
    sys.stderr.write(status.detail)
    return 0 if status.state is JobState.SUCCEEDED else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

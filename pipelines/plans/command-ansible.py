#!/usr/bin/env python3
"""A fleet that Ansible reaches, for rollout-kit's command driver. Copy it and make it yours.

Containers on the machines of command-ansible.ini, changed by command-ansible.playbook.yml: an API node on
each machine of `nodes`, the scheduler on the one of `scheduler`, workers on those of `workers` in turn.
Every container bears a label `fleet`: what it is and what it was started with, as JSON. What a container
has beside that (its secrets above all) is in /etc/fleet.env of its machine.

FLEET_ENVIRONMENT: a JSON object of plain variables that nodes and scheduler get, by which a plan is judged:
at least DW_V2_MULTI_NODE, DB_HOST and CACHE_STORE. FLEET_INVENTORY: another inventory.
Its contract: `rollout-kit schema --of command-driver`. Try it: `./command-ansible.py observe </dev/null`
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
INVENTORY = os.environ.get("FLEET_INVENTORY", str(HERE / "command-ansible.ini"))
SHARED = json.loads(os.environ.get("FLEET_ENVIRONMENT", "{}"))
MARKER, SERVER_ID, BUILD_ID = "DW_V2_CURRENT_COMPATIBILITY", "DW_SERVER_ID", "FLEET_BUILD_ID"
JOBS = {"bootstrap": ["server-bootstrap"], "migrate-status": ["php", "artisan", "migrate:status"]}


def main(action: str) -> None:
    match action:
        case "describe":
            tell(contract=1, answers=["spec", "processes", "jobs"])
        case "observe":
            tell(contract=1, **observe())
        case "apply":
            request = json.load(sys.stdin)
            apply(request["change"], request["key"])


def tell(**answer: object) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


# --- what runs -----------------------------------------------------------------------------------


def observe() -> dict[str, object]:
    machines = look()
    runs = [one for machine in machines.values() for one in machine["containers"]]
    scheduler = [one for one in runs if one["is"] == "scheduler" and one["runs"]]
    nodes = [name for name, machine in machines.items() if "nodes" in machine["groups"]]
    cohorts: dict[str, list[dict]] = {}
    for one in runs:
        if one["is"].startswith("worker/"):
            cohorts.setdefault(one["is"], []).append(one)
    return {
        "nodes": {
            name: seen([one for one in runs if one["is"] == f"node/{name}"]) for name in nodes
        },
        "scheduler": seen(scheduler) if scheduler else None,
        "cohorts": [cohort(found) for found in cohorts.values()],
    }


def look() -> dict[str, dict]:
    """Each machine's groups, and its containers: what their labels say, and whether they run."""
    found = {}
    for machine, told in playbook("observe").items():
        lines = [line.partition(" ") for line in told["containers"]]
        containers = [
            {**json.loads(label), "runs": state == "running"} for state, _, label in lines
        ]
        found[machine] = {"groups": told["groups"], "containers": containers}
    return found


def seen(containers: list[dict]) -> dict[str, object]:
    live = [one for one in containers if one["runs"]]
    if not live:
        return {"image": "", "processes": 0}
    fields = ("image", "marker", "server_id", "environment")
    return {**{name: live[0][name] for name in fields}, "processes": len(live)}


def cohort(containers: list[dict]) -> dict[str, object]:
    """What runs counts as wanted: cut off in the middle, neither the change nor its undo looks done."""
    live = [one for one in containers if one["runs"]]
    fields = ("namespace", "task_queue", "build_id", "image")
    newest = (live or containers)[-1]
    return {
        **{name: newest[name] for name in fields},
        "replicas": len(live),
        "processes": len(live),
    }


# --- one change: it may come again after a crash, so each ends where it should from anywhere -------


def apply(change: dict, key: str) -> None:
    machines = look()
    match change["kind"]:
        case "replace_node":
            replace(change["node"], f"node/{change['node']}", change["spec"], machines)
        case "set_scheduler":
            (machine,) = of("scheduler", machines)
            replace(machine, "scheduler", change["spec"], machines)
        case "set_cohort":
            for number, machine in enumerate(workers := of("workers", machines)):
                scale(machine, change, machines, range(number, change["replicas"], len(workers)))
        case "run_job":
            run(change, key)
        case other:
            sys.exit(f"{other}: not mine to do")


def replace(machine: str, what: str, spec: dict | None, machines: dict[str, dict]) -> None:
    start = []
    if spec:
        told = {"is": what, **{name: spec[name] for name in ("image", "marker", "server_id")}}
        variables = SHARED | {MARKER: spec["marker"], SERVER_ID: spec["server_id"]}
        start = [container(name_of(what), {**told, "environment": SHARED}, variables)]
        now = [one for one in machines[machine]["containers"] if one["is"] == what and one["runs"]]
        if now and all(now[0].get(name) == value for name, value in told.items()):
            return
    there = any(one["is"] == what for one in machines[machine]["containers"])
    change_machine(machine, remove=[name_of(what)] if there else [], start=start)


def scale(machine: str, change: dict, machines: dict[str, dict], numbers: range) -> None:
    """The workers with these numbers run on this machine, and no others of their build."""
    place = {name: change[name] for name in ("namespace", "task_queue", "build_id")}
    what = f"worker/{place['namespace']}/{place['task_queue']}/{place['build_id'] or ''}"
    there = {one["number"]: one for one in machines[machine]["containers"] if one["is"] == what}
    runs = {n for n, one in there.items() if one["runs"] and one["image"] == change["image"]}
    missing = [number for number in numbers if number not in runs]
    told = {"is": what, **place, "image": change["image"]}
    values = {BUILD_ID: place["build_id"]}
    change_machine(
        machine,
        stop=[name_of(what, n) for n, one in there.items() if one["runs"] and n not in numbers],
        remove=[name_of(what, number) for number in missing if number in there],
        start=[container(name_of(what, n), {**told, "number": n}, values) for n in missing],
    )


def container(name: str, label: dict, variables: dict[str, str | None]) -> dict[str, object]:
    options = [f"--env={key}={value}" for key, value in variables.items() if value is not None]
    return {"name": name, "image": label["image"], "label": json.dumps(label), "options": options}


def name_of(what: str, number: int | None = None) -> str:
    name = re.sub(r"[^\w.-]", "-", f"fleet-{what}")
    return name if number is None else f"{name}-{number}"


def of(group: str, machines: dict[str, dict]) -> list[str]:
    return [name for name, machine in machines.items() if group in machine["groups"]]


def change_machine(machine: str, **lists: list) -> None:
    wanted = {"stop": [], "remove": [], "start": [], **lists}
    if any(wanted.values()):
        tell(
            sentence=f"changing {machine}: {', '.join(f'{len(v)} to {k}' for k, v in wanted.items() if v)}"
        )
        playbook("change", machine=machine, **wanted)


def run(change: dict, key: str) -> None:
    name = f"fleet-job-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
    told = playbook("job", job_name=name, image=change["image"], command=JOBS[change["job"]])["job"]
    sys.stdout.write(told["out"] + "\n")
    sys.stderr.write(told["err"])
    sys.exit(told["status"])


# --- the outside ---------------------------------------------------------------------------------


def playbook(tag: str, **variables: object) -> dict[str, dict]:
    """Run the plays of this tag; what each machine has handed over."""
    with tempfile.TemporaryDirectory() as folder:
        given = Path(folder) / "variables.json"
        results = Path(folder) / "results"
        results.mkdir()
        given.write_text(json.dumps({**variables, "handed_over": str(results)}))
        book = str(HERE / "command-ansible.playbook.yml")
        argv = ["ansible-playbook", "-i", INVENTORY, "--tags", tag, "-e", f"@{given}", book]
        done = subprocess.run(argv, check=False, text=True, stdout=subprocess.PIPE)
        if done.returncode != 0:
            bad = ("fatal:", "failed:", "ERROR", "[ERROR]")
            said = [line for line in done.stdout.splitlines() if line.startswith(bad)]
            sys.exit("\n".join([f"ansible-playbook ended with {done.returncode}", *said]))
        return {path.name: json.loads(path.read_text()) for path in sorted(results.iterdir())}


if __name__ == "__main__":
    main(sys.argv[1])

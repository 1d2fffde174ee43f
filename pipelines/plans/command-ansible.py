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
            tell(contract=1, answers=["spec", "processes", "jobs"], actions=["preview"])
        case "observe":
            tell(contract=1, **observe())
        case "preview":
            tell(contract=1, changes=preview(json.load(sys.stdin)["changes"]))
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
            {**json.loads(label), "runs": state == "running"}
            for state, _, label in lines
            if label.startswith("{")  # a warning of docker's may stand among them
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


# --- what changes would do -----------------------------------------------------------------------


def preview(changes: list[dict]) -> list[dict[str, object]]:
    world = standing()
    return [{"operation": one["operation"], **previewed(one["change"], world)} for one in changes]


def standing() -> dict[str, dict]:
    """What runs, by the name of its containers."""
    seen = observe()
    found = {f"node/{name}": one for name, one in seen["nodes"].items()}
    found |= {cohort_name(one): one for one in seen["cohorts"]}
    return {**found, "scheduler": seen["scheduler"] or {"image": ""}}


def previewed(change: dict, world: dict[str, dict]) -> dict[str, object]:
    """What it changes after those before it: `world` is what they leave. Image "": nothing runs."""
    name, spec = name_of(change), change.get("spec", change) or {"image": ""}
    fields = ("image", "marker", "server_id", "replicas")
    wanted = {field: spec[field] for field in fields if field in spec}
    here = world.get(name, {"image": ""})
    new = change["kind"] == "set_cohort" and name not in world
    if change["kind"] != "run_job":  # each run is another one
        world[name] = here | wanted
    return {
        "resources": [name],
        "kinds": ["container"],
        "changed": [field for field, value in wanted.items() if here.get(field) != value],
        "creates": [name] if new else [],
    }


def name_of(change: dict) -> str:
    """What the labels of its containers say they are."""
    match change["kind"]:
        case "replace_node":
            return f"node/{change['node']}"
        case "set_scheduler":
            return "scheduler"
        case "set_cohort":
            return cohort_name(change)
        case "run_job":
            return f"job/{change['job']}"
        case other:
            sys.exit(f"{other}: not mine to do")


def cohort_name(place: dict) -> str:
    return f"worker/{place['namespace']}/{place['task_queue']}/{place['build_id'] or ''}"


# --- one change: it may come again after a crash, so each ends where it should from anywhere -------


def apply(change: dict, key: str) -> None:
    what, machines = name_of(change), look()
    match change["kind"]:
        case "run_job":
            run(change, key)
        case "replace_node":
            replace(change["node"], what, change["spec"], machines)
        case "set_scheduler":
            (machine,) = of("scheduler", machines)
            replace(machine, what, change["spec"], machines)
        case "set_cohort":
            for number, machine in enumerate(workers := of("workers", machines)):
                scale(machine, change, machines, range(number, change["replicas"], len(workers)))


def replace(machine: str, what: str, spec: dict | None, machines: dict[str, dict]) -> None:
    start = []
    if spec:
        told = {"is": what, **{name: spec[name] for name in ("image", "marker", "server_id")}}
        variables = SHARED | {MARKER: spec["marker"], SERVER_ID: spec["server_id"]}
        start = [container(container_name(what), {**told, "environment": SHARED}, variables)]
        now = [one for one in machines[machine]["containers"] if one["is"] == what and one["runs"]]
        if now and all(now[0].get(name) == value for name, value in told.items()):
            return
    there = [one for one in machines[machine]["containers"] if one["is"] == what]
    change_machine(
        machine,
        stop=[container_name(what) for one in there if one["runs"]],
        remove=[container_name(what) for _ in there],
        start=start,
    )


def scale(machine: str, change: dict, machines: dict[str, dict], numbers: range) -> None:
    """The workers with these numbers run on this machine, and no others of their build."""
    what = cohort_name(change)
    there = {one["number"]: one for one in machines[machine]["containers"] if one["is"] == what}
    runs = {n for n, one in there.items() if one["runs"] and one["image"] == change["image"]}
    missing = [number for number in numbers if number not in runs]
    told = {name: change[name] for name in ("namespace", "task_queue", "build_id", "image")}
    values = {BUILD_ID: change["build_id"]}
    ends = [n for n, one in there.items() if one["runs"] and (n in missing or n not in numbers)]
    names = {number: container_name(what, number) for number in [*there, *missing]}
    change_machine(
        machine,
        stop=[names[n] for n in ends],
        remove=[names[n] for n in missing if n in there],
        start=[container(names[n], {"is": what, **told, "number": n}, values) for n in missing],
    )


def container(name: str, label: dict, variables: dict[str, str | None]) -> dict[str, object]:
    options = [f"--env={key}={value}" for key, value in variables.items() if value is not None]
    return {"name": name, "image": label["image"], "label": json.dumps(label), "options": options}


def container_name(what: str, number: int | None = None) -> str:
    name = re.sub(r"[^\w.-]", "-", f"fleet-{what}")
    return name if number is None else f"{name}-{number}"


def of(group: str, machines: dict[str, dict]) -> list[str]:
    return [name for name, machine in machines.items() if group in machine["groups"]]


def change_machine(machine: str, **lists: list) -> None:
    wanted = {"stop": [], "remove": [], "start": [], **lists}
    if any(wanted.values()):
        said = ", ".join(f"{len(some)} to {what}" for what, some in wanted.items() if some)
        tell(sentence=f"changing {machine}: {said}")
        playbook("change", machine=machine, **wanted)


def run(change: dict, key: str) -> None:
    name = f"fleet-job-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
    told = playbook("job", job_name=name, image=change["image"], command=JOBS[change["job"]])
    sys.stdout.write(told["out"] + "\n")
    sys.stderr.write(told["err"])
    sys.exit(told["status"])


# --- the outside ---------------------------------------------------------------------------------


def playbook(tag: str, **variables: object) -> dict[str, dict]:
    """Run the plays of this tag; what they have handed over."""
    with tempfile.TemporaryDirectory() as folder:
        given = Path(folder) / "variables.json"
        result = Path(folder) / "result.json"
        given.write_text(json.dumps({**variables, "handed_over": str(result)}))
        book = str(HERE / "command-ansible.playbook.yml")
        argv = ["ansible-playbook", "-i", INVENTORY, "--tags", tag, "-e", f"@{given}", book]
        done = subprocess.run(argv, check=False, text=True, stdout=subprocess.PIPE)
        if done.returncode != 0:
            bad = ("fatal:", "failed:", "ERROR", "[ERROR]")
            said = [line for line in done.stdout.splitlines() if line.startswith(bad)]
            sys.exit("\n".join([f"ansible-playbook ended with {done.returncode}", *said]))
        return json.loads(result.read_text()) if result.exists() else {}


if __name__ == "__main__":
    main(sys.argv[1])

#!/usr/bin/env python3
"""A fleet of systemd units on one host, for rollout-kit's command driver. Copy it and make it yours.

    fleet-node@api-1.service             an API node
    fleet-scheduler.service              whatever runs schedule:evaluate, once
    fleet-maintenance@NAME.service       matching repair, internal queue workers
    fleet-worker@QUEUE:BUILD:N.service   one worker each

Each unit has `EnvironmentFile=/etc/fleet/%n.env` (written here) and starts what $IMAGE names, for
example `ExecStart=podman run --rm --name %p-%i --network host --env-host $IMAGE`. Secrets are the
unit's own: a second EnvironmentFile that this script never reads. The front is HAProxy with a
backend `fleet` whose servers bear the names of the nodes.

Its contract: `rollout-kit schema --of command-driver`. Try it: `./command-systemd.py observe </dev/null`
"""

from __future__ import annotations

import csv
import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

FILES = Path(os.environ.get("FLEET_FILES", "/etc/fleet"))
FRONT = os.environ.get("FLEET_FRONT", "/run/haproxy/admin.sock")
MARKER, SERVER_ID = "DW_V2_CURRENT_COMPATIBILITY", "DW_SERVER_ID"
TOLD = (  # what a plan is judged by; no secret is among them
    *("DW_V2_MULTI_NODE", "DW_V2_PIN_TO_RECORDED_FINGERPRINT", "SCHEDULER_TICK_SECONDS"),
    *("DB_CONNECTION", "DB_HOST", "DB_PORT", "DB_DATABASE"),
    *("CACHE_STORE", "REDIS_HOST", "REDIS_PORT"),
)
JOBS = {"bootstrap": ["server-bootstrap"], "migrate-status": ["php", "artisan", "migrate:status"]}


def main(action: str) -> None:
    match action:
        case "describe":
            answers = ["spec", "membership", "connections", "processes", "jobs"]
            tell(contract=1, answers=answers, actions=["preview"])
        case "observe":
            tell(contract=1, **observe())
        case "preview":
            tell(contract=1, changes=preview(json.load(sys.stdin)["changes"]))
        case "apply":
            apply(json.load(sys.stdin)["change"])


def tell(**answer: object) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


# --- what runs -----------------------------------------------------------------------------------


def observe() -> dict[str, object]:
    front = {
        row["svname"]: row
        for row in csv.DictReader(ask_front("show stat").lstrip("# ").splitlines())
    }
    scheduler = running("fleet-scheduler")
    return {
        "nodes": {
            node: {
                **running(f"fleet-node@{node}"),
                "attached": not front[node]["status"].startswith(("DRAIN", "MAINT")),
                "connections": int(front[node]["scur"]),
            }
            for node in instances("fleet-node")
        },
        "scheduler": scheduler if scheduler["processes"] else None,
        "maintenance": {
            name: running(f"fleet-maintenance@{name}") for name in instances("fleet-maintenance")
        },
        "cohorts": [
            cohort(json.loads(path.read_text())) for path in sorted(FILES.glob("*.cohort"))
        ],
    }


def running(unit: str) -> dict[str, object]:
    """Read from the process itself: the file says what is wanted, and may be ahead of it."""
    shown = systemctl("show", "--property=MainPID", "--value", f"{unit}.service")
    try:
        pairs = Path(f"/proc/{int(shown)}/environ").read_text().split("\0")
    except (OSError, ValueError):
        return {"image": "", "processes": 0}
    seen = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
    return {
        "image": seen.get("IMAGE", ""),
        "marker": seen.get(MARKER),
        "server_id": seen.get(SERVER_ID),
        "environment": {name: seen[name] for name in TOLD if name in seen},
        "processes": 1 if int(shown) else 0,
    }


def cohort(wanted: dict[str, object]) -> dict[str, object]:
    cut_off = wanted.pop("unfinished", False)
    seen = [running(unit) for unit in workers(wanted)]
    images = [one["image"] for one in seen if one["processes"]]
    if cut_off:  # what runs, so that neither the change nor its undo looks done
        wanted |= {"image": images[0] if images else "", "replicas": len(images)}
    return {**wanted, "processes": len(images)}


def instances(template: str) -> list[str]:
    paths = sorted(FILES.glob(f"{template}@*.service.env"))
    return [path.name.removeprefix(f"{template}@").removesuffix(".service.env") for path in paths]


# --- what changes would do -----------------------------------------------------------------------


def preview(changes: list[dict]) -> list[dict[str, object]]:
    world = standing()
    return [{"operation": one["operation"], **previewed(one["change"], world)} for one in changes]


def standing() -> dict[str, dict]:
    """What runs, by the name of its unit."""
    seen = observe()
    found = {f"fleet-node@{name}": one for name, one in seen["nodes"].items()}
    found |= {f"haproxy/fleet/{name}": one for name, one in seen["nodes"].items()}
    found |= {f"fleet-maintenance@{name}": one for name, one in seen["maintenance"].items()}
    found |= {f"fleet-worker@{base(one)}:*": one for one in seen["cohorts"]}
    return {**found, "fleet-scheduler": seen["scheduler"] or {"image": ""}}


def previewed(change: dict, world: dict[str, dict]) -> dict[str, object]:
    """What it changes after those before it: `world` is what they leave. Image "": nothing runs."""
    name, spec = name_of(change), change.get("spec", change) or {"image": ""}
    fields = ("image", "marker", "server_id", "replicas", "attached")
    wanted = {field: spec[field] for field in fields if field in spec}
    here = world.get(name, {"image": ""})
    new = change["kind"] == "set_cohort" and name not in world
    if change["kind"] != "run_job":  # each run is another one
        world[name] = here | wanted
    return {
        "resources": [name],
        "kinds": ["HAProxy server" if change["kind"] == "set_attached" else "unit"],
        "changed": [field for field, value in wanted.items() if here.get(field) != value],
        "creates": [name] if new else [],
    }


def name_of(change: dict) -> str:
    match change["kind"]:
        case "set_attached":
            return f"haproxy/fleet/{change['node']}"
        case "replace_node":
            return f"fleet-node@{change['node']}"
        case "set_maintenance":
            return f"fleet-maintenance@{change['name']}"
        case "set_scheduler":
            return "fleet-scheduler"
        case "set_cohort":
            return f"fleet-worker@{base(change)}:*"
        case "run_job":
            return f"podman run {' '.join(JOBS[change['job']])}"
        case other:
            sys.exit(f"{other}: not mine to do")


# --- one change: it may come again after a crash, so each ends where it should from anywhere -------


def apply(change: dict) -> None:
    match change["kind"]:
        case "set_attached":
            state = "ready" if change["attached"] else "drain"
            ask_front(f"set server fleet/{change['node']} state {state}")
        case "set_scheduler" if change["spec"] is None:
            systemctl("stop", "fleet-scheduler.service")
        case "replace_node" | "set_maintenance" | "set_scheduler":
            start(name_of(change), change["spec"])
        case "set_cohort":
            scale(change)
        case "run_job":
            job = ["podman", "run", "--rm", "--env-host", change["image"], *JOBS[change["job"]]]
            environment = f"--property=EnvironmentFile={FILES}/jobs.env"
            run("systemd-run", "--quiet", "--wait", "--pipe", "--collect", environment, *job)


def start(unit: str, spec: dict) -> None:
    wanted = {"IMAGE": spec["image"], MARKER: spec.get("marker"), SERVER_ID: spec.get("server_id")}
    lines = [f"{name}={json.dumps(value)}\n" for name, value in wanted.items() if value is not None]
    (FILES / f"{unit}.service.env").write_text("".join(lines))
    tell(sentence=f"restarting {unit} with {spec['image']}")
    systemctl("restart", f"{unit}.service")  # stops what runs, and returns when the new one is up


def scale(change: dict) -> None:
    fields = ("namespace", "task_queue", "build_id", "image", "replicas")
    wanted = {name: change[name] for name in fields}
    path = FILES / f"{base(wanted)}.cohort"
    before = json.loads(path.read_text()) if path.exists() else {**wanted, "replicas": 0}
    most = max(before["replicas"], wanted["replicas"])
    path.write_text(json.dumps({**wanted, "replicas": most, "unfinished": True}))
    for number, unit in enumerate(workers({**wanted, "replicas": most})):
        if number >= wanted["replicas"]:
            systemctl("stop", f"{unit}.service")
        elif running(unit)["image"] != wanted["image"]:
            start(unit, wanted)
    path.write_text(json.dumps(wanted))


def workers(wanted: dict) -> list[str]:
    return [f"fleet-worker@{base(wanted)}:{number}" for number in range(wanted["replicas"])]


def base(wanted: dict) -> str:
    return re.sub(r"[^\w:.-]", "_", f"{wanted['task_queue']}:{wanted['build_id'] or ''}")


# --- the outside ---------------------------------------------------------------------------------


def systemctl(*arguments: str) -> str:
    return run("systemctl", *arguments, capture=True)


def run(*argv: str, capture: bool = False) -> str:
    done = subprocess.run(argv, check=False, text=True, stdout=subprocess.PIPE if capture else None)
    if done.returncode != 0:
        sys.exit(f"{' '.join(argv)} ended with exit status {done.returncode}")
    return done.stdout or ""


def ask_front(command: str) -> str:
    with socket.socket(socket.AF_UNIX) as line:
        try:
            line.connect(FRONT)
        except OSError as error:
            sys.exit(f"HAProxy's admin socket {FRONT}: {error.strerror}")
        line.sendall(f"{command}\n".encode())
        return b"".join(iter(lambda: line.recv(65536), b"")).decode()


if __name__ == "__main__":
    main(sys.argv[1])

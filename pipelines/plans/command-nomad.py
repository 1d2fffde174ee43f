#!/usr/bin/env python3
"""A fleet of Nomad jobs, for rollout-kit's command driver. Copy it and make it yours.

    fleet-node-api-1            an API node: one job each
    fleet-scheduler             whatever runs schedule:evaluate, once
    fleet-maintenance-NAME      matching repair, internal queue workers
    fleet-worker-QUEUE-BUILD    the workers of one build, with
                                meta { namespace = "orders", task_queue = "orders", build_id = "…" }
    fleet-job                   type = "batch", count = 0: what bootstrap and migrate:status are copies of

They are your own jobs, each with one group of one task. This script changes the task's `config.image`,
its marker and server id in `env`, and the group's `count`, and leaves all else as you wrote it. The job of
a new build is a copy of one of its queue: workers know theirs by $NOMAD_META_build_id. Secrets belong into
a `template`, where nobody reads them back. A service of Nomad's leaves its balancer when its task stops.

NOMAD_ADDR, NOMAD_TOKEN, NOMAD_NAMESPACE: as for `nomad` itself.
Its contract: `rollout-kit schema --of command-driver`. Try it: `./command-nomad.py observe </dev/null`
"""

from __future__ import annotations

import copy
import hashlib
import json
import os
import re
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

ADDRESS = os.environ.get("NOMAD_ADDR", "http://127.0.0.1:4646").rstrip("/")
NAMESPACE = os.environ.get("NOMAD_NAMESPACE", "default")
MARKER, SERVER_ID = "DW_V2_CURRENT_COMPATIBILITY", "DW_SERVER_ID"
TOLD = (  # what a plan is judged by; no secret is among them
    *("DW_V2_MULTI_NODE", "DW_V2_PIN_TO_RECORDED_FINGERPRINT", "SCHEDULER_TICK_SECONDS"),
    *("DB_CONNECTION", "DB_HOST", "DB_PORT", "DB_DATABASE"),
    *("CACHE_STORE", "REDIS_HOST", "REDIS_PORT"),
)
JOBS = {"bootstrap": ["server-bootstrap"], "migrate-status": ["php", "artisan", "migrate:status"]}
COHORT = ("namespace", "task_queue", "build_id")
LOOK_S = float(os.environ.get("FLEET_LOOK_S", "1"))


def main(action: str) -> None:
    match action:
        case "describe":
            tell(contract=1, answers=["spec", "processes", "jobs"], actions=["preview"])
        case "observe":
            tell(contract=1, **observe())
        case "preview":
            changes = json.load(sys.stdin)["changes"]
            tell(contract=1, changes=[preview(**entry) for entry in changes])
        case "apply":
            request = json.load(sys.stdin)
            apply(request["change"], request["key"])


def tell(**answer: object) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


# --- what runs -----------------------------------------------------------------------------------


def observe() -> dict[str, object]:
    jobs = [get(f"/v1/job/{quoted(stub['ID'])}") for stub in get("/v1/jobs?prefix=fleet-")]
    named = {job["ID"]: job for job in jobs if job}
    scheduler = named.get("fleet-scheduler")
    return {
        "nodes": below("fleet-node-", named),
        "scheduler": seen(scheduler) if scheduler and wanted(scheduler) else None,
        "maintenance": below("fleet-maintenance-", named),
        "cohorts": [cohort(job) for name, job in named.items() if name.startswith("fleet-worker-")],
    }


def below(prefix: str, jobs: dict[str, dict]) -> dict[str, object]:
    names = [name for name in jobs if name.startswith(prefix)]
    return {name.removeprefix(prefix): seen(jobs[name]) for name in names}


def seen(job: dict) -> dict[str, object]:
    """What its allocations run, not what the job says: they may be of a version before it."""
    live = alive(job)
    if not live:
        return {"image": "", "processes": 0}
    oldest = min(one["JobVersion"] for one in live)
    versions = get(f"/v1/job/{quoted(job['ID'])}/versions")["Versions"]
    ran = next(one for one in versions if one["Version"] == oldest)
    environment = task(ran).get("Env") or {}
    return {
        "image": task(ran)["Config"]["image"],
        "marker": environment.get(MARKER),
        "server_id": environment.get(SERVER_ID),
        "environment": {name: environment[name] for name in TOLD if name in environment},
        "processes": len(live),
    }


def cohort(job: dict) -> dict[str, object]:
    counts = {"replicas": wanted(job), "processes": len(alive(job))}
    return {**cohort_of(job), "image": task(job)["Config"]["image"], **counts}


def alive(job: dict) -> list[dict]:
    """Allocations with a process. `unknown`: their machine is out of sight, and may well go on."""
    found = get(f"/v1/job/{quoted(job['ID'])}/allocations") or []
    return [one for one in found if one["ClientStatus"] in ("running", "unknown")]


def wanted(job: dict) -> int:
    return 0 if job.get("Stop") else job["TaskGroups"][0]["Count"]


def task(job: dict) -> dict:
    return job["TaskGroups"][0]["Tasks"][0]


# --- one change: it may come again after a crash, so each ends where it should from anywhere -------


def apply(change: dict, key: str) -> None:
    job = edited(change)
    if change["kind"] == "run_job":
        run(job, key)
    elif change["kind"] == "set_cohort":
        settle(job)
    else:  # one process: what runs is gone before the next one starts
        now = get(f"/v1/job/{quoted(job['ID'])}")
        if wanted(now) and task(now) != task(job):
            now["TaskGroups"][0]["Count"] = 0
            settle(now)
            job["JobModifyIndex"] = known(job["ID"])["JobModifyIndex"]
        settle(job)


def edited(change: dict) -> dict:
    """The job as the change wants it."""
    match change["kind"]:
        case "replace_node":
            job, spec = known(f"fleet-node-{change['node']}"), change["spec"]
        case "set_maintenance":
            job, spec = known(f"fleet-maintenance-{change['name']}"), change["spec"]
        case "set_scheduler":
            job, spec = known("fleet-scheduler"), change["spec"]
        case "set_cohort":
            job, spec = worker(change), {"image": change["image"]}
        case "run_job":
            job, spec = known("fleet-job"), {"image": change["image"]}
            task(job)["Config"].update(command=JOBS[change["job"]][0], args=JOBS[change["job"]][1:])
        case other:
            sys.exit(f"{other}: not mine to do")
    job["Stop"] = False
    job["TaskGroups"][0]["Count"] = change.get("replicas", 1) if spec else 0
    if spec:
        task(job)["Config"]["image"] = spec["image"]
    if spec and "marker" in spec:
        environment = dict(task(job)["Env"] or {})
        for name, value in ((MARKER, spec["marker"]), (SERVER_ID, spec["server_id"])):
            environment.pop(name, None)
            environment |= {name: value} if value is not None else {}
        task(job)["Env"] = environment or None
    return job


def worker(change: dict) -> dict:
    """The job of this build, or a copy of another one of its queue."""
    jobs = [get(f"/v1/job/{quoted(stub['ID'])}") for stub in get("/v1/jobs?prefix=fleet-worker-")]
    place = {name: change[name] for name in COHORT}
    for job in jobs:
        if cohort_of(job) == place:
            return job
    alike = [job for job in jobs if cohort_of(job) | {"build_id": ""} == place | {"build_id": ""}]
    if not alike:
        sys.exit(f"no job fleet-worker-… of the queue {change['task_queue']} to copy")
    job = copy.deepcopy(max(alike, key=lambda one: one["SubmitTime"]))
    name = f"fleet-worker-{change['task_queue']}-{change['build_id'] or 'plain'}"
    job["ID"] = job["Name"] = re.sub(r"[^\w.-]", "_", name)
    job["Meta"] = (job["Meta"] or {}) | {name: value for name, value in place.items() if value}
    job.pop("JobModifyIndex")
    return job


def cohort_of(job: dict) -> dict[str, object]:
    return {name: (job.get("Meta") or {}).get(name) for name in COHORT}


def preview(operation: str, change: dict) -> dict[str, object]:
    job = edited(change)
    now = get(f"/v1/job/{quoted(job['ID'])}")
    looks = {"task": task, "count": wanted}
    name = f"job/{job['ID']}"
    return {
        "operation": operation,
        "resources": [name],
        "kinds": ["job"],
        "changed": [what for what, look in looks.items() if not now or look(now) != look(job)],
        "creates": [] if now else [name],
    }


def settle(job: dict) -> None:
    """Register it, and wait until as many of this version run as are wanted, and no other."""
    name, count = job["ID"], wanted(job)
    body = {"Job": job}
    if "JobModifyIndex" in job:  # somebody else's change in between is refused by Nomad
        body |= {"EnforceIndex": True, "JobModifyIndex": job["JobModifyIndex"]}
    ask("POST", "/v1/jobs", json.dumps(body).encode())
    while True:
        version = get(f"/v1/job/{quoted(name)}")["Version"]
        live = alive(job)
        here = [one for one in live if one["JobVersion"] == version]
        if len(here) == len(live) == count:
            return
        before = f"{len(live) - len(here)} of before{trouble(name)}"
        tell(sentence=f"{name}: {len(here)} of {count} run, {before}")
        time.sleep(LOOK_S)


def run(job: dict, key: str) -> None:
    """A batch job under a name of the key's own: one that is there already is awaited, not run twice."""
    name = f"fleet-job-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
    job |= {"ID": name, "Name": name}
    job.pop("JobModifyIndex")
    now = get(f"/v1/job/{quoted(name)}")
    if now is None or ended(now) == "failed":
        job["Meta"] = (job["Meta"] or {}) | {"asked_at": str(time.time())}  # a failed one runs anew
        ask("POST", "/v1/jobs", json.dumps({"Job": job}).encode())
    while not (how := ended(get(f"/v1/job/{quoted(name)}"))):
        tell(sentence=f"{name} runs{trouble(name)}")
        time.sleep(LOOK_S)
    sys.stdout.write(printed(newest(name), "stdout"))
    if how == "failed":
        sys.exit(printed(newest(name), "stderr") or f"{name} failed{trouble(name)}")


def ended(job: dict) -> str:
    """`complete` or `failed`; empty while the newest allocation of this version is at work."""
    found = newest(job["ID"])
    over = {"complete": "complete", "failed": "failed", "lost": "failed"}
    here = found and found["JobVersion"] == job["Version"]
    return over.get(found["ClientStatus"], "") if here else ""


def newest(name: str) -> dict | None:
    found = get(f"/v1/job/{quoted(name)}/allocations") or []
    return max(found, key=lambda one: one["CreateIndex"], default=None)


def trouble(name: str) -> str:
    """The newest allocation's own last word, such as an image that cannot be pulled."""
    states = ((newest(name) or {}).get("TaskStates") or {}).values()
    events = [event["DisplayMessage"] for state in states for event in state.get("Events") or []]
    return f" ({events[-1]})" if events else ""


def printed(allocation: dict, kind: str) -> str:
    name = next(iter(allocation["TaskStates"]))
    query = urllib.parse.urlencode({"task": name, "type": kind, "plain": "true", "origin": "start"})
    return ask("GET", f"/v1/client/fs/logs/{allocation['ID']}?{query}") or ""


# --- the outside ---------------------------------------------------------------------------------


def known(name: str) -> dict:
    return get(f"/v1/job/{quoted(name)}") or sys.exit(f"there is no job {name}: register it first")


def get(path: str):
    text = ask("GET", path)
    return None if text is None else json.loads(text)


def ask(method: str, path: str, body: bytes | None = None) -> str | None:
    """What Nomad answers; None: there is no such thing."""
    url = f"{ADDRESS}{path}{'&' if '?' in path else '?'}namespace={NAMESPACE}"
    token = {"X-Nomad-Token": os.environ["NOMAD_TOKEN"]} if "NOMAD_TOKEN" in os.environ else {}
    request = urllib.request.Request(url, body, token, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.read().decode()
    except urllib.error.HTTPError as error:
        if error.code == 404 and method == "GET":
            return None
        sys.exit(f"{method} {path}: {error.code} {error.read().decode(errors='replace')}")
    except (urllib.error.URLError, TimeoutError) as error:
        sys.exit(f"Nomad at {ADDRESS} does not answer: {error}")


def quoted(name: str) -> str:
    return urllib.parse.quote(name, safe="")


if __name__ == "__main__":
    main(sys.argv[1])

#!/usr/bin/env python3
"""A fleet of Nomad jobs, for rollout-kit's command driver. Copy it and make it yours.

    fleet-node-api-1            an API node: one job each
    fleet-scheduler             whatever runs schedule:evaluate, once
    fleet-maintenance-NAME      matching repair, internal queue workers
    fleet-worker-QUEUE-BUILD    the workers of one build, with
                                meta { namespace = "orders", task_queue = "orders", build_id = "…" }
    fleet-job                   type = "batch" and parameterized {}, so that it never runs, and is not
                                collected as dead: what bootstrap and migrate:status are copies of

They are your own jobs, each with one group of one task. This script changes the task's `config.image` (where
its driver has none, as exec and raw_exec: $IMAGE in `env`), its marker and server id in `env`, and the
group's `count`, and leaves all else as you wrote it. The job of a new build is a copy of one of its queue:
workers know theirs by $NOMAD_META_build_id. Secrets belong into a `template`, where nobody reads them back.
A service of Nomad's leaves its balancer when its task stops. What a lost machine ran, Nomad starts elsewhere:
where the scheduler must not run twice even then, give its group `disconnect { stop_on_client_after = … }`.

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
IMAGE, MARKER, SERVER_ID = "IMAGE", "DW_V2_CURRENT_COMPATIBILITY", "DW_SERVER_ID"
TOLD = (  # what a plan is judged by; no secret is among them
    *("DW_V2_MULTI_NODE", "DW_V2_PIN_TO_RECORDED_FINGERPRINT", "SCHEDULER_TICK_SECONDS"),
    *("DB_CONNECTION", "DB_HOST", "DB_PORT", "DB_DATABASE"),
    *("CACHE_STORE", "REDIS_HOST", "REDIS_PORT"),
)
JOBS = {"bootstrap": ["server-bootstrap"], "migrate-status": ["php", "artisan", "migrate:status"]}
COHORT = ("namespace", "task_queue", "build_id")
RUNS = ("running", "unknown")  # unknown: its machine is out of sight, and may well go on
FOLLOWS = ("Restarting", "Not Restarting", "Alloc Unhealthy")  # the event with the reason
ONCE = {  # a job that failed has failed: nothing but another attempt of ours runs it again
    "RestartPolicy": {"Attempts": 0, "Mode": "fail"},
    "ReschedulePolicy": {"Attempts": 0, "Unlimited": False},
}
LOOK_S = float(os.environ.get("FLEET_LOOK_S", "1"))


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
    found = jobs("fleet-")
    scheduler = found.get("fleet-scheduler")
    stands = scheduler and (wanted(scheduler) or allocations("fleet-scheduler", *RUNS))
    return {
        "nodes": below("fleet-node-", found),
        "scheduler": seen(scheduler) if stands else None,
        "maintenance": below("fleet-maintenance-", found),
        "cohorts": [cohort(job) for name, job in found.items() if name.startswith("fleet-worker-")],
    }


def below(prefix: str, found: dict[str, dict]) -> dict[str, object]:
    names = [name for name in found if name.startswith(prefix)]
    return {name.removeprefix(prefix): seen(found[name]) for name in names}


def seen(job: dict) -> dict[str, object]:
    """What its allocations run, not what the job says: they may be of a version before it."""
    live = allocations(job["ID"], *RUNS)
    if not live:
        return {"image": "", "processes": 0}
    oldest = min(live, key=lambda one: one["JobVersion"])
    ran = get(f"/v1/allocation/{oldest['ID']}")["Job"]
    environment = variables(ran)
    return {
        "image": image(ran),
        "marker": environment.get(MARKER),
        "server_id": environment.get(SERVER_ID),
        "environment": {name: environment[name] for name in TOLD if name in environment},
        "processes": len(live),
    }


def cohort(job: dict) -> dict[str, object]:
    now = seen(job)
    counts = {"replicas": wanted(job), "processes": now["processes"]}
    return {**cohort_of(job), "image": now["image"] or image(job), **counts}


def cohort_of(job: dict) -> dict[str, object]:
    return {name: (job.get("Meta") or {}).get(name) for name in COHORT}


def wanted(job: dict) -> int:
    return 0 if job.get("Stop") else job["TaskGroups"][0]["Count"]


def task(job: dict) -> dict:
    return job["TaskGroups"][0]["Tasks"][0]


def variables(job: dict) -> dict[str, str]:
    return task(job).get("Env") or {}


def image(job: dict) -> str:
    return task(job)["Config"].get("image") or variables(job).get(IMAGE, "")


# --- what changes would do -----------------------------------------------------------------------


def preview(changes: list[dict]) -> list[dict[str, object]]:
    after: dict[str, dict] = {}
    return [{"operation": one["operation"], **previewed(one["change"], after)} for one in changes]


def previewed(change: dict, after: dict[str, dict]) -> dict[str, object]:
    """What it changes after those before it: `after` are jobs as they leave them."""
    name = name_of(change)
    now = after.get(name) or get(f"/v1/job/{quoted(name)}")
    job = edited(change, copy.deepcopy(after.get(name)))
    if change["kind"] != "run_job":  # which is a copy
        after[name] = job
    looks = {"task": task, "count": wanted}
    return {
        "resources": [f"job/{name}"],
        "kinds": ["job"],
        "changed": [what for what, look in looks.items() if not now or look(now) != look(job)],
        "creates": [] if now else [f"job/{name}"],
    }


# --- one change: it may come again after a crash, so each ends where it should from anywhere -------


def apply(change: dict, key: str) -> None:
    job = edited(change)
    if change["kind"] == "run_job":
        return run(job, key)
    if change["kind"] != "set_cohort" and differs(job):  # one process: the one before it goes first
        now = known(job["ID"])
        now["TaskGroups"][0]["Count"] = 0
        settle(now)
        job = edited(change)  # anew: somebody may have changed what is theirs
    return settle(job)


def differs(job: dict) -> bool:
    """Whether anything is there, or wanted, that is not what this job says."""
    now = known(job["ID"])
    there = allocations(job["ID"], "pending", *RUNS)
    before = [one for one in there if one["JobVersion"] != now["Version"]]
    return bool(before) or (wanted(now) > 0 and task(now) != task(job))


def name_of(change: dict) -> str:
    match change["kind"]:
        case "replace_node":
            return f"fleet-node-{change['node']}"
        case "set_maintenance":
            return f"fleet-maintenance-{change['name']}"
        case "set_scheduler":
            return "fleet-scheduler"
        case "set_cohort":
            return cohort_name(change)
        case "run_job":
            return "fleet-job"
        case other:
            sys.exit(f"{other}: not mine to do")


def cohort_name(place: dict) -> str:
    name = f"fleet-worker-{place['task_queue']}-{place['build_id'] or 'plain'}"
    return re.sub(r"[^\w.-]", "_", name)


def edited(change: dict, job: dict | None = None) -> dict:
    """This job, or the one that is there, as the change wants it."""
    job = job or (worker(change) if change["kind"] == "set_cohort" else known(name_of(change)))
    spec = change.get("spec", change)
    job["Stop"] = False
    job["TaskGroups"][0]["Count"] = change.get("replicas", 1) if spec else 0
    if spec:
        given = {MARKER: spec["marker"], SERVER_ID: spec["server_id"]} if "marker" in spec else {}
        if "image" in task(job)["Config"]:
            task(job)["Config"]["image"] = spec["image"]
        else:
            given[IMAGE] = spec["image"]
        kept = {name: value for name, value in variables(job).items() if name not in given}
        told = {name: value for name, value in given.items() if value is not None}
        task(job)["Env"] = kept | told or None
    if change["kind"] == "run_job":
        task(job)["Config"].update(command=JOBS[change["job"]][0], args=JOBS[change["job"]][1:])
    return job


def worker(change: dict) -> dict:
    """The job of this build, or a copy of another one of its queue."""
    found = jobs("fleet-worker-").values()
    place = {name: change[name] for name in COHORT}
    for job in found:
        if cohort_of(job) == place:
            return job
    alike = [job for job in found if cohort_of(job) | {"build_id": ""} == place | {"build_id": ""}]
    if not alike:
        sys.exit(f"no job fleet-worker-… of the queue {change['task_queue']} to copy")
    job = max(alike, key=lambda one: one["SubmitTime"])
    job["ID"] = job["Name"] = cohort_name(place)
    job["Meta"] = (job["Meta"] or {}) | {name: value for name, value in place.items() if value}
    job["JobModifyIndex"] = 0  # there is none
    return job


def settle(job: dict) -> None:
    """Register it, and wait until as many run of it as are wanted, and nothing else does."""
    name, count = job["ID"], wanted(job)
    # somebody else's change in between is refused by Nomad
    body = {"Job": job, "EnforceIndex": True, "JobModifyIndex": job["JobModifyIndex"]}
    ask("POST", "/v1/jobs", json.dumps(body).encode())
    while True:
        now = known(name)
        if task(now) != task(job) or wanted(now) != count:
            sys.exit(f"{name} has been changed by somebody else, or by its auto_revert, meanwhile")
        there = allocations(name, "pending", *RUNS)  # what is pending may yet start
        here = [one for one in there if one["JobVersion"] == now["Version"]]
        runs = [one for one in here if one["ClientStatus"] in RUNS]
        if len(runs) == len(there) == count:
            return
        before = f"{len(there) - len(here)} of before"
        tell(sentence=f"{name}: {len(runs)} of {count} run, {before}{trouble(now)}")
        time.sleep(LOOK_S)


def run(job: dict, key: str) -> None:
    """A batch job under a name of the key's own: one that is there already is awaited, not run twice."""
    name = f"fleet-job-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
    job |= {"ID": name, "Name": name, "ParameterizedJob": None}
    job["TaskGroups"][0] |= ONCE
    task(job)["RestartPolicy"] = ONCE["RestartPolicy"]
    now = get(f"/v1/job/{quoted(name)}")
    if now is None or ended(now) == "failed":
        job["Meta"] = (job["Meta"] or {}) | {"asked_at": str(time.time())}  # a failed one runs anew
        ask("POST", "/v1/jobs", json.dumps({"Job": job}).encode())
    while not (how := ended(now := known(name))):
        tell(sentence=f"{name} runs{trouble(now)}")
        time.sleep(LOOK_S)
    sys.stdout.write(printed(newest(now), "stdout"))
    if how == "failed":
        sys.exit(printed(newest(now), "stderr") or f"{name} failed{trouble(now)}")


def ended(job: dict) -> str:
    """`complete` or `failed`; empty while it is at work. What is stopped for its machine starts anew."""
    found = newest(job) or {"ClientStatus": "", "DesiredStatus": "stop"}
    status = found["ClientStatus"]
    if status in ("complete", "failed") and found["DesiredStatus"] == "run":
        return status
    return "failed" if job["Stop"] and status not in RUNS else ""


def newest(job: dict) -> dict | None:
    """Of the allocations of this version of the job."""
    found = get(f"/v1/job/{quoted(job['ID'])}/allocations") or []
    here = [one for one in found if one["JobVersion"] == job["Version"]]
    return max(here, key=lambda one: one["CreateIndex"], default=None)


def trouble(job: dict) -> str:
    """Why it does not run: what its newest allocation said last, or why no machine takes it."""
    states = ((newest(job) or {}).get("TaskStates") or {}).values()
    events = [event for state in states for event in state["Events"] or []]
    said = [event["DisplayMessage"] for event in events if event["Type"] not in FOLLOWS][-1:]
    for one in get(f"/v1/job/{quoted(job['ID'])}/evaluations") or []:
        if one["Status"] == "blocked" and one["JobModifyIndex"] == job["JobModifyIndex"]:
            for group in one["FailedTGAllocs"].values():
                why = (group["ConstraintFiltered"] or {}) | (group["DimensionExhausted"] or {})
                said.append(f"no machine takes it: {', '.join(why) or 'there is none'}")
    deployed = get(f"/v1/job/{quoted(job['ID'])}/deployment")
    if deployed and deployed["JobVersion"] == job["Version"]:
        said += {deployed["StatusDescription"]} - {"Deployment is running"}
    return f" ({'; '.join(said)})" if said else ""


def printed(allocation: dict | None, kind: str) -> str:
    if not allocation or not allocation["TaskStates"]:
        return ""
    name = next(iter(allocation["TaskStates"]))
    query = urllib.parse.urlencode({"task": name, "type": kind, "plain": "true", "origin": "start"})
    return ask("GET", f"/v1/client/fs/logs/{allocation['ID']}?{query}") or ""


# --- the outside ---------------------------------------------------------------------------------


def jobs(prefix: str) -> dict[str, dict]:
    names = [listed["ID"] for listed in get(f"/v1/jobs?prefix={prefix}")]
    found = [get(f"/v1/job/{quoted(name)}") for name in names if not name.startswith("fleet-job")]
    return {job["ID"]: job for job in found if job}


def known(name: str) -> dict:
    return get(f"/v1/job/{quoted(name)}") or sys.exit(f"there is no job {name}: register it first")


def allocations(name: str, *statuses: str) -> list[dict]:
    found = get(f"/v1/job/{quoted(name)}/allocations") or []
    return [one for one in found if one["ClientStatus"] in statuses]


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

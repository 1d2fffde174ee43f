#!/usr/bin/env python3
"""A fleet of ECS services, for rollout-kit's command driver. Copy it and make it yours (needs boto3).

    fleet-node-api-1            an API node: a service each, one task
    fleet-scheduler             whatever runs schedule:evaluate, once
    fleet-maintenance-NAME      matching repair, internal queue workers
    fleet-worker-QUEUE-BUILD    the workers of one build, tagged `namespace`, `task_queue`, `build_id`

and a task definition `fleet-job`, for bootstrap and migrate:status. They are your own services, each with a
task definition whose first container is the program. This script registers revisions with another image,
marker and server id, and sets desired counts; all else stays as you wrote it. The service of a new build is
made like one of its queue, and its container is told FLEET_BUILD_ID. Give nodes a target group: ECS takes a
task out of it before stopping it. Secrets belong into `secrets`, which nobody reads back.

FLEET_CLUSTER: the cluster. Region and credentials: as for any AWS client.
Its contract: `rollout-kit schema --of command-driver`. Try it: `./command-ecs.py observe </dev/null`
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
import time
from functools import cache

CLUSTER = os.environ.get("FLEET_CLUSTER", "fleet")
MARKER, SERVER_ID, BUILD_ID = "DW_V2_CURRENT_COMPATIBILITY", "DW_SERVER_ID", "FLEET_BUILD_ID"
TOLD = (  # what a plan is judged by; no secret is among them
    *("DW_V2_MULTI_NODE", "DW_V2_PIN_TO_RECORDED_FINGERPRINT", "SCHEDULER_TICK_SECONDS"),
    *("DB_CONNECTION", "DB_HOST", "DB_PORT", "DB_DATABASE"),
    *("CACHE_STORE", "REDIS_HOST", "REDIS_PORT"),
)
JOBS = {"bootstrap": ["server-bootstrap"], "migrate-status": ["php", "artisan", "migrate:status"]}
COHORT = ("namespace", "task_queue", "build_id")
LIVES = ("ACTIVATING", "RUNNING", "DEACTIVATING", "STOPPING")  # in these a container may be at work
REGISTERED = (  # what of a described task definition may be registered again
    *("family", "taskRoleArn", "executionRoleArn", "networkMode", "containerDefinitions"),
    *("placementConstraints", "requiresCompatibilities", "cpu", "memory", "pidMode", "ipcMode"),
    *("volumes", "proxyConfiguration", "ephemeralStorage", "runtimePlatform"),
)
LIKE = (  # what the service of a new build has in common with its model
    *("launchType", "capacityProviderStrategy", "platformVersion", "networkConfiguration"),
    *("deploymentConfiguration", "placementConstraints", "placementStrategy"),
)
LOOK_S = float(os.environ.get("FLEET_LOOK_S", "3"))


def main(action: str) -> None:
    if action == "describe":
        return tell(contract=1, answers=["spec", "processes", "jobs"])
    from botocore.exceptions import BotoCoreError, ClientError  # takes its time

    try:
        match action:
            case "observe":
                tell(contract=1, **observe())
            case "apply":
                request = json.load(sys.stdin)
                apply(request["change"], request["key"])
    except (BotoCoreError, ClientError) as error:
        sys.exit(str(error))


def tell(**answer: object) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


# --- what runs -----------------------------------------------------------------------------------


def observe() -> dict[str, object]:
    found = services()
    running = live()
    scheduler = found.get("fleet-scheduler")
    return {
        "nodes": below("fleet-node-", found, running),
        "scheduler": seen(scheduler, running) if scheduler and scheduler["desiredCount"] else None,
        "maintenance": below("fleet-maintenance-", found, running),
        "cohorts": [
            {
                **cohort_of(service),
                "image": program(definition(service["taskDefinition"]))["image"],
                "replicas": service["desiredCount"],
                "processes": len(running.get(name, ())),
            }
            for name, service in found.items()
            if name.startswith("fleet-worker-")
        ],
    }


def below(prefix: str, found: dict[str, dict], running: dict[str, list]) -> dict[str, object]:
    names = [name for name in found if name.startswith(prefix)]
    return {name.removeprefix(prefix): seen(found[name], running) for name in names}


def seen(service: dict, running: dict[str, list]) -> dict[str, object]:
    """What its tasks run, not what the service wants: they may be of a revision before it."""
    tasks = running.get(service["serviceName"], [])
    if not tasks:
        return {"image": "", "processes": 0}
    wanted = service["taskDefinition"]
    arns = {task["taskDefinitionArn"] for task in tasks}
    ran = program(definition(next(iter(sorted(arns - {wanted})), wanted)))
    values = variables(ran)
    return {
        "image": ran["image"],
        "marker": values.get(MARKER),
        "server_id": values.get(SERVER_ID),
        "environment": {name: values[name] for name in TOLD if name in values},
        "processes": len(tasks),
    }


def services() -> dict[str, dict]:
    arns = [arn for arn in listed("list_services", "serviceArns") if "/fleet-" in arn]
    found = []
    for at in range(0, len(arns), 10):
        told = ecs("describe_services", services=arns[at : at + 10], include=["TAGS"])
        found += told["services"]
    return {one["serviceName"]: one for one in found if one["status"] == "ACTIVE"}


def live() -> dict[str, list[dict]]:
    """Tasks whose containers may be at work, by the service that they belong to."""
    arns = set(listed("list_tasks", "taskArns"))
    arns |= set(listed("list_tasks", "taskArns", desiredStatus="STOPPED"))
    found: dict[str, list[dict]] = {}
    for task in tasks(sorted(arns)):
        if task["lastStatus"] in LIVES:
            found.setdefault(task["group"].removeprefix("service:"), []).append(task)
    return found


def tasks(arns: list[str]) -> list[dict]:
    some = [arns[at : at + 100] for at in range(0, len(arns), 100)]
    return [task for part in some for task in ecs("describe_tasks", tasks=part)["tasks"]]


def definition(arn: str) -> dict:
    return aws("ecs").describe_task_definition(taskDefinition=arn)["taskDefinition"]


def program(found: dict) -> dict:
    return found["containerDefinitions"][0]


def variables(container: dict) -> dict[str, str]:
    return {one["name"]: one["value"] for one in container.get("environment", [])}


def cohort_of(service: dict) -> dict[str, str | None]:
    tags = {one["key"]: one["value"] for one in service.get("tags", [])}
    return {name: tags.get(name) for name in COHORT}


# --- one change: it may come again after a crash, so each ends where it should from anywhere -------


def apply(change: dict, key: str) -> None:
    match change["kind"]:
        case "replace_node":
            replace(f"fleet-node-{change['node']}", change["spec"])
        case "set_maintenance":
            replace(f"fleet-maintenance-{change['name']}", change["spec"])
        case "set_scheduler" if change["spec"] is None:
            scale("fleet-scheduler", 0)
        case "set_scheduler":
            replace("fleet-scheduler", change["spec"])
        case "set_cohort":
            set_cohort(change)
        case "run_job":
            run(change, key)
        case other:
            sys.exit(f"{other}: not mine to do")


def replace(name: str, spec: dict) -> None:
    """One task: what runs is gone before the next one starts."""
    wanted = {MARKER: spec["marker"], SERVER_ID: spec["server_id"]}
    arn = revision(known(name)["taskDefinition"], spec["image"], wanted)
    if known(name)["taskDefinition"] != arn:
        scale(name, 0)
    scale(name, 1, arn)


def scale(name: str, count: int, arn: str | None = None) -> None:
    """So many tasks of this revision (None: of the present one), and no other."""
    given = {"taskDefinition": arn} if arn else {}
    ecs("update_service", service=name, desiredCount=count, **given)
    while True:
        wanted = arn or known(name)["taskDefinition"]
        found = live().get(name, [])
        runs = [one for one in found if one["lastStatus"] == "RUNNING"]
        here = [one for one in runs if one["taskDefinitionArn"] == wanted]
        if len(here) == len(found) == count:
            return
        said = next((event["message"] for event in known(name)["events"]), "")
        before = f"{len(found) - len(here)} of before"
        tell(sentence=f"{name}: {len(here)} of {count} run, {before}; {said}")
        time.sleep(LOOK_S)


def set_cohort(change: dict) -> None:
    found = services().values()
    place = {name: change[name] for name in COHORT}
    own = next((one for one in found if cohort_of(one) == place), None)
    given = {BUILD_ID: change["build_id"]}
    if own is not None:
        name = own["serviceName"]
        arn = revision(own["taskDefinition"], change["image"], given)
    else:
        alike = place | {"build_id": ""}
        queue = [one for one in found if cohort_of(one) | {"build_id": ""} == alike]
        if not queue:
            sys.exit(f"no service fleet-worker-… of the queue {change['task_queue']} to copy")
        model = max(queue, key=lambda one: one["desiredCount"])
        name = f"fleet-worker-{change['task_queue']}-{change['build_id'] or 'plain'}"
        name = re.sub(r"[^\w-]", "_", name)
        arn = revision(model["taskDefinition"], change["image"], given, family=name)
        tags = [{"key": key, "value": value} for key, value in place.items() if value is not None]
        like = {field: model[field] for field in LIKE if model.get(field)} | {"tags": tags}
        ecs("create_service", serviceName=name, taskDefinition=arn, desiredCount=0, **like)
    scale(name, change["replicas"], arn)


def revision(arn: str, image: str, values: dict[str, str | None], family: str = "") -> str:
    """A task definition like this one with another image and these variables (None: without it)."""
    found = definition(arn)
    container = program(found)
    kept = {name: value for name, value in variables(container).items() if name not in values}
    environment = kept | {name: value for name, value in values.items() if value is not None}
    same = container["image"] == image and variables(container) == environment
    if same and not family:
        return arn
    container["image"] = image
    container["environment"] = [{"name": name, "value": v} for name, v in environment.items()]
    body = {name: found[name] for name in REGISTERED if found.get(name)}
    made = aws("ecs").register_task_definition(**body | ({"family": family} if family else {}))
    return made["taskDefinition"]["taskDefinitionArn"]


def run(change: dict, key: str) -> None:
    """A task of its own; one that this key has started already is awaited, not run twice."""
    name = f"fleet-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
    arns = [
        arn
        for status in ("RUNNING", "STOPPED")
        for arn in listed("list_tasks", "taskArns", startedBy=name, desiredStatus=status)
    ]
    found = [task for task in tasks(arns) if not failure(task)]
    arn = found[0]["taskArn"] if found else begin(change, name)
    while (task := tasks([arn])[0])["lastStatus"] != "STOPPED":
        tell(sentence=f"the task {arn.rpartition('/')[2]} is {task['lastStatus'].lower()}")
        time.sleep(LOOK_S)
    sys.stdout.write(printed(task))
    if said := failure(task):
        sys.exit(said)


def begin(change: dict, name: str) -> str:
    arn = revision("fleet-job", change["image"], {})
    model = next(one for one in services().values() if one["serviceName"].startswith("fleet-node-"))
    like = {field: model[field] for field in LIKE[:4] if model.get(field)}
    command = {"name": program(definition(arn))["name"], "command": JOBS[change["job"]]}
    overrides = {"containerOverrides": [command]}
    made = ecs("run_task", taskDefinition=arn, startedBy=name, overrides=overrides, **like)
    if made["failures"]:
        sys.exit(f"ECS runs no task: {made['failures'][0]['reason']}")
    return made["tasks"][0]["taskArn"]


def failure(task: dict) -> str:
    """Why it failed; empty while it is at work, or where it has succeeded."""
    container = task["containers"][0]
    if task["lastStatus"] != "STOPPED" or container.get("exitCode") == 0:
        return ""
    why = container.get("reason") or task.get("stoppedReason") or "no reason given"
    return f"the task ended with exit status {container.get('exitCode')}: {why}"


def printed(task: dict) -> str:
    """What it wrote, where its container logs to CloudWatch."""
    container = program(definition(task["taskDefinitionArn"]))
    options = container.get("logConfiguration", {}).get("options", {})
    if "awslogs-group" not in options:
        return ""
    stream = f"{options['awslogs-stream-prefix']}/{container['name']}/{task['taskArn'].rpartition('/')[2]}"
    where = {"logGroupName": options["awslogs-group"], "logStreamName": stream}
    events = aws("logs").get_log_events(**where, startFromHead=True)["events"]
    return "".join(f"{event['message']}\n" for event in events)


def known(name: str) -> dict:
    return services().get(name) or sys.exit(
        f"there is no service {name} in {CLUSTER}: create it first"
    )


def ecs(what: str, **given: object) -> dict:
    return getattr(aws("ecs"), what)(cluster=CLUSTER, **given)


def listed(what: str, field: str, **given: object) -> list[str]:
    pages = aws("ecs").get_paginator(what).paginate(cluster=CLUSTER, **given)
    return [arn for page in pages for arn in page[field]]


@cache
def aws(service: str):
    import boto3

    return boto3.client(service)


if __name__ == "__main__":
    main(sys.argv[1])

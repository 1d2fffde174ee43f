#!/usr/bin/env python3
"""A fleet of ECS services, for rollout-kit's command driver. Copy it and make it yours (needs boto3).

    fleet-node-api-1            an API node: a service each, one task
    fleet-scheduler             whatever runs schedule:evaluate, once
    fleet-maintenance-NAME      matching repair, internal queue workers
    fleet-worker-QUEUE-BUILD    the workers of one build, tagged `namespace`, `task_queue`, `build_id`

and a task definition `fleet-job`, for bootstrap and migrate:status. They are your own services, each with a
task definition whose first container is the program. This script registers revisions with another image,
marker and server id, and sets desired counts; all else stays as you wrote it (tags too: those take the right
ecs:TagResource). The service of a new build is made like one of its queue, and its container is told
FLEET_BUILD_ID. Give nodes a target group: ECS takes a task out of it before stopping it. Secrets belong into
`secrets`, which nobody reads back.

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
COMING, GONE = ("PROVISIONING", "PENDING"), ("DEPROVISIONING", "STOPPED")  # in others it is at work
GIVEN = (  # what ECS adds to a task definition, and takes from nobody
    *("taskDefinitionArn", "revision", "status", "requiresAttributes", "compatibilities"),
    *("registeredAt", "registeredBy", "deregisteredAt"),
)
LIKE = (  # what the service of a new build has in common with its model
    *("launchType", "capacityProviderStrategy", "platformVersion", "networkConfiguration"),
    *("deploymentConfiguration", "placementConstraints", "placementStrategy"),
)
LOOK_S = float(os.environ.get("FLEET_LOOK_S", "3"))


def main(action: str) -> None:
    if action == "describe":
        return tell(contract=1, answers=["spec", "processes", "jobs"], actions=["preview"])
    from botocore.exceptions import BotoCoreError, ClientError  # takes its time

    try:
        match action:
            case "observe":
                tell(contract=1, **observe())
            case "preview":
                tell(contract=1, changes=preview(json.load(sys.stdin)["changes"]))
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
    found = standing()
    return {
        "nodes": below("fleet-node-", found),
        "scheduler": found.get("fleet-scheduler"),
        "maintenance": below("fleet-maintenance-", found),
        "cohorts": list(below("fleet-worker-", found).values()),
    }


def below(prefix: str, found: dict[str, dict]) -> dict[str, dict]:
    names = [name for name in found if name.startswith(prefix)]
    return {name.removeprefix(prefix): found[name] for name in names}


def standing() -> dict[str, dict]:
    """What runs, by service; a scheduler that nobody wants is told until it is gone."""
    found, running = services(), live()
    if not running.get("fleet-scheduler") and not found.get("fleet-scheduler", {}).get(
        "desiredCount"
    ):
        found.pop("fleet-scheduler", None)
    return {name: seen(one, running.get(name, [])) for name, one in found.items()}


def seen(service: dict, tasks: list[dict]) -> dict[str, object]:
    """What its tasks run, not what the service wants: they may be of a revision before it."""
    wanted = service["taskDefinition"]
    at_work = [task for task in tasks if task["lastStatus"] not in COMING]
    before = {task["taskDefinitionArn"] for task in at_work} - {wanted}
    ran = program(definition(min(before, default=wanted)))
    if service["serviceName"].startswith("fleet-worker-"):
        counts = {"replicas": service["desiredCount"], "processes": len(at_work)}
        return {**cohort_of(service), "image": ran["image"], **counts}
    if not at_work:
        return {"image": "", "processes": 0}
    values = variables(ran)
    return {
        "image": ran["image"],
        "marker": values.get(MARKER),
        "server_id": values.get(SERVER_ID),
        "environment": {name: values[name] for name in TOLD if name in values},
        "processes": len(at_work),
    }


def services() -> dict[str, dict]:
    arns = [arn for arn in listed("list_services", "serviceArns") if "/fleet-" in arn]
    some = [arns[at : at + 10] for at in range(0, len(arns), 10)]
    told = [ecs("describe_services", services=part, include=["TAGS"]) for part in some]
    found = [one for part in told for one in part["services"]]
    return {one["serviceName"]: one for one in found if one["status"] == "ACTIVE"}


def live() -> dict[str, list[dict]]:
    """Tasks that are not gone, by the service that they belong to."""
    arns = {arn for status in ("RUNNING", "STOPPED") for arn in task_arns(desiredStatus=status)}
    found: dict[str, list[dict]] = {}
    for task in tasks(sorted(arns)):
        if task["lastStatus"] not in GONE:
            found.setdefault(task["group"].removeprefix("service:"), []).append(task)
    return found


def task_arns(**given: str) -> list[str]:
    return listed("list_tasks", "taskArns", **given)


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


# --- what changes would do -----------------------------------------------------------------------


def preview(changes: list[dict]) -> list[dict[str, object]]:
    world = standing()
    return [{"operation": one["operation"], **previewed(one["change"], world)} for one in changes]


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
        "resources": [f"service/{name}"],
        "kinds": ["service"],
        "changed": [field for field, value in wanted.items() if here.get(field) != value],
        "creates": [f"service/{name}"] if new else [],
    }


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
    return re.sub(r"[^\w-]", "_", name)


# --- one change: it may come again after a crash, so each ends where it should from anywhere -------


def apply(change: dict, key: str) -> None:
    name = name_of(change)
    match change["kind"]:
        case "run_job":
            run(change, key)
        case "set_cohort":
            set_cohort(name, change)
        case "set_scheduler" if change["spec"] is None:
            scale(name, 0)
        case _:
            replace(name, change["spec"])


def replace(name: str, spec: dict) -> None:
    """One task: what runs is gone before the next one starts."""
    now = known(name)
    wanted = {MARKER: spec["marker"], SERVER_ID: spec["server_id"]}
    arn = revision(now["taskDefinition"], spec["image"], wanted)
    cut_off = now["desiredCount"] == 0  # its task may still be stopping
    if now["taskDefinition"] != arn or cut_off:
        scale(name, 0)
    scale(name, 1, arn)


def scale(name: str, count: int, arn: str | None = None) -> None:
    """So many tasks of this revision (None: of the present one), and no other."""
    wanted = arn or known(name)["taskDefinition"]
    ecs("update_service", service=name, desiredCount=count, taskDefinition=wanted)
    while True:
        now = known(name)
        if (now["taskDefinition"], now["desiredCount"]) != (wanted, count):
            sys.exit(
                f"{name} has been changed by somebody else, or by its circuit breaker, meanwhile"
            )
        found = live().get(name, [])
        runs = [one for one in found if one["lastStatus"] == "RUNNING"]
        here = [one for one in runs if one["taskDefinitionArn"] == wanted]
        if len(here) == len(found) == count:
            return
        said = next((event["message"] for event in now["events"]), "")
        before = f"{sum(one['taskDefinitionArn'] != wanted for one in found)} of before"
        tell(sentence=f"{name}: {len(here)} of {count} run, {before}; {said}")
        time.sleep(LOOK_S)


def set_cohort(name: str, change: dict) -> None:
    found = services().values()
    place = {field: change[field] for field in COHORT}
    own = next((one for one in found if cohort_of(one) == place), None)
    given = {BUILD_ID: change["build_id"]}
    if own is not None:
        arn = revision(own["taskDefinition"], change["image"], given)
        return scale(own["serviceName"], change["replicas"], arn)
    queue = [one for one in found if cohort_of(one) | {"build_id": ""} == place | {"build_id": ""}]
    if not queue:
        sys.exit(f"no service fleet-worker-… of the queue {change['task_queue']} to copy")
    model = max(queue, key=lambda one: one["desiredCount"])
    arn = revision(model["taskDefinition"], change["image"], given, family=name)
    tags = [{"key": key, "value": value} for key, value in place.items() if value is not None]
    like = {field: model[field] for field in LIKE if model.get(field)} | {"tags": tags}
    ecs("create_service", serviceName=name, taskDefinition=arn, desiredCount=0, **like)
    return scale(name, change["replicas"], arn)


def revision(arn: str, image: str, values: dict[str, str | None], family: str = "") -> str:
    """A task definition like this one with another image and these variables (None: without it)."""
    told = aws("ecs").describe_task_definition(taskDefinition=arn, include=["TAGS"])
    found, tags = told["taskDefinition"], told.get("tags")
    container = program(found)
    kept = {name: value for name, value in variables(container).items() if name not in values}
    environment = kept | {name: value for name, value in values.items() if value is not None}
    same = container["image"] == image and variables(container) == environment
    if same and not family:
        return arn
    container["image"] = image
    container["environment"] = [{"name": name, "value": v} for name, v in environment.items()]
    body = {name: value for name, value in found.items() if name not in GIVEN}
    other = {"family": family or found["family"]} | ({"tags": tags} if tags else {})
    made = aws("ecs").register_task_definition(**body | other)
    return made["taskDefinition"]["taskDefinitionArn"]


def run(change: dict, key: str) -> None:
    """A task of its own; one that this key has started already is awaited, not run twice."""
    name = f"fleet-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
    states = ("RUNNING", "STOPPED")
    arns = [arn for status in states for arn in task_arns(startedBy=name, desiredStatus=status)]
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
    nodes = [one for name, one in services().items() if name.startswith("fleet-node-")]
    model = nodes[0] if nodes else sys.exit(f"there is no service fleet-node-… in {CLUSTER}")
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
    found = ecs("describe_services", services=[name])["services"]
    active = [one for one in found if one["status"] == "ACTIVE"]
    return active[0] if active else sys.exit(f"there is no service {name} in {CLUSTER}: create it")


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

"""ECS for tests: moto's API on a free port, and beside it what moto leaves out, the agents that run tasks.

With `Machines` a task is a process, and stops when that has ended; without, it is a word.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import boto3
from moto.ecs.models import ecs_backends
from moto.moto_api import state_manager
from moto.server import ThreadedMotoServer

from tests.drivers.contained import IMAGE
from tests.drivers.machines import Machines, what_is

REGION, ACCOUNT, CLUSTER = "eu-central-1", "123456789012", "fleet"


@dataclass
class Agents:
    """Keep as many tasks of each service as it wants, of its revision; end what belongs to none.

    `broken`: images whose tasks end with status 1. `slow`: services whose tasks do not end.
    `printed`: what a job writes to its log.
    """

    api: Any
    logs: Any
    broken: set[str] = field(default_factory=set)
    printed: str = "Nothing to migrate"
    machines: Machines | None = None
    slow: set[str] = field(default_factory=set)
    started: list[tuple[str, str]] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        while not self._over.wait(0.02):
            with suppress(RuntimeError):  # a dictionary of moto's that has just grown
                self.look()

    def leave(self) -> None:
        self._over.set()

    def look(self) -> None:
        backend = ecs_backends[ACCOUNT][REGION]
        tasks = list(backend.tasks.get(CLUSTER, {}).values())
        for service in list(backend.services.values()):
            group = f"service:{service.name}"
            mine = [t for t in tasks if t.group == group and t.last_status == "RUNNING"]
            right = [t for t in mine if t.task_definition_arn == service.task_definition]
            for task in [t for t in mine if t not in right] + right[service.desired_count :]:
                task.desired_status, task.last_status = "STOPPED", "STOPPING"
                threading.Thread(target=self._stop, args=(task,), daemon=True).start()
            for _ in range(service.desired_count - len(right)):
                self._start(backend, service, group)
        for task in tasks:
            if not task.group.startswith("service:") and task.last_status == "RUNNING":
                self._end(backend, task)

    def _start(self, backend: Any, service: Any, group: str) -> None:
        image = self._definition(backend, service.task_definition)["image"]
        if image in self.broken:
            service.events = [{"id": "1", "message": f"({image}) was unable to place a task"}]
            return
        self.started.append((service.name, image))
        (task,) = backend.run_task(
            CLUSTER, service.task_definition, 1, None, "ecs", [], "FARGATE", group=group
        )
        if self.machines:
            given = self._variables(backend, service.task_definition)
            self.machines.start(task.id, what_is(service.name), {**given, IMAGE: image})

    def _stop(self, task: Any) -> None:
        while task.group.removeprefix("service:") in self.slow and not self._over.wait(0.02):
            pass
        if self.machines:
            self.machines.stop(task.id)
        task.last_status = "STOPPED"

    def _end(self, backend: Any, task: Any) -> None:
        container = task.containers[0]
        command = task.overrides["containerOverrides"][0]["command"]
        code, printed = int(container.image in self.broken), self.printed
        if self.machines:
            given = self._variables(backend, task.task_definition_arn)
            self.machines.start(task.id, "job", {**given, IMAGE: container.image}, *command)
            code, out, err = self.machines.end(task.id)
            printed = (out + err).removesuffix("\n")
        container.exitCode = code
        stream = f"job/{container.name}/{task.id}"
        self.logs.create_log_stream(logGroupName="fleet", logStreamName=stream)
        events = [{"timestamp": int(time.time() * 1000), "message": printed}]
        self.logs.put_log_events(logGroupName="fleet", logStreamName=stream, logEvents=events)
        self.started.append((" ".join(command), container.image))
        task.desired_status = task.last_status = "STOPPED"

    def _variables(self, backend: Any, arn: str) -> dict[str, str]:
        return {one["name"]: one["value"] for one in self._definition(backend, arn)["environment"]}

    def _definition(self, backend: Any, arn: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = backend.describe_task_definition(arn).container_definitions[0]
        return found


@contextmanager
def cluster(machines: Machines | None = None) -> Iterator[tuple[Agents, dict[str, str]]]:
    """An empty cluster, and the environment that leads to it."""
    state_manager.set_transition("ecs::task", {"progression": "manual", "times": 10**9})
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    where = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "FLEET_CLUSTER": CLUSTER,
        "FLEET_LOOK_S": "0.05",
    }
    ecs_backends[ACCOUNT][REGION].reset()
    keys = {
        "endpoint_url": where["AWS_ENDPOINT_URL"],
        "region_name": REGION,
        "aws_access_key_id": "test",
        "aws_secret_access_key": "test",
    }
    agents = Agents(boto3.client("ecs", **keys), boto3.client("logs", **keys), machines=machines)
    agents.api.create_cluster(clusterName=CLUSTER)
    with suppress(agents.logs.exceptions.ResourceAlreadyExistsException):
        agents.logs.create_log_group(logGroupName="fleet")
    running = threading.Thread(target=agents.run, daemon=True)
    running.start()
    try:
        yield agents, where
    finally:
        agents.leave()
        running.join()
        server.stop()


def service(
    agents: Agents, name: str, image: str, count: int, *, tags: Mapping[str, str] = {}, **more: str
) -> None:
    """A service with its task definition. `more`: variables of its container."""
    define(agents, name, image, **more)
    agents.api.create_service(
        cluster=CLUSTER,
        serviceName=name,
        taskDefinition=name,
        desiredCount=count,
        launchType="FARGATE",
        tags=[{"key": key, "value": value} for key, value in tags.items()],
    )


def define(agents: Agents, name: str, image: str, **more: str) -> None:
    options = {"awslogs-group": "fleet", "awslogs-region": REGION, "awslogs-stream-prefix": "job"}
    container = {
        "name": "main",
        "image": image,
        "memory": 512,
        "environment": [{"name": key, "value": value} for key, value in more.items()],
        "secrets": [{"name": "DB_PASSWORD", "valueFrom": "arn:aws:ssm:eu-central-1:1:p"}],
        "logConfiguration": {"logDriver": "awslogs", "options": options},
    }
    tags = [{"key": "team", "value": "orders"}]
    agents.api.register_task_definition(family=name, containerDefinitions=[container], tags=tags)

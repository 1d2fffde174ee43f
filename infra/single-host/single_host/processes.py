"""What each thing of the fleet runs, as processes. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

from rollout_kit.model.stack_contract import CohortWanted, NodeWanted, SingletonWanted
from single_host.settings import Command, Settings
from single_host.units import Process

MARKER = "DW_V2_CURRENT_COMPATIBILITY"
SERVER_ID = "DW_SERVER_ID"
MULTI_NODE = {"DW_V2_MULTI_NODE": "true"}
SERVER_URL = "DURABLE_WORKFLOW_SERVER_URL"
NAMESPACE = "DURABLE_WORKFLOW_NAMESPACE"
TASK_QUEUE = "DW_TASK_QUEUE"
BUILD_ID = "DW_WORKER_BUILD_ID"
WORKER_ID = "ROLLOUT_KIT_WORKER_ID"
OWN = frozenset({MARKER, SERVER_ID, SERVER_URL, NAMESPACE, TASK_QUEUE, BUILD_ID, WORKER_ID})
"""Always the program's to say: what a rollout read of one thing it may give to another."""
_PLAIN = re.compile(r"[a-z0-9][a-z0-9-]{0,47}")
_PLACEHOLDER = re.compile(r"\{(image|name|address|port)\}")


def node(name: str, settings: Settings, wanted: NodeWanted) -> Process:
    """One API node."""
    own = {SERVER_ID: wanted.server_id or name, MARKER: wanted.marker}
    environment = _joined(server_environment(settings, wanted.environment), own)
    values = {"image": wanted.image, "name": name, "port": str(port(name, settings))}
    files = settings.server_environment_files
    return Process(
        about=_about(name),
        argv=_argv(settings.node_command, values | _here(settings), [*environment], files),
        environment=environment,
        environment_files=files,
        user=settings.user,
        grace_s=settings.node_grace_s,
    )


def singleton(name: str, settings: Settings, wanted: SingletonWanted, run: Command) -> Process:
    """The scheduler, or a maintenance process."""
    given = server_environment(settings, wanted.environment)
    environment = _joined(given, {MARKER: wanted.marker})
    return Process(
        about=_about(name),
        argv=_server_argv(name, settings, wanted.image, [*environment], run),
        environment=environment,
        environment_files=settings.server_environment_files,
        user=settings.user,
        grace_s=settings.process_grace_s,
    )


def worker(name: str, settings: Settings, wanted: CohortWanted) -> Process:
    """One worker of a cohort; `name` is its unit's, and ends its id."""
    build = wanted.build_id or ""
    own = {
        SERVER_URL: settings.server_url,
        NAMESPACE: wanted.namespace,
        TASK_QUEUE: wanted.task_queue,
        BUILD_ID: wanted.build_id,
        WORKER_ID: f"{wanted.task_queue}:{build}:{settings.host_name}-{name}",
    }
    environment = _joined(worker_environment(settings, wanted.environment), own)
    values = {"image": wanted.image, "name": name} | _here(settings)
    files = settings.worker_environment_files
    return Process(
        about=_about(name),
        argv=_argv(settings.worker_command, values, [*environment], files),
        environment=environment,
        environment_files=files,
        user=settings.user,
        grace_s=settings.worker_grace_s,
    )


def job_argv(name: str, settings: Settings, image: str, run: Command) -> Command:
    """The command of one run that ends."""
    return _server_argv(name, settings, image, [*server_environment(settings, {})], run)


def server_environment(settings: Settings, given: Mapping[str, str]) -> dict[str, str]:
    """What a rollout gave, under what is the program's own to say: an echo of it never wins."""
    return {**_given(given), **settings.server_environment, **MULTI_NODE}


def worker_environment(settings: Settings, given: Mapping[str, str]) -> dict[str, str]:
    """As `server_environment`, for workers."""
    return {**_given(given), **settings.worker_environment}


def _given(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name not in OWN}


def port(name: str, settings: Settings) -> int:
    """The node's own. Raises ValueError: this machine has none for a node of that name."""
    if name not in settings.nodes:
        known = ", ".join(sorted(settings.nodes))
        raise ValueError(f"node {name!r} has no port in `nodes`; there are {known}")
    return settings.nodes[name]


def worker_names(path: str, wanted: CohortWanted) -> list[str]:
    """One name for each worker of the cohort, the same ones for the same count."""
    return [f"{cohort_name(path, wanted)}-{number}" for number in range(1, wanted.replicas + 1)]


def cohort_name(path: str, wanted: CohortWanted) -> str:
    """Readable, and the same for no other cohort."""
    build = "unversioned" if wanted.build_id is None else wanted.build_id
    return unit_name("worker", wanted.task_queue, build, exact=path)


def run_name(job: str, run: str) -> str:
    """One run of a job. A rollout's own names stand there as they are and nothing else depends on them:
    what it announced under one run's name, it looks for under another's."""
    return f"{job}-{run}" if _PLAIN.fullmatch(run) else unit_name(job, run, exact=run)


def unit_name(kind: str, *parts: str, exact: str) -> str:
    """`kind` and what is readable of the parts, with a digest of the exact text."""
    readable = re.sub(r"[^a-z0-9]+", "-", "-".join((kind, *parts)).lower())[:48].strip("-")
    return f"{readable}-{hashlib.sha256(exact.encode()).hexdigest()[:8]}"


def _joined(plain: Mapping[str, str], own: Mapping[str, str | None]) -> dict[str, str]:
    joined: dict[str, str | None] = {**plain, **own}
    return {name: value for name, value in joined.items() if value is not None}


def _about(name: str) -> str:
    return f"{name} of the Durable Workflow fleet"


def _here(settings: Settings) -> dict[str, str]:
    return {"address": settings.address}


def _server_argv(
    name: str, settings: Settings, image: str, variables: list[str], run: Command
) -> Command:
    values = {"image": image, "name": name} | _here(settings)
    files = settings.server_environment_files
    return _argv(settings.process_command, values, variables, files, run)


def _argv(
    command: Command,
    values: Mapping[str, str],
    variables: list[str],
    files: tuple[str, ...],
    arguments: Command = (),
) -> Command:
    """The command with its placeholders filled in; what stands in `files` is passed on unseen."""
    words: list[str] = []
    for part in command:
        if part == "{environment}":
            words += [f"--env-file={path}" for path in files]
            words += [f"--env={variable}" for variable in sorted(variables)]
        elif part == "{arguments}":
            words += arguments
        else:
            words.append(_PLACEHOLDER.sub(lambda found: values.get(found[1], found[0]), part))
    return tuple(words)

"""What is this cluster's own: read once from the stack's configuration, never changed by a rollout.

Each field is one configuration key of the project (`pulumi config set namespace orders`); what is
not a text is written as JSON. What a rollout changes is in the keys of the stack contract instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any

import pulumi

Command = tuple[str, ...]
Quantities = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerVariables:
    """The environment variables through which the workers' image learns what it is."""

    server_url: str = "DURABLE_WORKFLOW_SERVER_URL"
    namespace: str = "DURABLE_WORKFLOW_NAMESPACE"
    task_queue: str = "DW_TASK_QUEUE"
    build_id: str = "DW_WORKER_BUILD_ID"
    worker_id: str = "ROLLOUT_KIT_WORKER_ID"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`image`: of the server, where a rollout has not said another. Times are whole seconds.

    `..._arguments` follow the image's own entry point. `version_variable`: where set, this variable
    of the server carries its image's tag. `await_s`: how long an update waits for readiness.
    """

    image: str = ""
    namespace: str = "default"
    nodes: tuple[str, ...] = ("api-1", "api-2")
    port: int = 8080
    front_type: str = "ClusterIP"

    server_environment: Mapping[str, str] = field(default_factory=dict)
    server_config_maps: tuple[str, ...] = ()
    server_secrets: tuple[str, ...] = ()
    version_variable: str = ""
    server_requests: Quantities = field(default_factory=lambda: {"cpu": "250m", "memory": "512Mi"})
    server_writable: tuple[str, ...] = ("/tmp",)  # a mount inside the container
    scheduler_arguments: Command = (
        "sh",
        "-c",
        "trap 'exit 0' TERM; while :; do php artisan schedule:evaluate --limit=100; "
        "php artisan activity:timeout-enforce --limit=100; php artisan history:prune --limit=100; "
        "sleep 10 & wait $!; done",
    )
    maintenance_arguments: Mapping[str, Command] = field(
        default_factory=lambda: {
            "queue": ("php", "artisan", "queue:work", "--sleep=1", "--tries=3", "--max-time=3600")
        }
    )
    job_arguments: Mapping[str, Command] = field(
        default_factory=lambda: {
            "bootstrap": ("server-bootstrap",),
            "migrate-status": ("php", "artisan", "migrate:status"),
        }
    )

    worker_variables: WorkerVariables = field(default_factory=WorkerVariables)
    worker_environment: Mapping[str, str] = field(default_factory=dict)
    worker_secrets: tuple[str, ...] = ()
    worker_requests: Quantities = field(default_factory=lambda: {"cpu": "100m", "memory": "256Mi"})
    worker_writable: tuple[str, ...] = ("/tmp",)
    worker_arguments: Command = ()
    worker_pre_stop: Command = ()
    worker_cpu_percent: int = 70

    image_pull_secrets: tuple[str, ...] = ()
    run_as_user: int | None = None
    poll_timeout_s: int = 30
    worker_grace_s: int = 330
    await_s: int = 0
    job_within_s: int = 600

    def needed_image(self) -> str:
        """The server's image, for what no rollout has given one yet."""
        if self.image:
            return self.image
        raise ValueError("set `image` to the server's image: nothing else says what to start with")


def read_settings(config: pulumi.Config) -> Settings:
    """The stack's settings. Raises ValueError naming the key whose value does not fit."""
    found = {}
    for item in fields(Settings):
        default = _default(item)
        if isinstance(default, str):
            value: object = config.get(item.name)
        else:
            value = config.get_object(item.name)
        if value is not None:
            found[item.name] = _fitting(value, default, config.full_key(item.name))
    return Settings(**found)


def _default(item: Field[Any]) -> object:
    return item.default if item.default_factory is MISSING else item.default_factory()


def _fitting(value: object, default: object, key: str) -> Any:
    """The value in its default's own form, or an error that says which form that is."""
    match default, value:
        case str(), str():
            return value
        case ((int() | None), int()) if not isinstance(value, bool):
            return value
        case tuple(), list() if all(isinstance(part, str) for part in value):
            return tuple(value)
        case WorkerVariables(), dict() if set(value) <= {part.name for part in fields(default)}:
            return WorkerVariables(**value)
        case dict(), dict():
            sample = next(iter(default.values()), "")
            return {name: _fitting(part, sample, f"{key}.{name}") for name, part in value.items()}
    shapes = {str: "a text", int: "a whole number", tuple: "a list of texts", dict: "an object"}
    wanted = shapes.get(type(default), "an object of the known names")
    raise ValueError(f"{key}: {wanted} is needed, not {value!r}")

"""What is this machine's own: read once from the stack's configuration, never changed by a rollout.

Each field is one configuration key of the project (`pulumi config set manager supervisor`); what is
not a text is written as JSON. What a rollout changes is in the keys of the stack contract instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any

import pulumi

Command = tuple[str, ...]
_RUN = ("podman", "run", "--rm", "--replace", "--name={name}")
_HARDENED = ("--read-only", "--tmpfs=/tmp", "--cap-drop=all", "--security-opt=no-new-privileges")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`image`: of the server, where a rollout has not said another. Times are whole seconds.

    In commands, `{image}`, `{name}`, `{address}` and `{port}` are replaced, a part `{environment}`
    becomes one `--env=NAME` for each variable of the process and one `--env-file=PATH` for each file
    of them, and a part `{arguments}` the role's own arguments. `nodes`: each node's port here.
    """

    image: str = ""
    manager: str = "systemd"
    units_folder: str = "/etc/systemd/system"
    control: Command = ("systemctl",)
    state_folder: str = "/var/lib/durable-workflow-fleet"
    user: str = ""
    host_name: str = "host"

    address: str = "127.0.0.1"
    nodes: Mapping[str, int] = field(default_factory=lambda: {"api-1": 8081, "api-2": 8082})
    front_folder: str = "/etc/nginx/durable-workflow.d"
    front_check: Command = ("nginx", "-t")
    front_reload: Command = ("nginx", "-s", "reload")

    node_command: Command = (
        *_RUN,
        "--publish={address}:{port}:8080",
        *_HARDENED,
        "{environment}",
        "{image}",
    )
    process_command: Command = (*_RUN, *_HARDENED, "{environment}", "{image}", "{arguments}")
    server_environment: Mapping[str, str] = field(default_factory=dict)
    server_environment_files: tuple[str, ...] = ()
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

    worker_command: Command = (*_RUN, "--network=host", *_HARDENED, "{environment}", "{image}")
    worker_environment: Mapping[str, str] = field(default_factory=dict)
    worker_environment_files: tuple[str, ...] = ()
    server_url: str = "http://127.0.0.1:8080"

    node_grace_s: int = 30
    process_grace_s: int = 60
    worker_grace_s: int = 330

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
        case int(), int() if not isinstance(value, bool):
            return value
        case tuple(), list() if all(isinstance(part, str) for part in value):
            return tuple(value)
        case dict(), dict():
            sample = next(iter(default.values()), "")
            return {name: _fitting(part, sample, f"{key}.{name}") for name, part in value.items()}
    shapes = {str: "a text", int: "a whole number", tuple: "a list of texts"}
    raise ValueError(f"{key}: {shapes.get(type(default), 'an object')} is needed, not {value!r}")

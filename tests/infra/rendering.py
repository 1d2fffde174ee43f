"""Runs a program of `infra/` under Pulumi's own mocks: every resource it registers, and its output.

Each run has a process-wide runtime to itself, and the program's modules are loaded anew, so that
programs with modules of the same name do not meet.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
import pulumi.runtime
from pulumi.runtime.mocks import MockMonitor
from pulumi.runtime.rpc import is_rpc_secret, unwrap_rpc_secret
from pulumi.runtime.stack import Stack, run_pulumi_func

INFRA = Path(__file__).parents[2] / "infra"
STACK = "pulumi:pulumi:Stack"


@dataclass(frozen=True)
class Registered:
    """One resource as the engine was told of it. `encrypted`: places of inputs that are secret."""

    urn: str
    type: str
    name: str
    inputs: Mapping[str, Any]
    encrypted: tuple[str, ...]
    custom: bool
    replace_on_changes: tuple[str, ...]
    delete_before_replace: bool
    ignore_changes: tuple[str, ...]
    depends_on: tuple[str, ...]


@dataclass(frozen=True)
class Rendered:
    """What one run of a program asked for."""

    resources: Mapping[str, Registered]
    output: Mapping[str, Any]

    def of_type(self, end: str) -> list[Registered]:
        return [item for item in self.resources.values() if item.type.endswith(end)]

    def one(self, end: str, name: str) -> Registered:
        (found,) = [item for item in self.of_type(end) if item.name == name]
        return found

    @property
    def objects(self) -> list[Mapping[str, Any]]:
        """The manifests."""
        return [dict(item.inputs) for item in self.resources.values() if item.custom]


class _Mocks(pulumi.runtime.Mocks):
    """Every resource comes out as it went in; nothing is to be looked up."""

    def new_resource(
        self, args: pulumi.runtime.MockResourceArgs
    ) -> tuple[str | None, dict[Any, Any]]:
        return f"{args.name}-id", dict(args.inputs)

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[Any, Any], None]:
        raise AssertionError(f"the program calls {args.token}: it has to be a function of its keys")


class _Monitor(MockMonitor):
    """Pulumi's own, which also keeps what it was asked: options are no part of a mock's arguments."""

    def __init__(self) -> None:
        super().__init__(_Mocks())
        self.asked: dict[str, Any] = {}

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802  # the protocol's name
        response = super().RegisterResource(request)
        if request.type != STACK:
            self.asked[response.urn] = request
        return response


def render(program: str, config: Mapping[str, object], secret: tuple[str, ...] = ()) -> Rendered:
    """Run `infra/<program>/program.py:fleet` with this configuration."""
    texts = {
        key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()
    }
    with loaded(program) as module:
        monitor, output = asyncio.run(_run(program, module.fleet, texts, secret))
    resources = {
        urn: Registered(
            urn=urn,
            type=asked.type,
            name=asked.name,
            inputs=_open(monitor.resources[urn].state),
            encrypted=tuple(_encrypted(monitor.resources[urn].state)),
            custom=asked.custom,
            replace_on_changes=tuple(asked.replaceOnChanges),
            delete_before_replace=asked.deleteBeforeReplace,
            ignore_changes=tuple(asked.ignoreChanges),
            depends_on=tuple(asked.dependencies),
        )
        for urn, asked in sorted(monitor.asked.items())
    }
    return Rendered(resources=resources, output=output)


async def _run(
    program: str, fleet: Callable[[], None], config: dict[str, str], secret: tuple[str, ...]
) -> tuple[_Monitor, Any]:
    monitor = _Monitor()
    pulumi.runtime.set_mocks(
        monitor.mocks, project=program, stack="test", preview=False, monitor=monitor
    )
    pulumi.runtime.set_all_config(config, list(secret))
    await run_pulumi_func(fleet)
    root = pulumi.runtime.get_root_resource()
    assert isinstance(root, Stack)
    return monitor, await pulumi.Output.from_input(root.outputs["fleet"]).future()


def _open(value: Any) -> Any:
    """The value as the program gave it, secrets in clear."""
    value = unwrap_rpc_secret(value)
    if isinstance(value, Mapping):
        return {key: _open(item) for key, item in value.items()}
    return [_open(item) for item in value] if isinstance(value, list) else value


def _encrypted(value: Any, here: str = "") -> Iterator[str]:
    if is_rpc_secret(value):
        yield here
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _encrypted(item, f"{here}.{key}".lstrip("."))


@contextmanager
def loaded(program: str) -> Iterator[Any]:
    """The program's module, with its folder in front of the path as the engine's own host has it."""
    folder = str(INFRA / program)
    before = set(sys.modules)
    sys.path.insert(0, folder)
    try:
        yield importlib.import_module("program")
    finally:
        sys.path.remove(folder)
        for name in set(sys.modules) - before:
            if str(getattr(sys.modules[name], "__file__", "") or "").startswith(folder):
                del sys.modules[name]

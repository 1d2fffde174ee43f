"""A stack of lab objects, and changes of it carried out by a child as a rollout would have them."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rollout_kit.drivers.pulumi import api, update
from tests.standin.fixtures import Cli

PROGRAM = Path(__file__).with_name("lab_fleet.py")
ROOT = Path(__file__).parents[3]
URN = "urn:pulumi:dev::proj::lab:index:Thing::"
Nodes = Mapping[str, Mapping[str, Any]]


@dataclass
class Lab:
    """`up` brings the stack to a state, as somebody else would; `change` is ours."""

    cli: Cli
    begun: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def stack(self) -> api.Stack:
        return api.Stack(
            program=api.Program(path=str(PROGRAM), function="main"),
            name="dev",
            project="proj",
            folder=str(self.cli.folder / "ours"),
        )

    def up(self, nodes: Nodes, token: str = "", secrets_provider: str | None = None) -> None:
        from pulumi import automation

        from tests.drivers.pulumi import lab_fleet

        stack = automation.create_or_select_stack(
            self.stack.name,
            project_name="proj",
            program=lab_fleet.main,
            opts=automation.LocalWorkspaceOptions(
                work_dir=str(self.cli.work), secrets_provider=secrets_provider
            ),
        )
        stack.set_config("fleet:nodes", automation.ConfigValue(json.dumps(nodes)))
        if token:
            stack.set_config("proj:token", automation.ConfigValue(token, secret=True))
        stack.up(message="somebody else")

    def request(self, key: str, nodes: Nodes, **may: str) -> api.UpdateRequest:
        return api.UpdateRequest(
            stack=self.stack,
            operation=key,
            wanted={"fleet:nodes": nodes},
            may=tuple(api.May(urn=URN + name, ops=tuple(ops.split())) for name, ops in may.items()),
            within_s=60,
        )

    def folder(self, key: str) -> Path:
        folder = self.cli.folder / "changes" / key
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def begin(self, key: str, nodes: Nodes, **may: str) -> subprocess.Popen[bytes]:
        folder = self.folder(key)
        update.write(folder / api.REQUEST_FILE, self.request(key, nodes, **may))
        child = subprocess.Popen(
            [sys.executable, "-m", "tests.drivers.pulumi.lab_child", str(folder)],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=(folder / "stderr").open("wb"),
        )
        self.begun.append(child)
        return child

    def change(self, key: str, nodes: Nodes, **may: str) -> api.UpdateResult:
        """Carried out to its end."""
        code = self.begin(key, nodes, **may).wait(90)
        result = update.read_result(self.folder(key))
        assert result is not None, (self.folder(key) / "stderr").read_text()
        assert code == update.EXIT_CODES[result.outcome]
        return result

    def values(self) -> dict[str, Any]:
        """What really exists: `value` by id."""
        return {name: thing.get("value") for name, thing in self.cli.world().items()}

    def checkpoint(self) -> Any:
        return self.cli.checkpoint()

    def recorded(self) -> dict[str, tuple[str, Any]]:
        """What the state says: id and `value` by name."""
        return {
            item["urn"].removeprefix(URN): (item["id"], item["inputs"].get("value"))
            for item in self.checkpoint()["resources"]
            if item["type"] == "lab:index:Thing"
        }

    def cli_pid(self) -> int:
        """Of the update under way, from our own record; waits for it."""
        mark = self.cli.folder / "ours" / "open.jsonl"
        until(lambda: mark.exists() and '"pid"' in mark.read_text())
        lines = [json.loads(line) for line in mark.read_text().splitlines()]
        return int([line["pid"] for line in lines if "pid" in line][-1])


def until(condition: Callable[[], bool], within_s: float = 60.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.02)

"""`lab:index:Thing`: a resource that is a file, and that fails, dawdles and breaks as it is told.

The world is the folder LAB_WORLD; a Thing called `a` is the file `a-1`, another one that is made
beside it `a-2`. Inputs: `value` (changes in place), `key` (replaces), `createSleep`,
`updateSleep`, `deleteSleep` (seconds), `failCreate`, `failUpdate`, `failDelete`, `failCheck` (the
error), `failPartial` (it exists, but never got ready), `onCancel` (`error`, `partial`, `ignore`),
`crash` (the provider's process ends), `wantSecretOut`. Output: `computed`.
LAB_RPCS is a file that gets one JSON line for every call. While a file `held-NAME` stands beside the
world, what is made or changed of this name has happened and is not over.
"""

from __future__ import annotations

import itertools
import json
import os
from pathlib import Path
from typing import Any

from tests.standin.engine.failure import OperationFailed, PluginDied, Unfinished
from tests.standin.engine.values import UNKNOWN

from .api import Call, Change, Read, Tree, shallow

_STOPPED = "create canceled by the user"


class Lab:
    def __init__(self) -> None:
        self._world = Path(os.environ.get("LAB_WORLD", "lab-world"))
        self._heard = os.environ.get("LAB_RPCS")
        self._hear(rpc="start")

    def _hear(self, **call: Any) -> None:
        if self._heard:
            with Path(self._heard).open("a") as file:
                file.write(json.dumps(call) + "\n")

    def cancel(self) -> None:
        self._hear(rpc="Cancel")

    def check(self, call: Call, new: Tree) -> tuple[Tree, list[tuple[str, str]]]:
        self._hear(rpc="Check", name=call.name)
        if "failCheck" in new:
            return new, [("failCheck", str(new["failCheck"]))]
        return new, []

    def diff(self, call: Call, old_inputs: Tree, old_outputs: Tree, new: Tree) -> Change:
        self._hear(rpc="Diff", name=call.name)
        paths = shallow(old_inputs, new)
        if "key" in paths:
            paths["key"] += "-replace"
        return Change(paths)

    def create(self, call: Call, new: Tree) -> tuple[str, Tree]:
        self._hear(rpc="Create", name=call.name, preview=call.preview)
        if call.preview:
            return "", {**new, "computed": UNKNOWN}
        if "failCreate" in new:
            raise OperationFailed(str(new["failCreate"]))
        id_ = self._next(call.name)
        self._write(id_, new)
        return id_, self._settle(call, id_, new, "createSleep")

    def update(self, call: Call, id_: str, old: Tree, outputs: Tree, new: Tree) -> Tree:
        self._hear(rpc="Update", name=call.name, preview=call.preview)
        if call.preview:
            return {**new, "computed": outputs.get("computed", UNKNOWN)}
        if "failUpdate" in new:
            raise OperationFailed(str(new["failUpdate"]))
        self._write(id_, new)
        return self._settle(call, id_, new, "updateSleep")

    def _settle(self, call: Call, id_: str, new: Tree, nap: str) -> Tree:
        outputs = self._outputs(id_, new)
        if new.get("crash"):
            raise PluginDied("error reading from server: EOF")
        while self._world.with_name(f"held-{call.name}").exists():
            if call.cancelled.wait(0.02):
                raise OperationFailed(_STOPPED)
        policy = new.get("onCancel", "error")
        if new.get(nap) and policy == "ignore":
            _sleep(float(new[nap]))
        elif new.get(nap) and call.cancelled.wait(float(new[nap])):
            if policy == "partial":
                raise Unfinished(id_, outputs, [f"wait for '{call.name}' was cancelled"])
            raise OperationFailed(_STOPPED)
        if "failPartial" in new:
            raise Unfinished(id_, outputs, [str(new["failPartial"])])
        return outputs

    def delete(self, call: Call, id_: str, outputs: Tree) -> None:
        self._hear(rpc="Delete", name=call.name, id=id_)
        if "failDelete" in outputs:
            raise OperationFailed(str(outputs["failDelete"]))
        if outputs.get("deleteSleep"):
            call.cancelled.wait(float(outputs["deleteSleep"]))
        (self._world / id_).unlink(missing_ok=True)

    def read(self, call: Call, id_: str, inputs: Tree, outputs: Tree) -> Read | None:
        self._hear(rpc="Read", name=call.name, id=id_)
        path = self._world / id_
        if not path.exists():
            return None
        found = {key: _whole(value) for key, value in json.loads(path.read_text()).items()}
        known = {key: outputs[key] for key in ("computed", "secretOut") if key in outputs}
        return Read(inputs=found, outputs={**found, **known})

    def invoke(self, token: str, arguments: Tree) -> Tree:
        raise OperationFailed(f"lab has no function {token}")

    @staticmethod
    def _outputs(id_: str, new: Tree) -> Tree:
        outputs = {**new, "computed": f"computed-{id_}"}
        if "wantSecretOut" in new:
            outputs["secretOut"] = new["wantSecretOut"]
        return outputs

    def _next(self, name: str) -> str:
        self._world.mkdir(parents=True, exist_ok=True)
        taken = {path.name for path in self._world.iterdir()}
        return next(f"{name}-{n}" for n in itertools.count(1) if f"{name}-{n}" not in taken)

    def _write(self, id_: str, new: Tree) -> None:
        path = self._world / id_
        beside = path.with_name(f".{id_}.new")
        beside.write_text(json.dumps(new))
        beside.replace(path)


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _sleep(seconds: float) -> None:
    import time

    time.sleep(seconds)


def world(folder: Path) -> dict[str, Tree]:
    """The objects that exist, by id: for tests."""
    if not folder.exists():
        return {}
    return {
        path.name: json.loads(path.read_text())
        for path in sorted(folder.iterdir())
        if not path.name.startswith(".")
    }

"""A program that meets the stack contract with lab objects: what they say, a controller makes true.

A node is an object that is replaced with its image or marker (`node-NAME`) and one that carries its
membership (`front-NAME`); every other thing is one object. The fleet that stands before any key is
set is the configuration `proj:fleet`. `proj:slow_s` makes every attaching and detaching take that
long, `proj:foreign` an object that belongs to nobody, `proj:entangled` one that changes with every
node.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pulumi

ANSWERS = "answers"
"""Folder beside the world in which the controller says how a job ended: `<id>.json`."""
WITHIN_S = 60.0


class Thing(pulumi.CustomResource):
    computed: pulumi.Output[str]

    def __init__(self, name: str, props: dict[str, Any]) -> None:
        options = pulumi.ResourceOptions(version="1.0.0", delete_before_replace=True)
        super().__init__("lab:index:Thing", name, {**props, "computed": None}, options)


def main() -> None:
    """What `infra.program` names: `rolled_fleet.py:main`."""
    own = json.loads(pulumi.Config().require("fleet"))
    asked = pulumi.Config("fleet")
    wanted = {key: asked.get_object(key) or own.get(key) for key in own}
    for key in ("jobs", "cohorts"):
        if asked.get(key):
            wanted[key] = asked.get_object(key)
    if pulumi.Config().get("foreign"):
        Thing("foreign", {"value": pulumi.Config().get("foreign")})
    if pulumi.Config().get("entangled"):
        Thing("entangled", {"value": json.dumps(wanted["nodes"], sort_keys=True)})
    pulumi.export("fleet", _without(pulumi.Config().get("lacks"), _given(wanted)))


def _given(wanted: dict[str, Any]) -> dict[str, Any]:
    return {
        "contract": 1,
        "reads": ["nodes", "scheduler", "cohorts", "jobs"],
        "nodes": {name: _node(name, entry) for name, entry in wanted["nodes"].items()},
        "scheduler": _one("scheduler", wanted["scheduler"]),
        "maintenance": {},
        "cohorts": {
            path: _one(f"cohort-{entry['build_id']}", entry)
            for path, entry in wanted.get("cohorts", {}).items()
        },
        "jobs": {name: _job(name, entry) for name, entry in wanted.get("jobs", {}).items()},
    }


def _without(key: str | None, given: dict[str, Any]) -> dict[str, Any]:
    """As a program that does not read a key, or does not say what carries membership."""
    if key == "membership":
        for node in given["nodes"].values():
            node["membership"] = []
    elif key:
        given["reads"].remove(key)
    return given


def _node(name: str, entry: dict[str, Any]) -> dict[str, Any]:
    what = {key: value for key, value in entry.items() if key != "attached"}
    process = Thing(f"node-{name}", {"key": json.dumps(what, sort_keys=True)})
    carries = {"value": entry.get("attached", True)}
    if slow_s := pulumi.Config().get_float("slow_s"):
        carries["updateSleep"] = slow_s
    front = Thing(f"front-{name}", carries)
    return {
        "resources": [process.urn],
        "membership": [front.urn],
        "url": os.environ.get(f"DW_{name.upper().replace('-', '_')}_URL", ""),
        "runs": {**what, "attached": entry.get("attached", True)},
    }


def _one(name: str, entry: dict[str, Any]) -> dict[str, Any]:
    made = Thing(name, {"value": json.dumps(entry, sort_keys=True)})
    return {"resources": [made.urn], "runs": entry}


def _job(name: str, entry: dict[str, Any]) -> dict[str, Any]:
    made = Thing(f"job-{name}-{entry['run']}", {"value": json.dumps(entry, sort_keys=True)})
    return {"resources": [made.urn], "runs": entry, "printed": made.computed.apply(_answer)}


def _answer(computed: str) -> str:
    """What the job printed. The update that makes it waits for its end, and fails if it fails."""
    file = (
        Path(os.environ["LAB_WORLD"]).parent
        / ANSWERS
        / f"{computed.removeprefix('computed-')}.json"
    )
    deadline = time.monotonic() + WITHIN_S
    while not file.exists():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{file.name}: the job did not end")
        time.sleep(0.02)
    said = json.loads(file.read_text())
    if said["state"] != "succeeded":
        raise RuntimeError(f"the job failed: {said['detail']}")
    return str(said["output"])

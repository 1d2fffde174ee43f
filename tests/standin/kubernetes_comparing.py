"""What a recording of a cluster says, as far as it does not depend on moments.

How many pods are ready when somebody looks is chance: progress is compared by its last word, and
nothing may be said that no recording says. Objects are compared by what their owner chose.
"""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

from . import recordings
from .comparing import Comparison

Tree = dict[str, Any]
_HASH = re.compile(r"\b(web|db)-[0-9a-f]{8,10}\b")
_PORT = re.compile(r"127\.0\.0\.1:\d+")
_MANAGER = re.compile(r"pulumi-kubernetes-[0-9a-f]{8}")


class KubernetesComparison(Comparison):
    def lines(self, text: str, *, exports: bool = True) -> set[str]:
        """Without rows whose note is progress, and the mark of a note that has gone again."""
        found = {_settled(line) for line in super().lines(text, exports=exports)}
        notes = _vocabulary()
        if self._failed:
            found = {line for line in found if not line.endswith(" unchanged")}
        return {line for line in found if not any(_counted(line).endswith(one) for one in notes)}

    def call(self, where: str, step: Tree, texts: list[str], call: Tree) -> None:
        self._failed = bool(step.get("raised"))
        super().call(where, step, texts, call)

    _failed = False

    def events(self, where: str, recorded: list[dict], here: list[dict]) -> None:
        if self._failed:  # how many others were looked at before the failure is chance
            recorded, here = (_without_same(events) for events in (recorded, here))
        super().events(where, recorded, here)
        first, second = (progress(events, self.places) for events in (recorded, here))
        last = [{urn: said[-1] for urn, said in one.items()} for one in (first, second)]
        self.differ(where, "last progress", *last)
        known = _vocabulary()
        strange = {one for said in second.values() for one in said if one not in known}
        self.differ(where, "progress that no recording knows", set(), strange)

    def export(self, where: str, recorded: str, here: str) -> None:
        """Two exported states: inputs by value, the rest of an object by its fields."""
        self.differ(where, "export", *(_exported(text, self.places) for text in (recorded, here)))

    def resources(self, where: str, recorded: Tree, checkpoint: Tree, locks: int) -> None:
        """The short form of a state: ids, images, why something is not ready, what is pending."""
        here = {
            "locks": locks,
            "pending_operations": [
                {"type": one["type"], "urn": one["resource"]["urn"]}
                for one in checkpoint.get("pending_operations") or []
            ],
            "resources": [
                {
                    "id": one.get("id"),
                    "image": _image(one.get("inputs") or {}),
                    "initErrors": one.get("initErrors"),
                    "urn": one["urn"],
                }
                for one in checkpoint.get("resources") or []
            ],
        }
        both = []
        for tree in (recorded, here):
            text = json.dumps({key: tree[key] for key in here})
            both.append(json.loads(_settled(recordings.plain(text, self.places))))
            both[-1]["resources"].sort(key=lambda one: one["urn"])
        self.differ(where, "state", *both)


def progress(events: list[dict], places: dict[str, str]) -> dict[str, list[str]]:
    """What was said of each resource and forgotten, numbers and names of the moment taken out."""
    found: dict[str, list[str]] = {}
    for event in events:
        one = event.get("diagnostic_event")
        if one and one.get("ephemeral") and one["severity"] != "debug" and one["message"].strip():
            text = _counted(_settled(recordings.plain(one["message"].strip(), places)))
            found.setdefault(one.get("urn", ""), []).append(text)
    return found


def deployment(live: Tree) -> Tree:
    """What a recording keeps of a Deployment: what was asked for, and whether it is there."""
    spec, status = live["spec"], live.get("status") or {}
    return {
        "image": spec["template"]["spec"]["containers"][0]["image"],
        "replicas": spec["replicas"],
        "conditions": sorted((o["type"], o["status"]) for o in status.get("conditions") or []),
        **{key: status.get(key, 0) for key in ("replicas", "availableReplicas", "updatedReplicas")},
    }


def recorded_deployment(kept: Tree) -> Tree:
    """The same of a recording."""
    container = {"image": kept["image"]}
    spec = {"replicas": kept["replicas"], "template": {"spec": {"containers": [container]}}}
    status = {**kept["status"], "conditions": kept["conditions"]}
    return deployment({"spec": spec, "status": status})


def _without_same(events: list[Tree]) -> list[Tree]:
    kept = []
    for event in events:
        kinds = ("resource_pre_event", "res_outputs_event")
        meta = next((event[kind]["metadata"] for kind in kinds if event.get(kind)), {})
        if "summary_event" in event:
            counts = {**event["summary_event"]["resource_changes"], "same": 0}
            kept.append({"summary_event": {**event["summary_event"], "resource_changes": counts}})
        elif meta.get("op") != "same":
            kept.append(event)
    return kept


@cache
def _vocabulary() -> frozenset[str]:
    """Whatever is said as progress in any recording, numbers taken out."""
    found: set[str] = set()
    for name in recordings.names():
        if name.startswith("kubernetes/"):
            for step in recordings.situation(name)["steps"]:
                events = step.get("events") or (step.get("result") or {}).get("events") or []
                for said in progress(events, {}).values():
                    found |= set(said)
    return frozenset(found)


def _counted(text: str) -> str:
    return re.sub(r"\d+", "N", text)


def _settled(text: str) -> str:
    text = _MANAGER.sub("pulumi-kubernetes-<some>", _HASH.sub(r"\1-<hash>", text))
    return _PORT.sub("127.0.0.1:<port>", text).rstrip("; ")


def _image(inputs: Tree) -> str | None:
    template = (inputs.get("spec") or {}).get("template") or {}
    containers = (template.get("spec") or {}).get("containers") or [{}]
    return containers[0].get("image")


def _exported(text: str, places: dict[str, str]) -> Tree:
    found = {}
    for one in json.loads(recordings.plain(text, places))["deployment"].get("resources") or []:
        outputs = one.get("outputs") or {}
        found[one["urn"]] = {
            **{key: one.get(key) for key in ("id", "initErrors", "parent", "dependencies")},
            "inputs": _opened(one.get("inputs") or {}),
            "secret": sorted(one.get("additionalSecretOutputs") or []),
            "outputs": sorted(outputs),
            "asked": _opened(outputs.get("__inputs")),
        }
    return found


def _opened(tree: Any) -> Any:
    """Ciphertexts say nothing."""
    if isinstance(tree, dict):
        return {key: _opened(value) for key, value in tree.items() if key != "ciphertext"}
    return [_opened(one) for one in tree] if isinstance(tree, list) else tree

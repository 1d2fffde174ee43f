"""The contract with the script: what it is asked, as JSON, and what it may answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias, assert_never, cast

from rollout_kit.document.conforms import conforms
from rollout_kit.ports.errors import Incompatible, Trouble
from rollout_kit.ports.infra import (
    CohortSpec,
    InfraChange,
    ProcessSpec,
    RemoveCohort,
    ReplaceNode,
    RunCommand,
    RunJob,
    SetAttached,
    SetCohort,
    SetMaintenance,
    SetScheduler,
)

VERSION = 1
SCHEMA = Path(__file__).with_name("contract.v1.json")
SHOWN_AT_MOST = 200

Json: TypeAlias = Mapping[str, Any]


def contract_text() -> str:
    """The JSON Schema of the contract, as it is published."""
    return SCHEMA.read_text(encoding="utf-8")


@cache
def _schema() -> Json:
    return cast("Json", json.loads(contract_text()))


def asked(action: str, **more: object) -> str:
    """What a script reads."""
    return json.dumps({"contract": VERSION, "action": action, **more}, ensure_ascii=False) + "\n"


def answered(action: str, text: str, script: str) -> Json:
    """What it printed, checked.

    Raises Incompatible: no JSON, another version of the contract, or another shape, with its place.
    """
    told = f"`{script} {action}`"
    try:
        answer = json.loads(text)
    except ValueError as error:
        raise Incompatible(
            f"{told} printed what is no JSON: {_cut(text)}"
            if text.strip()
            else f"{told} printed nothing",
            why="Its standard output is its answer; what is for people belongs on standard error."
            f" ({error})",
            hint="The contract: rollout-kit schema --of command-driver",
            trouble=Trouble.INCOMPATIBLE,
        ) from error
    if isinstance(answer, dict) and answer.get("contract", VERSION) != VERSION:
        raise Incompatible(
            f"{told} speaks contract {answer['contract']!r}, this rollout-kit speaks {VERSION}",
            why="What its other fields mean nobody here knows.",
            hint="Adapt the script, or take the rollout-kit that it was written for.",
            trouble=Trouble.INCOMPATIBLE,
        )
    schema = _schema()
    if not conforms(answer, {"$ref": f"#/$defs/{action}"}, schema):
        raise Incompatible(
            f"{told} does not answer as the contract says: {_objection(action, answer)}",
            why="A guess at what it means could change the wrong thing.",
            hint="The contract: rollout-kit schema --of command-driver",
            trouble=Trouble.INCOMPATIBLE,
        )
    return cast("Json", answer)


def _objection(action: str, answer: object) -> str:
    """What the JSON Schema library finds most telling, and where."""
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    schema = {**_schema()["$defs"][action], "$defs": _schema()["$defs"]}
    error = best_match(Draft202012Validator(schema).iter_errors(answer))
    assert error is not None
    place = "/".join(str(part) for part in error.absolute_path) or "the answer"
    return f"{place}: {_cut(error.message)}"


def change_asked(change: InfraChange) -> dict[str, object]:
    """A change as the script reads it.

    Not for a plan's own command, nor for a cohort to forget: neither is the script's.
    """
    match change:
        case SetAttached(node=node, attached=attached):
            return {"kind": "set_attached", "node": node, "attached": attached}
        case ReplaceNode(node=node, spec=spec):
            return {"kind": "replace_node", "node": node, "spec": _process(spec)}
        case SetScheduler(spec=wanted):
            return {"kind": "set_scheduler", "spec": _process(wanted) if wanted else None}
        case SetMaintenance(name=name, spec=spec):
            return {"kind": "set_maintenance", "name": name, "spec": _process(spec)}
        case SetCohort(cohort=cohort, spec=workers):
            place = {
                "namespace": cohort.namespace,
                "task_queue": cohort.task_queue,
                "build_id": cohort.build_id,
            }
            return {"kind": "set_cohort", **place, **_workers(workers)}
        case RunJob(job=job, image=image, revision=revision):
            return {"kind": "run_job", "job": job, "image": image, "revision": revision}
        case RunCommand() | RemoveCohort():
            raise AssertionError(change)
        case _:
            assert_never(change)


def _process(spec: ProcessSpec) -> dict[str, object]:
    return {
        "image": spec.image,
        "marker": spec.marker,
        "server_id": spec.server_id,
        "environment": dict(spec.environment),
        "version": spec.version,
    }


def _workers(spec: CohortSpec) -> dict[str, object]:
    return {
        "image": spec.image,
        "replicas": spec.replicas,
        "environment": dict(spec.environment),
        "autoscaled": spec.autoscaled,
    }


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SHOWN_AT_MOST else f"{line[:SHOWN_AT_MOST]}…"

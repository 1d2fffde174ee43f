"""Reading a fleet file: `fleet.v1.json` is the authority, every problem has its place in the file.

    version: 1
    state: state                          # desired state, locks, logs
    images:
      server:2.3.14: {version: 2.3.14, argv: ["--generation", "2.x"]}
    front: {port: 8400}
    node_template: {argv: ["{python}", -m, my.server, "{image}", --port, "{port}"]}
    nodes:
      api-1: {port: 8401, image: server:2.3.14, server_id: api-1}
    scheduler: {argv: [...], image: server:2.3.14}
    maintenance: {repair: {argv: [...], image: server:2.3.14}}
    cohorts:
      - task_queue: orders
        argv: ["{python}", -m, my.worker, "{image}"]
        builds: [{build_id: orders-1, image: orders:1, replicas: 2}]
    jobs: {bootstrap: {argv: ["{python}", -m, my.bootstrap, --to, "{revision}"]}}

Placeholders: `{python}`, `{folder}`, `{image}` everywhere; `{node}`, `{host}`, `{port}` of nodes;
`{namespace}`, `{task_queue}`, `{build_id}` of workers; `{revision}` of jobs.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rollout_kit.document.conforms import conforms
from rollout_kit.document.diagnostics import (
    Diagnostic,
    Finding,
    order,
    render,
)
from rollout_kit.document.nodes import plain
from rollout_kit.document.quantities import seconds
from rollout_kit.document.tree import parse
from rollout_kit.document.violations import violations
from rollout_kit.drivers.process.fleet import (
    Fleet,
    Front,
    Image,
    Node,
    Program,
    Queue,
    Singleton,
    Variables,
)
from rollout_kit.drivers.process.fleet_check import check
from rollout_kit.model.identity import CohortRef
from rollout_kit.ports.infra import CohortSpec, ProcessSpec

SCHEMA = Path(__file__).with_name("fleet.v1.json")


class FleetFileError(Exception):
    """The fleet file cannot be used. `diagnostics`: all that is wrong, in the order of the file."""

    def __init__(self, diagnostics: tuple[Diagnostic, ...]) -> None:
        super().__init__(render(diagnostics))
        self.diagnostics = diagnostics


def read_fleet(path: Path) -> Fleet:
    """Read and check the file.

    Raises:
        FleetFileError: with everything that is wrong and where.
        OSError: it cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise OSError(errno.EILSEQ, "it is not UTF-8", str(path)) from error
    root, findings = parse(text)
    problems = list(findings)
    document: Any = None if root is None else plain(root)
    if root is not None and not problems:
        schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
        if not conforms(document, schema, schema):
            problems = violations(document, root, schema)
        problems = problems or list(check(document, root))
    if problems:
        raise FleetFileError(order(_placed(finding, path, text) for finding in problems))
    return _decode(document, path)


def _placed(finding: Finding, path: Path, text: str) -> Diagnostic:
    at = finding.at
    lines = text.splitlines()
    return Diagnostic(
        severity=finding.severity,
        code=finding.code,
        summary=finding.summary,
        detail=finding.detail,
        hint=finding.hint,
        file=str(path),
        line=at.line if at else None,
        col=at.column if at else None,
        excerpt=lines[at.line - 1] if at and at.line <= len(lines) else None,
    )


def _decode(document: Mapping[str, Any], path: Path) -> Fleet:
    template = document.get("node_template", {})
    variables = Variables(**document.get("variables", {}))
    front = document.get("front")
    return Fleet(
        file=path.resolve(),
        state=path.resolve().parent / document.get("state", "state"),
        grace_s=seconds(document.get("stop_grace", "10s")),
        environment=_environment(document),
        variables=variables,
        images={name: _image(entry) for name, entry in document["images"].items()},
        front=front and Front(host=front.get("host", "127.0.0.1"), port=front["port"]),
        nodes={
            name: _node(entry, template, document, variables)
            for name, entry in document["nodes"].items()
        },
        scheduler=_singleton(document["scheduler"], document, variables)
        if "scheduler" in document
        else None,
        maintenance={
            name: _singleton(entry, document, variables)
            for name, entry in document.get("maintenance", {}).items()
        },
        queues=tuple(_queue(entry) for entry in document.get("cohorts", ())),
        jobs={name: _program(entry) for name, entry in document.get("jobs", {}).items()},
        processes={name: _program(entry) for name, entry in document.get("processes", {}).items()},
    )


def _environment(entry: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in entry.get("environment", {}).items()
    }


def _image(entry: Mapping[str, Any]) -> Image:
    return Image(
        argv=tuple(entry.get("argv", ())),
        version=entry.get("version"),
        environment=_environment(entry),
    )


def _program(entry: Mapping[str, Any]) -> Program:
    return Program(argv=tuple(entry["argv"]), environment=_environment(entry))


def _node(
    entry: Mapping[str, Any],
    template: Mapping[str, Any],
    document: Mapping[str, Any],
    variables: Variables,
) -> Node:
    merged = {**entry, "environment": {**_environment(template), **_environment(entry)}}
    return Node(
        host=entry.get("host", "127.0.0.1"),
        port=entry["port"],
        argv=tuple(entry.get("argv", template.get("argv", ()))),
        declared=_spec(merged, document, variables),
    )


def _singleton(
    entry: Mapping[str, Any], document: Mapping[str, Any], variables: Variables
) -> Singleton:
    return Singleton(argv=tuple(entry["argv"]), declared=_spec(entry, document, variables))


def _spec(
    entry: Mapping[str, Any], document: Mapping[str, Any], variables: Variables
) -> ProcessSpec:
    """The declared spec; marker and server id are lifted out wherever they were written."""
    environment = _environment(entry)
    marker = environment.pop(variables.marker, None)
    server_id = environment.pop(variables.server_id, None)
    return ProcessSpec(
        image=entry["image"],
        marker=entry.get("marker", marker),
        server_id=entry.get("server_id", server_id),
        environment=environment,
        version=document["images"][entry["image"]].get("version"),
    )


def _queue(entry: Mapping[str, Any]) -> Queue:
    namespace, task_queue = entry.get("namespace", "default"), entry["task_queue"]
    return Queue(
        namespace=namespace,
        task_queue=task_queue,
        program=_program(entry),
        declared={
            CohortRef(
                namespace=namespace, task_queue=task_queue, build_id=build.get("build_id")
            ): CohortSpec(
                image=build["image"], replicas=build["replicas"], environment=_environment(build)
            )
            for build in entry.get("builds", ())
        },
    )

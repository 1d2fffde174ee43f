"""Whether gates and guards can be judged as they are written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rollout_kit.document.codes import Code
from rollout_kit.document.defaults import DEFAULT_GATE_WITHIN_S, DEFAULT_INTERVAL_S
from rollout_kit.document.diagnostics import Severity, did_you_mean, known_names
from rollout_kit.document.nodes import Path
from rollout_kit.document.quantities import duration_text
from rollout_kit.document.sections import (
    Problem,
    builds,
    duration,
    lacks,
    mapping,
    node_names,
    plain_steps,
    word,
    words,
)

_THRESHOLDS = ("at_most", "at_least", "equals", "increase_at_most")


def check_conditions(document: Mapping[str, object]) -> Iterator[Problem]:
    """Judge `gates` and `guards`, and who names them."""
    nodes = node_names(document)
    queues = builds(document).keys()
    for section in ("gates", "guards"):
        for name, value in mapping(document.get(section)).items():
            path, condition = (section, name), mapping(value)
            yield from _check_source(path, condition, nodes, set(queues))
            yield from _check_times(path, condition)
    yield from _check_gates_named(document)


def _check_source(
    path: Path, condition: Mapping[str, object], nodes: set[str], queues: set[str]
) -> Iterator[Problem]:
    if "readiness" in condition:
        for key in _THRESHOLDS:
            if key in condition:
                yield Problem(
                    path=(*path, key),
                    code=Code.THRESHOLD,
                    summary="Threshold of readiness",
                    detail="Ready is ready: this source has no threshold.",
                    at_key=True,
                )
    node = word(mapping(condition.get("readiness")).get("node"))
    if node is not None and lacks(nodes, node):
        yield Problem(
            path=(*path, "readiness", "node"),
            code=Code.UNKNOWN_NODE,
            summary="Unknown node",
            detail=f'"{node}" is no node of the target. It has: {known_names(nodes)}.',
            hint=did_you_mean(node, nodes),
        )
    queue = word(condition.get("task_queue"))
    if queue is not None and "cohort" in condition and lacks(queues, queue):
        yield Problem(
            path=(*path, "task_queue"),
            code=Code.UNKNOWN_QUEUE,
            summary="Unknown queue",
            detail=f'"{queue}" is not in release.workers, which names: {known_names(queues)}.',
            hint=did_you_mean(queue, queues),
            severity=Severity.WARNING,
        )
    for key in ("task_queue", "build"):
        if key in condition and "cohort" not in condition:
            yield Problem(
                path=(*path, key),
                code=Code.THRESHOLD,
                summary="Cohort of no source",
                detail=f"`{key}` selects a cohort, and the source is none.",
                at_key=True,
            )


def _check_times(path: Path, condition: Mapping[str, object]) -> Iterator[Problem]:
    if path[0] != "gates":
        return
    hold = duration(condition.get("for", "0s"))
    within = duration(condition.get("within", f"{DEFAULT_GATE_WITHIN_S}s"))
    interval = duration(condition.get("interval", f"{DEFAULT_INTERVAL_S}s"))
    if hold is None or not within or interval is None:
        return
    if hold > within:
        yield Problem(
            path=(*path, "for"),
            code=Code.DURATION_ORDER,
            summary="Durations contradict each other",
            detail=f"It has to hold for {duration_text(hold)}, and we wait only"
            f" {duration_text(within)}: it could never pass.",
            hint="Make `within` longer than `for`.",
        )
    if interval > within and "interval" in condition:
        yield Problem(
            path=(*path, "interval"),
            code=Code.DURATION_ORDER,
            summary="Durations contradict each other",
            detail=f"Samples come every {duration_text(interval)}, and we wait only"
            f" {duration_text(within)}.",
            hint="Make `within` longer than `interval`.",
        )


def _check_gates_named(document: Mapping[str, object]) -> Iterator[Problem]:
    gates = mapping(document.get("gates"))
    named: set[str] = set()
    for step in plain_steps(document):
        for below, name in words(step.entry.get("gates")):
            named.add(name)
            if name not in gates:
                yield Problem(
                    path=(*step.path, "gates", *below),
                    code=Code.UNKNOWN_GATE,
                    summary="Unknown gate",
                    detail=f'"{name}" is no gate of this plan. It has: {known_names(gates)}.',
                    hint=did_you_mean(name, gates),
                )
    for name in gates.keys() - named:
        yield Problem(
            path=("gates", name),
            code=Code.UNUSED_GATE,
            summary="Gate is not used",
            detail=f'No step names "{name}": nothing is judged by it.',
            severity=Severity.WARNING,
            at_key=True,
        )

"""Whether each step names what the plan has, and comes where it can work."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rollout_kit.document.codes import Code
from rollout_kit.document.diagnostics import Severity, did_you_mean, known_names
from rollout_kit.document.nodes import Path
from rollout_kit.document.quantities import duration_text, percent
from rollout_kit.document.sections import (
    UNDECIDED,
    PlainStep,
    Problem,
    builds,
    duration,
    entries,
    lacks,
    mapping,
    name_of,
    node_names,
    plain_steps,
    releases,
    word,
    words,
)

_STARTS_NEW_CODE = frozenset({"api-cutover", "scheduler-handover", "worker-canary"})


def check_steps(document: Mapping[str, object]) -> Iterator[Problem]:
    """Judge `steps`."""
    seen: dict[str, str] = {}
    started: str | None = None
    for step in plain_steps(document):
        if step.id in seen:
            yield Problem(
                path=(*step.path, "id"),
                code=Code.DUPLICATE_NAME,
                summary="Name is given twice",
                detail=f'There is another step "{step.id}" ({seen[step.id]}); journals name'
                " operations by it.",
            )
        seen[step.id] = step.uses or "of unknown kind"
        yield from _check_one(step, document)
        if step.uses == "bootstrap" and started is not None:
            yield Problem(
                path=(*step.path, "uses"),
                code=Code.STEP_ORDER,
                summary="Step comes too late",
                detail=f"Step {started} starts new code before step {step.id} brings the schema.",
                hint=f"Move {step.id} before {started}.",
            )
        if step.uses in _STARTS_NEW_CODE and started is None:
            started = step.id
    yield from _check_all_nodes(document)


def _check_one(step: PlainStep, document: Mapping[str, object]) -> Iterator[Problem]:
    yield from _check_timeout(step)
    match step.uses:
        case "bootstrap":
            yield from _check_bootstrap(step, document)
        case "api-cutover":
            yield from _check_cutover(step, document)
        case "scheduler-handover":
            yield from _check_server(step, document)
        case "worker-canary":
            yield from _check_queues(step, document)
            yield from _check_stages(step)
        case "promote" | "drain":
            yield from _check_queues(step, document)
        case "restore":
            yield from _check_restore(step)
        case "run":
            yield from _check_run(step)


def _check_timeout(step: PlainStep) -> Iterator[Problem]:
    timeout, within = duration(step.entry.get("timeout")), duration(step.arguments.get("within"))
    if timeout is not None and within is not None and timeout < within:
        yield Problem(
            path=(*step.path, "timeout"),
            code=Code.DURATION_ORDER,
            summary="Durations contradict each other",
            detail=f"The step ends after {duration_text(timeout)}, before one of its waits may"
            f" have taken its {duration_text(within)}.",
            severity=Severity.WARNING,
        )


def _check_bootstrap(step: PlainStep, document: Mapping[str, object]) -> Iterator[Problem]:
    if "server" in mapping(document.get("release")):
        return
    missing = [key for key in ("image", "revision") if key not in step.arguments]
    if missing:
        yield Problem(
            path=(*step.path, "uses"),
            code=Code.MISSING_IMAGE,
            summary="Missing image",
            detail=f"Without release.server nothing says which {' and '.join(missing)} step"
            f" {step.id} takes.",
            hint="Add release.server.",
        )


def _check_server(step: PlainStep, document: Mapping[str, object]) -> Iterator[Problem]:
    if "server" not in mapping(document.get("release")):
        yield Problem(
            path=(*step.path, "uses"),
            code=Code.MISSING_SECTION,
            summary="Missing section",
            detail=f"Step {step.id} replaces server processes, and nothing says by what.",
            hint="Add release.server: {from: …, to: …, image: …}.",
        )


def _check_cutover(step: PlainStep, document: Mapping[str, object]) -> Iterator[Problem]:
    if step.arguments.get("promote") is not True:
        yield from _check_server(step, document)
    target = mapping(document.get("target"))
    nodes = node_names(document)
    for below, name in words(step.arguments.get("order")):
        if lacks(nodes, name):
            yield Problem(
                path=(*step.path, "with", "order", *below),
                code=Code.UNKNOWN_NODE,
                summary="Unknown node",
                detail=f'"{name}" is no node of the target. It has: {known_names(nodes)}.',
                hint=did_you_mean(name, nodes),
            )
    if len(entries(target.get("nodes"))) == 1 and "outage" not in mapping(target.get("accept")):
        yield Problem(
            path=(*step.path, "uses"),
            code=Code.ONE_NODE,
            summary="Only node",
            detail=f"Step {step.id} takes the only node out of service: nothing answers meanwhile.",
            hint='If that is acceptable: target: {accept: {outage: "your reason"}}.',
        )


def _check_all_nodes(document: Mapping[str, object]) -> Iterator[Problem]:
    cutovers = [step for step in plain_steps(document) if step.uses == "api-cutover"]
    if not cutovers or any("order" not in step.arguments for step in cutovers):
        return
    named = {name_of(name) for step in cutovers for name in entries(step.arguments.get("order"))}
    known = node_names(document)
    left = known - named - {UNDECIDED}
    if left and named and named <= known:
        yield Problem(
            path=(*cutovers[-1].path, "with", "order"),
            code=Code.UNKNOWN_NODE,
            summary="Node is left out",
            detail=f"No step replaces {known_names(left)}: the fleet stays at two versions.",
            severity=Severity.WARNING,
        )


def _check_queues(step: PlainStep, document: Mapping[str, object]) -> Iterator[Problem]:
    known = builds(document)
    reached = {
        name
        for _, entry in releases(document)
        if "to" in entry and (name := name_of(entry.get("task_queue"))) is not None
    }
    cohort = word(step.arguments.get("cohort"))
    for below, queue in words(step.arguments.get("task_queue")):
        path: Path = (*step.path, "with", "task_queue", *below)
        if lacks(known, queue):
            yield Problem(
                path=path,
                code=Code.UNKNOWN_QUEUE,
                summary="Unknown queue",
                detail=f'"{queue}" is not in release.workers, which names: {known_names(known)}.',
                hint=did_you_mean(queue, known) or "Add it to release.workers.",
            )
        elif step.uses == "worker-canary" and lacks(reached, queue):
            yield Problem(
                path=path,
                code=Code.UNKNOWN_QUEUE,
                summary="Queue without a new build",
                detail=f'release.workers names no `to` for "{queue}": there is nothing to bring up.',
            )
        elif cohort is not None and lacks(known.get(queue, {UNDECIDED}), cohort):
            yield Problem(
                path=(*step.path, "with", "cohort"),
                code=Code.UNKNOWN_VALUE,
                summary="Unknown build",
                detail=f'"{cohort}" is no build of {queue} in release.workers, which names:'
                f" {known_names(known[queue])}.",
                hint=did_you_mean(cohort, known[queue])
                or f"Declare it: {{task_queue: {queue}, from: {cohort}}}.",
            )


def _check_stages(step: PlainStep) -> Iterator[Problem]:
    earlier = 0.0
    for index, stage in enumerate(entries(step.arguments.get("stages"))):
        text = word(mapping(stage).get("share"))
        try:
            share = earlier if text is None else percent(text)
        except ValueError:
            continue
        if text is not None and share <= earlier:
            yield Problem(
                path=(*step.path, "with", "stages", index, "share"),
                code=Code.STEP_ORDER,
                summary="Share does not grow",
                detail=f"This stage gives {share:g}% after one with {earlier:g}%.",
                hint="Give later stages more; taking back is the rollback's.",
            )
        earlier = max(earlier, share)


def _check_restore(step: PlainStep) -> Iterator[Problem]:
    good, bad = word(step.arguments.get("good")), word(step.arguments.get("bad"))
    if good is not None and good == bad:
        yield Problem(
            path=(*step.path, "with", "bad"),
            code=Code.SAME_BUILD,
            summary="Same build",
            detail=f'`good` and `bad` are both "{good}".',
        )


def _check_run(step: PlainStep) -> Iterator[Problem]:
    irreversible = step.arguments.get("irreversible") is True
    if irreversible == ("undo" in step.arguments):
        has = "both `undo` and" if irreversible else "neither `undo` nor"
        yield Problem(
            path=(*step.path, "uses"),
            code=Code.UNDO,
            summary="Undo is not settled",
            detail=f"Step {step.id} has {has} `irreversible: true`; a rollback has to know"
            " which it is.",
            hint='A command that leaves nothing to undo has undo: ["true"].',
        )

"""Preconditions about the server's versions: what comes first, what may live together."""

from __future__ import annotations

from collections.abc import Iterator

from rollout_kit.document.plan import PlanDocument
from rollout_kit.model.observation import (
    BOOTSTRAP_REVISION,
    Absent,
    Observation,
    node_fact,
    show,
)
from rollout_kit.operations.skew import ServerChange, is_silent, judge_skew
from rollout_kit.planning.api import Problem
from rollout_kit.planning.draft import Draft, Stage

STARTS_A_PROCESS = frozenset(
    {"replace_node", "replace_maintenance", "start_scheduler", "deploy_cohort"}
)


def bootstrap_first(draft: Draft) -> Iterator[Problem]:
    """Rule 1: no new node, worker or scheduler starts before the schema is the release's.

    A plan that leaves every server process on its version needs no bootstrap.
    """
    server = draft.document.release.server
    if (
        server is None
        or server.is_restart
        or not any(_changes_server(s, draft.live) for s in draft.writes)
    ):
        return
    for stage in draft.writes:
        if stage.operation.kind not in STARTS_A_PROCESS:
            continue
        found = stage.before.get(BOOTSTRAP_REVISION)
        if found == server.revision:
            return
        seen = "could not be read" if isinstance(found, Absent) else f"is {show(found)}"
        yield Problem(
            summary="Bootstrap does not come first",
            detail=f"{stage.operation.id} starts a process for {server.to} while the schema"
            f" revision {seen} and has to be {show(server.revision)}: new code on an old schema"
            " answers with errors.",
            hint="put a `bootstrap` step before it",
            step=stage.operation.step,
            line=stage.operation.line,
            column=stage.operation.column,
            rule=1,
        )
        return


def adjacent_versions(draft: Draft) -> Iterator[Problem]:
    """Rule 2, beforehand: everything live shows `from` or `to`, and what will meet can talk."""
    change = server_change(draft.document)
    if change is None:
        return
    skew = judge_skew(draft.live, draft.situation, change)
    silent = [node for node in draft.live.nodes() if is_silent(draft.live, node)]
    for node in silent if skew.refusals or skew.unproved else ():
        why = draft.situation.unread.get(node_fact(node, "version"), "")
        yield Problem(
            summary="A node gives no answer",
            detail=f"node {node}: {why or 'it cannot be read'}. What it runs cannot be told, and"
            " nothing is replaced beside what nobody knows.",
            hint="look why it does not answer, then preview again",
            rule=2,
        )
    for refusal in skew.refusals:
        yield Problem(
            summary="Versions may not live together",
            detail=f"{refusal[0].upper()}{refusal[1:]}.",
            hint="bring every process to one of the two versions first, or stop the whole fleet"
            " for this upgrade",
            rule=2,
        )


def server_change(document: PlanDocument) -> ServerChange | None:
    """What the release declares of the server's way, and the protocols of the workers beside it."""
    server = document.release.server
    if server is None:
        return None
    protocols = server.protocols
    return ServerChange(
        from_=server.from_,
        to=server.to,
        image=server.image,
        identity=server.identity,
        from_image=server.from_image,
        control_plane=protocols.control_plane if protocols else None,
        worker_protocol=protocols.worker if protocols else None,
        workers={
            f"{entry.task_queue}@{entry.to or (entry.from_.label if entry.from_ else '')}": protocol
            for entry in document.release.workers
            if (protocol := entry.protocol) is not None
        },
    )


def known_images(draft: Draft) -> Iterator[Problem]:
    """An image that nobody can run is found before the first write, not in the middle."""
    server = draft.document.release.server
    wanted = {server.image: "release.server.image"} if server else {}
    for entry in draft.document.release.workers:
        if entry.image is not None:
            wanted.setdefault(entry.image, f"release.workers image of {entry.task_queue}")
    for image, where in wanted.items():
        if draft.live.get(f"image/{image}/known") is False:
            yield Problem(
                summary="Unknown image",
                detail=f"{where} is {image}, and the driver cannot run it.",
                hint="check the name, or make the image known to the driver",
            )


def capable(draft: Draft) -> Iterator[Problem]:
    """Rule 18: an operation that needs what the server was not seen to do is refused."""
    asked: set[tuple[str, str]] = set()
    for stage in draft.writes:
        operation, needed = stage.operation, stage.operation.requires
        if needed is None or needed in draft.capabilities:
            continue
        if (operation.step, needed) in asked:
            continue
        asked.add((operation.step, needed))
        yield Problem(
            summary="Server cannot do this",
            detail=f"{operation.id} needs {needed}, and nothing that the server shows says that it"
            f" can: it was seen to do {', '.join(sorted(draft.capabilities)) or 'nothing'}.",
            hint="leave the step out, or plan the server's upgrade first and this in a second plan",
            step=operation.step,
            line=operation.line,
            column=operation.column,
            rule=18,
        )


def _changes_server(stage: Stage, live: Observation) -> bool:
    """Whether it starts another image or version than runs now; stopping, or the same one, is none."""
    return any(
        fact.startswith(("node/", "scheduler/", "maintenance/"))
        and fact.rpartition("/")[2] in {"image", "version"}
        and isinstance(after := stage.after.get(fact), str)
        and after != live.get(fact)
        for fact in stage.changed
    )

"""What the server says of workflow runs."""

from __future__ import annotations

from dataclasses import dataclass

from rollout_kit.engines.durable_workflow.fields import Fields
from rollout_kit.ports.engine import RunStatus
from rollout_kit.transport.client import Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedRun:
    """One run. `pin_known` is false for rows of a list that leaves the pin out."""

    workflow_id: str
    run_id: str
    task_queue: str
    workflow_type: str
    terminal: bool
    pin_known: bool
    pin: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page of a listing. `next_token=None`: the last one."""

    runs: tuple[ListedRun, ...]
    next_token: str | None


def page(reply: Reply) -> Page:
    body = Fields.of(reply.body)
    runs = tuple(listed(row) for row in body.objects("workflows"))
    return Page(runs=runs, next_token=body.text_or_null("next_page_token") or None)


def listed(row: Fields) -> ListedRun:
    known = row.has("compatibility")
    return ListedRun(
        workflow_id=row.text("workflow_id"),
        run_id=row.text("run_id"),
        task_queue=row.text("task_queue"),
        workflow_type=row.text("workflow_type"),
        terminal=row.flag("is_terminal"),
        pin_known=known,
        pin=(row.text_or_null("compatibility") or None) if known else None,
    )


def described(reply: Reply) -> ListedRun:
    """The current run of a workflow, its pin with it."""
    row = Fields.of(reply.body)
    row.text_or_null("compatibility")
    return listed(row)


def status(reply: Reply) -> RunStatus:
    row = Fields.of(reply.body)
    return RunStatus(
        workflow_id=row.text("workflow_id"),
        run_id=row.text("run_id"),
        status=row.text("status"),
        terminal=row.flag("is_terminal"),
        pin=row.text_or_null("compatibility") or None,
    )

"""The history of a run: appending to it, and delivering it to a worker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from rollout_kit.emulator.model.moments import carbon
from rollout_kit.emulator.model.records import Event, Run
from rollout_kit.emulator.store import Rows, new_id

PAGE_SIZE = 500


def append(  # noqa: PLR0913 - an event is exactly this
    rows: Rows,
    run: Run,
    event_type: str,
    payload: Mapping[str, object],
    now_us: int,
    *,
    task_id: str | None = None,
    command_id: str | None = None,
) -> Run:
    """Add an event; the run as it is afterwards is returned, and not yet stored."""
    rows.put(
        Event(
            run_id=run.run_id,
            number=run.events + 1,
            event_id=new_id(rows, now_us),
            event_type=event_type,
            payload=payload,
            recorded_us=now_us,
            task_id=task_id,
            command_id=command_id,
        )
    )
    return replace(run, events=run.events + 1, progress_us=now_us)


def wire(event: Event) -> dict[str, object]:
    """An event as workers and exports get it."""
    return {
        "id": event.event_id,
        "sequence": event.number,
        "event_type": event.event_type,
        "payload": dict(event.payload),
        "workflow_task_id": event.task_id,
        "workflow_command_id": event.command_id,
        "recorded_at": carbon(event.recorded_us),
    }


def page(
    rows: Rows, run_id: str, after: int, size: int = PAGE_SIZE
) -> tuple[list[dict[str, object]], str | None]:
    """The events that follow number `after`, and the token of the next page if there is one."""
    events = [event for event in rows.select(Event, run_id=run_id) if event.number > after]
    shown = events[:size]
    token = str(shown[-1].number) if len(events) > size else None
    return [wire(event) for event in shown], token

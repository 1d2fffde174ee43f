"""Schedules: create, show, pause, resume, trigger, delete."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from rollout_kit.emulator.calls import Call, Handler, Route, invalid
from rollout_kit.emulator.model import schedules
from rollout_kit.emulator.model.records import Schedule
from rollout_kit.emulator.model.settings import Generation
from rollout_kit.emulator.store import Rows, new_id
from rollout_kit.emulator.wire import Refusal, Response


def _list(call: Call) -> Response:
    generation = call.settings.generation
    with call.read() as rows:
        found = rows.select(Schedule, namespace=call.namespace)
    listed = [schedules.listed(schedule, generation) for schedule in found]
    body: dict[str, object] = {"schedules": listed, "next_page_token": None}
    if generation is Generation.V2:
        body["namespace"] = call.namespace
    return Response(body=body)


def _create(call: Call) -> Response:
    body = call.json
    spec, action = body.get("spec"), body.get("action")
    if not isinstance(spec, Mapping) or not isinstance(action, Mapping):
        raise invalid(
            {
                name: [f"The {name} field is required."]
                for name, value in (("spec", spec), ("action", action))
                if not isinstance(value, Mapping)
            }
        )
    if not action.get("workflow_type"):
        raise invalid({"action.workflow_type": ["The action.workflow type field is required."]})
    next_us = schedules.next_fire_us(spec, call.now_us)
    if next_us is None:
        raise invalid({"spec": ["The spec names no time that ever comes."]})
    max_runs = body.get("max_runs")
    with call.write() as rows:
        schedule_id = str(body.get("schedule_id") or new_id(rows, call.now_us))
        if rows.get(Schedule, call.namespace, schedule_id) is not None:
            text = f"Schedule [{schedule_id}] already exists in namespace [{call.namespace}]."
            raise Refusal(409, {"message": text, "reason": "schedule_already_exists"})
        rows.put(
            Schedule(
                namespace=call.namespace,
                schedule_id=schedule_id,
                spec=dict(spec),
                action=dict(action),
                overlap_policy=str(body.get("overlap_policy") or "skip"),
                paused=bool(body.get("paused", False)),
                note=_note(body),
                next_fire_us=next_us,
                last_fire_us=None,
                fires=0,
                failures=0,
                created_us=call.now_us,
                updated_us=call.now_us,
                max_runs=max_runs if isinstance(max_runs, int) else None,
            )
        )
    return Response(status=201, body={"schedule_id": schedule_id, "outcome": "created"})


def _show(call: Call) -> Response:
    with call.read() as rows:
        return Response(body=schedules.described(_find(rows, call)))


def _command(outcome: str, act: Callable[[Rows, Call, Schedule], None]) -> Handler:
    def handler(call: Call) -> Response:
        with call.write() as rows:
            schedule = _find(rows, call)
            act(rows, call, schedule)
        return Response(body={"schedule_id": schedule.schedule_id, "outcome": outcome})

    return handler


def _pause(rows: Rows, call: Call, schedule: Schedule) -> None:
    note = _note(call.json) or schedule.note
    rows.put(replace(schedule, paused=True, note=note, updated_us=call.now_us))


def _resume(rows: Rows, call: Call, schedule: Schedule) -> None:
    """What came due while it was paused is not made up for."""
    following_us = schedules.next_fire_us(schedule.spec, call.now_us)
    rows.put(
        replace(
            schedule,
            paused=False,
            note=_note(call.json),
            next_fire_us=following_us,
            updated_us=call.now_us,
        )
    )


def _update(rows: Rows, call: Call, schedule: Schedule) -> None:
    body = call.json
    spec, action = body.get("spec"), body.get("action")
    changed = replace(
        schedule,
        spec=spec if isinstance(spec, dict) else schedule.spec,
        action=action if isinstance(action, dict) else schedule.action,
        note=_note(body) or schedule.note,
        updated_us=call.now_us,
    )
    rows.put(replace(changed, next_fire_us=schedules.next_fire_us(changed.spec, call.now_us)))


def _trigger(rows: Rows, call: Call, schedule: Schedule) -> None:
    schedules.fire(rows, call.settings, schedule, call.now_us)


def _delete(rows: Rows, call: Call, schedule: Schedule) -> None:
    del call
    rows.delete(schedule)


def _find(rows: Rows, call: Call) -> Schedule:
    schedule_id = call.names["schedule"]
    schedule = rows.get(Schedule, call.namespace, schedule_id)
    if schedule is None:
        text = f"Schedule [{schedule_id}] not found in namespace [{call.namespace}]."
        raise Refusal(404, {"message": text, "reason": "schedule_not_found"})
    return schedule


def _note(body: Mapping[str, object]) -> str | None:
    note = body.get("note")
    return note if isinstance(note, str) else None


def _route(method: str, path: str, handler: Handler) -> Route:
    writes = method != "GET"
    pattern = f"/api/schedules{path}"
    return Route(method=method, pattern=pattern, handler=handler, blockable=writes)


ROUTES = (
    _route("GET", "", _list),
    _route("POST", "", _create),
    _route("GET", "/{schedule}", _show),
    _route("PUT", "/{schedule}", _command("updated", _update)),
    _route("DELETE", "/{schedule}", _command("deleted", _delete)),
    _route("POST", "/{schedule}/pause", _command("paused", _pause)),
    _route("POST", "/{schedule}/resume", _command("resumed", _resume)),
    _route("POST", "/{schedule}/trigger", _command("triggered", _trigger)),
)

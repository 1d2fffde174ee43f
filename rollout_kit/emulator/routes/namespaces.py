"""Namespaces: listing and showing for operators, making and changing for admins."""

from __future__ import annotations

from dataclasses import replace

from rollout_kit.emulator.calls import ADMINS, Call, Route, invalid
from rollout_kit.emulator.model import namespaces
from rollout_kit.emulator.model.moments import whole_second
from rollout_kit.emulator.model.records import Namespace
from rollout_kit.emulator.model.settings import Generation
from rollout_kit.emulator.store import Rows
from rollout_kit.emulator.wire import Refusal, Response

_DEFAULT_RETENTION_DAYS = 30


def _list(call: Call) -> Response:
    with call.read() as rows:
        found = rows.select(Namespace)
    shown = [namespaces.row(namespace, call.settings.generation) for namespace in found]
    return Response(body={"namespaces": shown})


def _show(call: Call) -> Response:
    with call.read() as rows:
        return Response(body=namespaces.row(_find(rows, call), call.settings.generation))


def _create(call: Call) -> Response:
    body = call.json
    if not body.get("name"):
        raise invalid({"name": ["The name field is required."]})
    name = str(body["name"]).lower()
    days = body.get("retention_days")
    created_us = whole_second(call.now_us)
    namespace = Namespace(
        name=name,
        description=_text(body.get("description")),
        retention_days=days if isinstance(days, int) else _DEFAULT_RETENTION_DAYS,
        status="active",
        created_us=created_us,
        updated_us=created_us,
    )
    with call.write() as rows:
        if rows.get(Namespace, name) is not None:
            text = "Namespace already exists."
            facts = {"reason": "namespace_already_exists", "namespace": name}
            raise Refusal(409, {"message": text, **facts})
        rows.put(namespace)
    shown = namespaces.row(namespace, call.settings.generation, created=True)
    return Response(status=201, body=shown)


def _update(call: Call) -> Response:
    body = call.json
    days = body.get("retention_days")
    with call.write() as rows:
        known = _find(rows, call)
        changed = replace(
            known,
            description=_text(body.get("description")) or known.description,
            retention_days=days if isinstance(days, int) else known.retention_days,
            updated_us=whole_second(call.now_us),
        )
        rows.put(changed)
    return Response(body=namespaces.row(changed, call.settings.generation))


def _delete(call: Call) -> Response:
    """Calls that name it are 404 from now on; what was in it is no longer reached."""
    with call.write() as rows:
        found = _find(rows, call)
        rows.delete(found)
    return Response(body={"name": found.name, "outcome": "deleted"})


def _find(rows: Rows, call: Call) -> Namespace:
    name = call.names["namespace"]
    found = rows.get(Namespace, name.lower())
    if found is None:
        text = f"Namespace [{name}] not found."
        raise Refusal(404, {"message": text, "reason": "namespace_not_found", "namespace": name})
    return found


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


_ONE = "/api/namespaces/{namespace}"

ROUTES = (
    Route(method="GET", pattern="/api/namespaces", handler=_list, namespaced=False),
    Route(method="GET", pattern=_ONE, handler=_show, namespaced=False),
    Route(
        method="POST", pattern="/api/namespaces", handler=_create, roles=ADMINS, namespaced=False
    ),
    Route(
        method="DELETE",
        pattern=_ONE,
        handler=_delete,
        roles=ADMINS,
        namespaced=False,
        generations=(Generation.V2,),
    ),
    Route(method="PUT", pattern=_ONE, handler=_update, roles=ADMINS, namespaced=False),
)

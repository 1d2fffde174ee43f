"""Build ids of a queue: listing, drain, resume, and promote where the generation has it."""

from __future__ import annotations

from collections.abc import Callable

from rollout_kit.emulator.calls import Call, Route, invalid
from rollout_kit.emulator.model import cohorts, ledger, promotion
from rollout_kit.emulator.model.records import Rollout
from rollout_kit.emulator.model.settings import Condition, Generation
from rollout_kit.emulator.store import Rows
from rollout_kit.emulator.wire import Refusal, Response, ServerError

MAX_BUILD_ID = 255


def need_rollout_table(call: Call, rows: Rows) -> None:
    """Without the table as this release knows it, the query fails and nobody catches it."""
    if call.settings.meets(Condition.ROLLOUT_TABLE_MISSING):
        raise ServerError
    if not ledger.rollout_table_ready(rows, call.settings.image_version):
        raise ServerError


def build_id_of(body: dict[str, object]) -> str | None:
    """The cohort that a body names: null, empty and blank are the unversioned one."""
    if "build_id" not in body:
        raise invalid({"build_id": ["The build id field must be present."]})
    named = body["build_id"]
    if named is None:
        return None
    if not isinstance(named, str):
        raise invalid({"build_id": ["The build id field must be a string."]})
    if len(named) > MAX_BUILD_ID:
        text = f"The build id field must not be greater than {MAX_BUILD_ID} characters."
        raise invalid({"build_id": [text]})
    return named.strip() or None


def _list(call: Call) -> Response:
    with call.read() as rows:
        need_rollout_table(call, rows)
        body = cohorts.listing(
            rows, call.settings, call.namespace, call.names["queue"], call.now_us
        )
    return Response(body=body)


def _command(act: Callable[[Rows, Call, Rollout], Rollout]) -> Callable[[Call], Response]:
    def handler(call: Call) -> Response:
        build_id = build_id_of(call.json)
        queue = call.names["queue"]
        with call.write() as rows:
            need_rollout_table(call, rows)
            fresh = rows.get(Rollout, call.namespace, queue, build_id or "") is None
            rollout = cohorts.rollout_of(rows, call.namespace, queue, build_id)
            changed = act(rows, call, rollout)
            body = state(rows, call, changed)
        if fresh and call.settings.meets(Condition.FIRST_DRAIN_RACE):
            # Somebody else's insert won: the record is there, and this request fails over it.
            raise ServerError
        return Response(body=body)

    return handler


def state(rows: Rows, call: Call, rollout: Rollout) -> dict[str, object]:
    """What the answer to a command shows of the cohort's record."""
    selected = cohorts.selected_rollout(rows, rollout.namespace, rollout.task_queue)
    return {
        "namespace": rollout.namespace,
        "task_queue": rollout.task_queue,
        "build_id": rollout.build_id,
        **cohorts.intent_fields(rollout, call.settings, selected),
    }


def _drain(rows: Rows, call: Call, rollout: Rollout) -> Rollout:
    return cohorts.drain(rows, call.settings, rollout, call.now_us)


def _resume(rows: Rows, call: Call, rollout: Rollout) -> Rollout:
    return cohorts.resume(rows, rollout, call.now_us)


def _promote(call: Call) -> Response:
    build_id = build_id_of(call.json)
    queue = call.names["queue"]
    with call.write() as rows:
        need_rollout_table(call, rows)
        blockage = promotion.blockage(
            rows, call.settings, call.namespace, queue, build_id, call.now_us
        )
        if blockage is not None:
            known = promotion.deployment_of(rows, call.settings, call.namespace, queue, build_id)
            deployment = (
                None if known is None else promotion.shown(rows, call.settings, known, call.now_us)
            )
            raise Refusal(409, promotion.rejection(blockage, deployment))
        rollout = cohorts.rollout_of(rows, call.namespace, queue, build_id)
        changed = cohorts.promote(rows, rollout, call.now_us)
        deployment = promotion.shown(rows, call.settings, changed, call.now_us)
        return Response(body=state(rows, call, changed) | {"deployment": deployment})


_BASE = "/api/task-queues/{queue}/build-ids"

ROUTES = (
    Route(method="GET", pattern=_BASE, handler=_list, since=ledger.BUILD_IDS_SINCE),
    Route(
        method="POST",
        pattern=f"{_BASE}/drain",
        handler=_command(_drain),
        since=ledger.BUILD_IDS_SINCE,
    ),
    Route(
        method="POST",
        pattern=f"{_BASE}/resume",
        handler=_command(_resume),
        since=ledger.BUILD_IDS_SINCE,
    ),
    Route(
        method="POST",
        pattern=f"{_BASE}/promote",
        handler=_promote,
        generations=(Generation.V2,),
    ),
)

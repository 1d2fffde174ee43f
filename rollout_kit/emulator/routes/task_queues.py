"""Task queues: the list, and one of them with its pollers and leases."""

from __future__ import annotations

from rollout_kit.emulator.calls import Call, Route
from rollout_kit.emulator.model import queues
from rollout_kit.emulator.wire import Response


def _list(call: Call) -> Response:
    call.need_cache()
    with call.read() as rows:
        found = [
            queues.summary(rows, call.settings, call.namespace, name, call.now_us)
            for name in queues.names(rows, call.namespace)
        ]
    return Response(body={"namespace": call.namespace, "task_queues": found})


def _show(call: Call) -> Response:
    call.need_cache()
    with call.read() as rows:
        shown = queues.describe(
            rows, call.settings, call.namespace, call.names["queue"], call.now_us
        )
    return Response(body=shown)


ROUTES = (
    Route(method="GET", pattern="/api/task-queues", handler=_list),
    Route(method="GET", pattern="/api/task-queues/{queue}", handler=_show),
)

"""Answers of workflow operations, which nest what happened in a `control_plane` of their own."""

from __future__ import annotations

from collections.abc import Mapping

from rollout_kit.emulator.model import views
from rollout_kit.emulator.wire import Refusal, Response


def answer(
    status: int, operation: str, workflow_id: str | None, body: dict[str, object]
) -> Response:
    nested = views.control_plane(operation, workflow_id, body)
    return Response(status=status, body=body | {"control_plane": nested})


def nested(
    status: int, operation: str, workflow_id: str | None, body: Mapping[str, object]
) -> Refusal:
    nested = views.control_plane(operation, workflow_id, body)
    return Refusal(status, {**body, "control_plane": nested})

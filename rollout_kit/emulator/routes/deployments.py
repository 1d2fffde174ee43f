"""Deployments of the newer generation, the terminal rollback among them."""

from __future__ import annotations

from collections.abc import Callable

from rollout_kit.emulator.calls import Call, Route
from rollout_kit.emulator.model import cohorts, fleet, promotion
from rollout_kit.emulator.model.promotion import Blockage
from rollout_kit.emulator.model.records import Rollout
from rollout_kit.emulator.model.settings import Generation
from rollout_kit.emulator.store import Rows
from rollout_kit.emulator.wire import Refusal, Response


def _list(call: Call) -> Response:
    with call.read() as rows:
        deployments = [
            promotion.shown(rows, call.settings, known, call.now_us)
            for queue in fleet.queues_of(rows, call.namespace)
            for cohort in cohorts.cohorts_of(
                rows, call.settings, call.namespace, queue, call.now_us
            )
            if (known := _known(rows, call, queue, cohort.build_id)) is not None
        ]
    return Response(body={"namespace": call.namespace, "deployments": deployments})


def _show(call: Call) -> Response:
    with call.read() as rows:
        known = _named(rows, call, call.names["name"])
        return Response(body=promotion.shown(rows, call.settings, known, call.now_us))


def _command(
    act: Callable[[Rows, Call, Rollout], Rollout],
    check: Callable[[Rows, Call, Rollout], Blockage | None],
) -> Callable[[Call], Response]:
    def handler(call: Call) -> Response:
        with call.write() as rows:
            known = _named(rows, call, call.names["name"].rpartition("/")[0])
            blocked = check(rows, call, known)
            if blocked is not None:
                deployment = promotion.shown(rows, call.settings, known, call.now_us)
                raise Refusal(409, {"deployment": deployment, "blockages": [blocked.shown]})
            stored = cohorts.rollout_of(rows, known.namespace, known.task_queue, known.build_id)
            changed = act(rows, call, stored)
            deployment = promotion.shown(rows, call.settings, changed, call.now_us)
            return Response(body={"deployment": deployment})

    return handler


def _named(rows: Rows, call: Call, name: str) -> Rollout:
    place, _, build = name.rpartition("@")
    namespace, _, queue = place.partition("/")
    if not queue or not build:
        raise Refusal(400, {"error": "invalid_deployment_name"})
    if namespace != call.namespace:
        raise Refusal(400, {"error": "namespace_mismatch"})
    known = _known(rows, call, queue, None if build == "unversioned" else build)
    if known is None:
        raise Refusal(404, {"error": "deployment_not_found"})
    return known


def _known(rows: Rows, call: Call, queue: str, build_id: str | None) -> Rollout | None:
    return promotion.deployment_of(rows, call.settings, call.namespace, queue, build_id)


def _promotable(rows: Rows, call: Call, known: Rollout) -> Blockage | None:
    return promotion.blockage(
        rows, call.settings, known.namespace, known.task_queue, known.build_id, call.now_us
    )


def _not_condemned(rows: Rows, call: Call, known: Rollout) -> Blockage | None:
    return promotion.condemned(rows, call.settings, known, call.now_us)


def _dispatch(call: Call) -> Response:
    """The command is the last segment; a deployment's name may itself contain slashes."""
    command = _COMMANDS.get(call.names["name"].rpartition("/")[2])
    if command is None:
        raise Refusal(404, {"error": "deployment_not_found"})
    return command(call)


_COMMANDS = {
    "promote": _command(lambda rows, call, known: cohorts.promote(rows, known, call.now_us),
                        _promotable),
    "drain": _command(
        lambda rows, call, known: cohorts.drain(rows, call.settings, known, call.now_us),
        _not_condemned,
    ),
    "resume": _command(lambda rows, call, known: cohorts.resume(rows, known, call.now_us),
                       _not_condemned),
    "rollback": _command(
        lambda rows, call, known: promotion.roll_back(rows, call.settings, known, call.now_us),
        _not_condemned,
    ),
}  # fmt: skip

_NEWER = (Generation.V2,)

ROUTES = (
    Route(method="GET", pattern="/api/deployments", handler=_list, generations=_NEWER),
    Route(method="GET", pattern="/api/deployments/{name*}", handler=_show, generations=_NEWER),
    Route(method="POST", pattern="/api/deployments/{name*}", handler=_dispatch, generations=_NEWER),
)

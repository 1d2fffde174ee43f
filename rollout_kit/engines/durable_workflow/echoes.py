"""Whether the answer to a write is the one of the contract: it names what was asked for.

A 200 of somebody else (a page, another cohort, the opposite intent) is no success.
"""

from __future__ import annotations

from rollout_kit.engines.durable_workflow.fields import Fields
from rollout_kit.model.identity import CohortRef
from rollout_kit.ports.engine import StartRequest
from rollout_kit.ports.errors import NotYet
from rollout_kit.transport.client import Reply
from rollout_kit.transport.errors import Malformed


def commanded(cohort: CohortRef, intent: str, reply: Reply) -> None:
    """Of drain, resume and promote. The server trims build ids; a blank one is the unversioned."""
    body = Fields.of(reply.body)
    wanted = (cohort.build_id or "").strip()
    echoed = body.text_or_null("build_id") or ""
    if echoed != wanted:
        raise Malformed("build_id", repr(wanted or None), repr(echoed or None))
    _same(body, "task_queue", cohort.task_queue)
    _same(body, "drain_intent", intent)


def promoted(cohort: CohortRef, reply: Reply) -> None:
    """A selection goes to the newest promotion, by the second: one in the same second may not win.

    Raises:
        NotYet: it was taken in, and another build is still selected; sent again later it wins.
    """
    commanded(cohort, "active", reply)
    body = Fields.of(reply.body)
    if body.has("new_start_selected") and not body.flag("new_start_selected"):
        raise NotYet(
            f"{cohort.label} was promoted, and is not selected for new starts",
            why="Another build was promoted within the same second.",
        )


def started(request: StartRequest, reply: Reply) -> None:
    body = Fields.of(reply.body)
    _same(body, "workflow_id", request.workflow_id)
    _same(body, "workflow_type", request.workflow_type)
    body.text("run_id")


def terminated(workflow_id: str, reply: Reply) -> None:
    _same(Fields.of(reply.body), "workflow_id", workflow_id)


def _same(body: Fields, key: str, wanted: str) -> None:
    if body.text(key) != wanted:
        raise Malformed(key, repr(wanted), repr(body.text(key)))

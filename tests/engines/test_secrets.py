"""Two planted tokens, every call, every kind of answer: neither is ever in anything said."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable

import pytest

from rollout_kit.engines.durable_workflow.engine import DurableWorkflowEngine
from rollout_kit.model.identity import CohortRef, QueueRef
from rollout_kit.ports.engine import StartRequest
from rollout_kit.ports.errors import OutsideError
from rollout_kit.transport.client import JsonClient, Patience
from rollout_kit.transport.flights import InlineFlights, ThreadFlights
from rollout_kit.transport.network import NetworkExchange
from rollout_kit.transport.secret import Secret
from tests.transport.misbehaving import serving
from tests.transport.test_bad_answers import BAD_ANSWERS, everything_said

OPERATOR, ADMIN = "canary-operator-31", "canary-admin-32"
QUEUE = QueueRef(namespace="default", task_queue="q")
COHORT = CohortRef(namespace="default", task_queue="q", build_id="b1")
START = StartRequest(
    queue=QUEUE, workflow_type="o", workflow_id="w", run_timeout_s=1, build_id=None, node="api-1"
)
CALLS: dict[str, Callable[[DurableWorkflowEngine], object]] = {
    "readiness": lambda e: e.readiness("api-1"),
    "cluster info": lambda e: e.cluster_info(None),
    "metrics": lambda e: e.operator_metrics("default"),
    "open runs": lambda e: e.open_runs("default"),
    "drain": lambda e: e.drain(COHORT),
    "promote": lambda e: e.promote(COHORT),
    "start": lambda e: e.start(START),
}


def what_it_says(call: str, engine: DurableWorkflowEngine) -> list[str]:
    try:
        CALLS[call](engine)
    except OutsideError as error:
        parts = [everything_said(error), error.message, error.why, error.hint]
        return [*parts, *traceback.format_exception(error)]
    return []


@pytest.mark.parametrize("call", CALLS)
def test_no_token_in_any_error_log_or_representation(
    call: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    exchange = NetworkExchange()
    client = JsonClient(exchange, InlineFlights(), Patience(sleep=lambda _: None))
    said: list[str] = []
    for does in BAD_ANSWERS:
        if does in ("never stops", "packs 9 MB into 9 KB"):
            continue
        with serving(BAD_ANSWERS[does][0]) as server:
            engine = DurableWorkflowEngine(
                url=server.url,
                nodes={"api-1": server.url},
                operator=Secret(OPERATOR),
                admin=Secret(ADMIN),
                client=client,
                monotonic_s=lambda: 0.0,
            )
            said += what_it_says(call, engine)
            said += [repr(engine), repr(vars(engine)), repr(client)]
        sent = b"".join(server.requests)
        if call != "readiness" and server.requests:
            assert OPERATOR.encode() in sent or ADMIN.encode() in sent
    exchange.close()
    everything = "\n".join((*said, caplog.text))
    assert len(said) > 60
    for token in (OPERATOR, ADMIN):
        assert token not in everything


def test_a_secret_shows_nothing_of_itself() -> None:
    secret = Secret(OPERATOR)
    shown = [repr(secret), str(secret), f"{secret}", f"{[secret]!r}", repr({"a": secret})]
    assert not any(OPERATOR in text for text in shown)
    with pytest.raises(TypeError, match="never written down"):
        __import__("pickle").dumps(secret)


def test_flights_keep_the_secret_too() -> None:
    flights = ThreadFlights(interrupted=lambda: False)
    assert OPERATOR not in repr(vars(flights))

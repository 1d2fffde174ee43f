"""A short rollout as records, and previews, for the reporters' tests."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from rollout_kit.execution.preview import Preview, PreviewOperation, PreviewStep
from rollout_kit.model.events import (
    Attached,
    Event,
    GateDecided,
    OperationAwaited,
    OperationCompleted,
    OperationFailed,
    OperationIntended,
    Outcome,
    Record,
    RollbackStarted,
    RolloutFinished,
    RolloutStarted,
)
from rollout_kit.model.execution_plan import ExecutionPlan, Scope
from rollout_kit.model.gate import Verdict
from rollout_kit.model.operation import Change, ChangeKind, Operation, Undo
from rollout_kit.planning.api import Problem
from rollout_kit.policy.evaluate import Finding
from rollout_kit.reporters.text import Printer

START = datetime(2026, 4, 28, 10, 0, tzinfo=UTC)
HOSTILE = "no\n::error title=x::pwned\n##[error]x \x1b[2J | <b> @ada `x` [a](http://b)\r\u202e"


def operation(operation_id: str, kind: str = "detach_node", *, verifies: bool = False) -> Operation:
    step = operation_id.split("/", maxsplit=1)[0]
    return Operation(
        id=operation_id, kind=kind, step=step, line=12, column=5, follows_plan=verifies
    )


DETACH = operation("api/api-1/detach")
ATTACH = operation("api/api-1/attach", "attach_node")
GATE = operation("api/api-1/gate/ready", "judge_gate")
SERVED = operation("verify/served", "judge_gate", verifies=True)
STEPS = {"api": "Replace the API nodes", "verify": "verify"}


def started() -> RolloutStarted:
    scope = Scope(target="orders", namespace="n", nodes=("api-1",), namespaces=("n",), queues=())
    plan = ExecutionPlan(scope=scope, operations=(DETACH, ATTACH, GATE, SERVED), steps=STEPS)
    return RolloutStarted(
        rollout="orders-1",
        plan="orders",
        digest="d" * 64,
        document="{}",
        target="orders",
        execution_plan=plan,
        tool_version="0.1.0",
    )


def intended(of: Operation = DETACH) -> OperationIntended:
    return OperationIntended(
        operation=of,
        attempt=1,
        key="k",
        before={},
        undo=Undo(restore=(ATTACH,)),
        touches=(),
        expected={},
    )


def completed(of: Operation = DETACH, sentence: str = "out of rotation") -> OperationCompleted:
    return OperationCompleted(operation=of.id, facts={}, wrote=True, sentence=sentence)


def decided(of: Operation = GATE, verdict: Verdict = Verdict.PASS) -> GateDecided:
    name = of.id.rpartition("/")[2]
    return GateDecided(operation=of.id, gate=name, verdict=verdict, sentence="0, to be at most 0")


SUCCESS: Sequence[Event] = (
    started(),
    Attached(host="h", boot_id="b", pid_namespace="n", pid=7, command="apply"),
    intended(),
    completed(),
    intended(ATTACH),
    completed(ATTACH, "in rotation"),
    OperationAwaited(operation=GATE, attempt=1),
    decided(),
    completed(GATE, "0, to be at most 0"),
    OperationAwaited(operation=SERVED, attempt=1),
    decided(SERVED),
    completed(SERVED, "0, to be at most 0"),
    RolloutFinished(outcome=Outcome.SUCCEEDED, sentence="every operation is done"),
)

ROLLED_BACK: Sequence[Event] = (
    *SUCCESS[:6],
    OperationAwaited(operation=GATE, attempt=1),
    decided(verdict=Verdict.FAIL),
    OperationFailed(operation=GATE.id, reason=HOSTILE, hint="look at the node"),
    RollbackStarted(cause="the gate", actor="ada"),
    intended(operation("undo/api/api-1/detach/1", "attach_node")),
    completed(operation("undo/api/api-1/detach/1"), "in rotation"),
    RolloutFinished(
        outcome=Outcome.ROLLED_BACK_WITH_RESIDUE,
        sentence="everything but one cohort was put back",
        residue=("orders@new: 2 open runs",),
    ),
)


def records(events: Sequence[Event], *, every_s: float = 2.0) -> list[Record]:
    return [
        Record(
            sequence=number,
            at=START + timedelta(seconds=number * every_s),
            attended_s=number * every_s,
            actor="ada",
            fence=1,
            previous="0" * 64,
            event=event,
        )
        for number, event in enumerate(events)
    ]


class Terminal:
    """A stream to print to and its printer."""

    def __init__(self, *, colour: bool = False) -> None:
        self.stream = io.StringIO()
        self.printer = Printer(self.stream, colour=colour)

    @property
    def text(self) -> str:
        return self.stream.getvalue()

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()


def change(
    kind: ChangeKind, sentence: str, of: Operation = DETACH, undo: str = ""
) -> PreviewOperation:
    return PreviewOperation(
        operation=of, change=Change(kind=kind, sentence=sentence, estimate_s=2.0), undo=undo
    )


def preview(
    *operations: PreviewOperation,
    problems: tuple[Problem, ...] = (),
    findings: tuple[Finding, ...] = (),
    unserved: tuple[str, ...] = (),
) -> Preview:
    step = PreviewStep(
        id="api",
        title="Replace the API nodes",
        uses="api-cutover",
        notes=("blast radius: 1 of 3 API nodes",),
        operations=operations,
    )
    return Preview(
        target="orders",
        plan="orders-2026",
        digest="abcdef0123456789",
        fingerprint="0123456789abcdef",
        steps=(step,),
        problems=problems,
        findings=findings,
        unserved_before=unserved,
        not_read={"node/api-1/marker": "needs the admin token: judged at apply"},
    )

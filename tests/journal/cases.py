"""Records, clocks and owners for the journal's tests."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from rollout_kit.journal.owner import Owner
from rollout_kit.model.events import (
    Attached,
    Event,
    OperationCompleted,
    OperationIntended,
    RolloutFinished,
    RolloutStarted,
)
from rollout_kit.model.events import Outcome as RolloutOutcome
from rollout_kit.model.execution_plan import ExecutionPlan, Scope
from rollout_kit.model.operation import Keep, Operation

START = datetime(2026, 4, 28, 10, 0, tzinfo=UTC)


@dataclass
class VirtualClock:
    """Time that passes only when somebody sleeps."""

    elapsed_s: float = 0.0
    stop_after_s: float | None = None  # a signal comes then
    on_sleep: list[object] = field(default_factory=list)

    def now(self) -> datetime:
        return START + timedelta(seconds=self.elapsed_s)

    def monotonic_s(self) -> float:
        return self.elapsed_s

    def sleep(self, seconds: float) -> None:
        self.elapsed_s += seconds
        for act in self.on_sleep:
            act()  # type: ignore[operator]

    def interrupted(self) -> bool:
        return self.stop_after_s is not None and self.elapsed_s >= self.stop_after_s


def attached(pid: int = 1) -> Attached:
    return Attached(host="h", boot_id="b", pid_namespace="n", pid=pid, command="apply")


def started(rollout: str = "orders-1", target: str = "orders-prod") -> RolloutStarted:
    scope = Scope(target=target, namespace="n", nodes=("api-1",), namespaces=("n",), queues=())
    return RolloutStarted(
        rollout=rollout,
        plan="orders",
        digest="d" * 64,
        document="{}",
        target=target,
        execution_plan=ExecutionPlan(scope=scope, operations=(), steps={"b": "second", "a": "x"}),
        tool_version="0.1.0",
    )


def intended(operation: str = "api/api-1/detach") -> OperationIntended:
    return OperationIntended(
        operation=Operation(id=operation, kind="detach_node", step="api"),
        attempt=1,
        key="orders-1/api/1",
        before={"node/api-1/attached": True},
        undo=Keep(reason="harmless"),
        touches=("node/api-1/",),
        expected={"node/api-1/attached": False},
    )


def completed(sentence: str = "done") -> OperationCompleted:
    return OperationCompleted(operation="api/api-1/detach", facts={}, wrote=True, sentence=sentence)


def finished() -> RolloutFinished:
    return RolloutFinished(outcome=RolloutOutcome.SUCCEEDED, sentence="All done.")


def story() -> tuple[Event, ...]:
    return (started(), attached(), intended(), completed("cut – ☃ \u2028\ud800"), finished())


def owner(pid: int = 1, host: str = "elsewhere") -> Owner:
    return Owner(actor="ada", host=host, boot_id="boot", pid_namespace="pid:[1]", pid=pid)

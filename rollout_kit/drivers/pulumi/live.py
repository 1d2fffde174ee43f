"""What the driver asks of the live objects of a cluster; and what there is where there is none."""

from __future__ import annotations

from typing import Protocol

from rollout_kit.model.situation import ProgramEnd
from rollout_kit.model.stack_contract import Placed
from rollout_kit.ports.infra import CohortSpec, LiveProcess, ProcessSpec


class Live(Protocol):
    """Live objects. Every call returns within five seconds; raises an OutsideError."""

    @property
    def is_there(self) -> bool: ...

    def process(self, placed: Placed) -> ProcessSpec | None:
        """What a node or singleton is to run now; None: nothing."""
        ...

    def workers(self, placed: Placed) -> CohortSpec: ...

    def attached(self, placed: Placed) -> bool: ...

    def processes(self, placed: Placed) -> tuple[LiveProcess, ...]: ...

    def ended(self, placed: Placed) -> ProgramEnd | None: ...

    def output(self, placed: Placed) -> str:
        """What a job's pod printed."""
        ...

    def forget(self) -> None:
        """Something was changed: nothing that was read before answers from here on."""
        ...


class NoCluster:
    """A fleet of which only its program can tell."""

    is_there = False

    def process(self, placed: Placed) -> ProcessSpec | None:  # noqa: ARG002
        raise AssertionError("nothing of this fleet is in a cluster")

    def workers(self, placed: Placed) -> CohortSpec:  # noqa: ARG002
        raise AssertionError("nothing of this fleet is in a cluster")

    def attached(self, placed: Placed) -> bool:  # noqa: ARG002
        raise AssertionError("nothing of this fleet is in a cluster")

    def processes(self, placed: Placed) -> tuple[LiveProcess, ...]:  # noqa: ARG002
        """Never asked: the driver does not declare that it counts them."""
        return ()

    def ended(self, placed: Placed) -> ProgramEnd | None:  # noqa: ARG002
        return None

    def output(self, placed: Placed) -> str:  # noqa: ARG002
        return ""

    def forget(self) -> None:
        """Nothing was read."""

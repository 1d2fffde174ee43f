"""Which change of the infrastructure an operation would begin, asked of the operation itself.

It is told to apply to writers that write nothing down but that one change, so what is asked of a
person, or announced, is what would be sent, and no kind has to say it twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from rollout_kit.model.operation import Operation
from rollout_kit.operations.api import Writers
from rollout_kit.operations.registry import KINDS
from rollout_kit.ports.engine import Engine
from rollout_kit.ports.infra import Infra, InfraChange, InfraReader


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A change, and the key that it would be begun under."""

    key: str
    change: InfraChange


class _NotInfraError(Exception):
    """This operation writes to the server itself."""


class _Engine:
    """Every write ends the trial before anything is sent."""

    def __getattr__(self, name: str) -> Any:
        raise _NotInfraError(name)


class _Infra:
    """Reads as the driver does; `begin` only takes note."""

    def __init__(self, infra: InfraReader) -> None:
        self._infra = infra
        self.begun: Begun | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._infra, name)

    def begin(self, key: str, change: InfraChange) -> None:
        self.begun = Begun(key=key, change=change)


def change_of(op: Operation, key: str, infra: InfraReader) -> Begun | None:
    """What `op` would begin under `key`; None: nothing of the infrastructure.

    Raises:
        OutsideError: the driver does not say what the change starts from.
    """
    trial = _Infra(infra)
    try:
        writers = Writers(engine=cast("Engine", _Engine()), infra=cast("Infra", trial))
        KINDS[op.kind].apply(op, key, writers)
    except _NotInfraError:
        return None
    return trial.begun

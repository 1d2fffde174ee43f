"""A driver that changes nothing itself: somebody else is asked to, and what they said is told to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from rollout_kit.model.observation import Observation
from rollout_kit.model.operation import JsonValue
from rollout_kit.model.request import Request
from rollout_kit.ports.infra import InfraChange


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was asked under a key. `said`: a person says that it is done. `done`: so it was found.

    `withdrawn`: it is being put back, and nobody is to do it any more; somebody may have.
    """

    key: str
    change: JsonValue
    said: bool = False
    done: bool = False
    withdrawn: bool = False


@runtime_checkable
class AsksPeople(Protocol):
    """What such a driver has beside `ports.infra.Infra`."""

    def request(self, change: InfraChange) -> Request | None:
        """The change in the words of a request, from what there is now. Reads only.

        None: this one the driver makes itself.
        """
        ...

    def tell(self, baseline: Observation | None, asked: tuple[Asked, ...]) -> None:
        """What the journal knows: the fleet before the first write, and all that was asked, in order."""
        ...

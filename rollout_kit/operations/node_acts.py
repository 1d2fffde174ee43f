"""What the operations on one node are told: each restores the others' work, so they share this."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from rollout_kit.model import codec
from rollout_kit.model.operation import Operation
from rollout_kit.operations.node_identity import NodeIdentity
from rollout_kit.operations.pins import PinRules
from rollout_kit.operations.rotation import Rotation
from rollout_kit.operations.specs import changed, runs_something
from rollout_kit.ports.infra import ProcessSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class DetachNodeArguments:
    """`marker`: what it is to carry when it returns, where that changes; `pins`: who serves it then."""

    rotation: Rotation
    marker: str | None = None
    pins: PinRules | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaceNodeArguments:
    """`image=None` keeps the image; `marker` counts where `set_marker`. `spec` is all of it (undos).

    `base`: what it ran when the plan was made; used where a lost change left nothing running.
    `revision`: of the schema that what starts needs. `shows`: attributes it is expected to show then.
    """

    rotation: Rotation
    image: str | None = None
    set_marker: bool = False
    marker: str | None = None
    spec: ProcessSpec | None = None
    base: ProcessSpec | None = None
    revision: str | None = None
    shows: dict[str, str | None] = field(default_factory=dict)
    pins: PinRules = field(default_factory=PinRules)

    @property
    def node(self) -> str:
        return self.rotation.node

    def target(self, now: ProcessSpec) -> ProcessSpec:
        """The spec that the node is to run."""
        if self.spec is not None:
            return self.spec
        before = now if runs_something(now) else (self.base or now)
        return changed(before, image=self.image, set_marker=self.set_marker, marker=self.marker)


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitNodeArguments:
    rotation: Rotation
    identity: NodeIdentity


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachNodeArguments:
    """`marker_before`: what its undo takes the node out for, where the marker changes; `pins` as there."""

    rotation: Rotation
    identity: NodeIdentity
    marker_before: str | None = None
    pins: PinRules | None = None


def undoing(op: Operation, kind: str, arguments: object) -> Operation:
    """An operation of `op`'s undo: its policies, none of its place in the plan."""
    return replace(
        op,
        kind=kind,
        because=f"undoes {op.id}",
        arguments=codec.to_json(arguments),
        follows=(),
        follows_plan=False,
        group=None,
    )

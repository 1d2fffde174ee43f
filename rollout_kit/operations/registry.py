"""Every operation kind, by name. Adding one is its file and its line here."""

from __future__ import annotations

from collections.abc import Mapping

from rollout_kit.operations.api import OperationKind
from rollout_kit.operations.kinds.attach_node import AttachNode
from rollout_kit.operations.kinds.await_approval import AwaitApproval
from rollout_kit.operations.kinds.await_node import AwaitNode
from rollout_kit.operations.kinds.bake import Bake
from rollout_kit.operations.kinds.detach_node import DetachNode
from rollout_kit.operations.kinds.judge_gate import JudgeGate
from rollout_kit.operations.kinds.replace_node import ReplaceNodeKind
from rollout_kit.operations.kinds.run_command import RunCommandKind

_ALL: tuple[OperationKind, ...] = (
    AttachNode(),
    AwaitApproval(),
    AwaitNode(),
    Bake(),
    DetachNode(),
    JudgeGate(),
    ReplaceNodeKind(),
    RunCommandKind(),
)

KINDS: Mapping[str, OperationKind] = {kind.kind: kind for kind in _ALL}

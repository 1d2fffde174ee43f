"""Every operation kind, by name. Adding one is its file and its line here."""

from __future__ import annotations

from collections.abc import Mapping

from rollout_kit.operations.api import OperationKind
from rollout_kit.operations.kinds.attach_node import AttachNode
from rollout_kit.operations.kinds.await_approval import AwaitApproval
from rollout_kit.operations.kinds.await_cohort import AwaitCohort
from rollout_kit.operations.kinds.await_lease_free import AwaitLeaseFree
from rollout_kit.operations.kinds.await_node import AwaitNode
from rollout_kit.operations.kinds.await_nodes import AwaitNodes
from rollout_kit.operations.kinds.await_quiesced import AwaitQuiesced
from rollout_kit.operations.kinds.await_retired import AwaitRetired
from rollout_kit.operations.kinds.await_scheduler import AwaitScheduler
from rollout_kit.operations.kinds.await_superseded import AwaitSuperseded
from rollout_kit.operations.kinds.bake import Bake
from rollout_kit.operations.kinds.check_ledger import CheckLedger
from rollout_kit.operations.kinds.check_skew import CheckSkew
from rollout_kit.operations.kinds.deploy_cohort import DeployCohort
from rollout_kit.operations.kinds.detach_node import DetachNode
from rollout_kit.operations.kinds.drain_cohort import DrainCohort
from rollout_kit.operations.kinds.judge_gate import JudgeGate
from rollout_kit.operations.kinds.promote_build import PromoteBuild
from rollout_kit.operations.kinds.remove_cohort import RemoveCohortKind
from rollout_kit.operations.kinds.replace_maintenance import ReplaceMaintenance
from rollout_kit.operations.kinds.replace_node import ReplaceNodeKind
from rollout_kit.operations.kinds.resume_cohort import ResumeCohort
from rollout_kit.operations.kinds.run_bootstrap import RunBootstrap
from rollout_kit.operations.kinds.run_command import RunCommandKind
from rollout_kit.operations.kinds.smoke_runs import SmokeRuns
from rollout_kit.operations.kinds.start_scheduler import StartScheduler
from rollout_kit.operations.kinds.stop_cohort import StopCohort
from rollout_kit.operations.kinds.stop_scheduler import StopScheduler
from rollout_kit.operations.kinds.terminate_smoke import TerminateSmoke

_ALL: tuple[OperationKind, ...] = (
    AttachNode(),
    AwaitApproval(),
    AwaitCohort(),
    AwaitLeaseFree(),
    AwaitNode(),
    AwaitNodes(),
    AwaitQuiesced(),
    AwaitRetired(),
    AwaitScheduler(),
    AwaitSuperseded(),
    Bake(),
    CheckLedger(),
    CheckSkew(),
    DeployCohort(),
    DetachNode(),
    DrainCohort(),
    JudgeGate(),
    PromoteBuild(),
    RemoveCohortKind(),
    ReplaceMaintenance(),
    ReplaceNodeKind(),
    ResumeCohort(),
    RunBootstrap(),
    RunCommandKind(),
    SmokeRuns(),
    StartScheduler(),
    StopCohort(),
    StopScheduler(),
    TerminateSmoke(),
)

KINDS: Mapping[str, OperationKind] = {kind.kind: kind for kind in _ALL}

"""Steps out of a document that keeps to its schema, with the release's values filled in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from rollout_kit.document.fields import (
    Section,
    choice,
    cohort,
    durations,
    flag,
    number,
    optional_s,
    optional_text,
    optional_texts,
    required_s,
    section,
    sections,
    share,
    text,
    texts,
    whole,
)
from rollout_kit.document.position import Position
from rollout_kit.document.release import Release
from rollout_kit.document.steps import (
    ApiCutoverStep,
    ApprovalStep,
    BootstrapStep,
    CanaryStage,
    DrainStep,
    PauseStep,
    PromoteStep,
    RestoreStep,
    RunStep,
    SchedulerHandoverStep,
    ShareStage,
    SmokeStage,
    Step,
    StepArguments,
    StepKind,
    VerifyStep,
    WorkerCanaryStep,
)
from rollout_kit.document.target import Target
from rollout_kit.document.terms import Share
from rollout_kit.model.operation import OnFailure, PinnedRuns


def decode_step(
    entry: Section, *, target: Target, release: Release, on_failure: OnFailure, at: Position | None
) -> Step:
    """Give one step. Raises `UndecidedError`."""
    uses = StepKind(text(entry, "uses"))
    arguments = section(entry, "with")
    return Step(
        id=text(entry, "id"),
        name=optional_text(entry, "name") or text(entry, "id"),
        uses=uses,
        with_=_arguments(uses, arguments, target, release),
        gates=texts(entry, "gates"),
        timeout_s=optional_s(entry, "timeout"),
        on_failure=choice(entry, "on_failure", OnFailure, on_failure),
        position=at,
    )


def _arguments(uses: StepKind, given: Section, target: Target, release: Release) -> StepArguments:
    if uses is StepKind.BOOTSTRAP:
        return _bootstrap(given, release)
    if uses is StepKind.API_CUTOVER:
        return _api_cutover(given, target)
    return _ALONE[uses](given)


def _bootstrap(given: Section, release: Release) -> BootstrapStep:
    server = release.server
    return BootstrapStep(
        image=optional_text(given, "image") or (server.image if server else ""),
        revision=optional_text(given, "revision") or (server.revision if server else ""),
        additive=flag(given, "additive"),
        **durations(given, within_s="within"),
    )


def _api_cutover(given: Section, target: Target) -> ApiCutoverStep:
    return ApiCutoverStep(
        order=texts(given, "order") or tuple(node.name for node in target.nodes),
        promote=flag(given, "promote"),
        **durations(given, bake_s="bake", within_s="within"),
    )


def _scheduler_handover(given: Section) -> SchedulerHandoverStep:
    return SchedulerHandoverStep(
        **durations(
            given,
            gap_at_most_s="gap_at_most",
            overdue_at_most_s="overdue_at_most",
            within_s="within",
        )
    )


def _worker_canary(given: Section) -> WorkerCanaryStep:
    return WorkerCanaryStep(
        task_queues=texts(given, "task_queue"),
        stages=tuple(_stage(stage) for stage in sections(given, "stages")),
        replicas=_replicas(given),
        **durations(given, within_s="within"),
    )


def _replicas(given: Section) -> int | Share | None:
    if "replicas" not in given:
        return None
    value, is_percent = number(given, "replicas")
    return Share(value) if is_percent else int(value)


def _stage(stage: Section) -> CanaryStage:
    if "share" in stage:
        return ShareStage(share=share(stage, "share"), **durations(stage, bake_s="bake"))
    return replace(_smoke(section(stage, "smoke")), bake_s=optional_s(stage, "bake") or 0.0)


def _smoke(given: Section) -> SmokeStage:
    return SmokeStage(
        workflow_type=text(given, "workflow_type"),
        count=whole(given, "count", 1),
        **durations(given, timeout_s="timeout"),
    )


def _promote(given: Section) -> PromoteStep:
    return PromoteStep(
        task_queues=texts(given, "task_queue"),
        cohort=cohort(given, "cohort"),
        **durations(given, within_s="within"),
    )


def _drain(given: Section) -> DrainStep:
    return DrainStep(
        task_queues=texts(given, "task_queue"),
        cohort=cohort(given, "cohort"),
        within_s=required_s(given, "within"),
        pinned_runs=_pinned_runs(given),
    )


def _restore(given: Section) -> RestoreStep:
    return RestoreStep(
        task_queues=texts(given, "task_queue"),
        good=cohort(given, "good"),
        bad=cohort(given, "bad"),
        pinned_runs=_pinned_runs(given),
        **durations(given, within_s="within"),
    )


def _pinned_runs(given: Section) -> PinnedRuns:
    return choice(given, "pinned_runs", PinnedRuns, PinnedRuns.WAIT)


def _verify(given: Section) -> VerifyStep:
    return VerifyStep(smoke=_smoke(section(given, "smoke")) if "smoke" in given else None)


def _approval(given: Section) -> ApprovalStep:
    return ApprovalStep(prompt=text(given, "prompt"), within_s=required_s(given, "within"))


def _pause(given: Section) -> PauseStep:
    return PauseStep(for_s=required_s(given, "for"))


def _run(given: Section) -> RunStep:
    return RunStep(
        command=texts(given, "command"),
        undo=optional_texts(given, "undo"),
        check=optional_texts(given, "check"),
        idempotent=flag(given, "idempotent"),
        irreversible=flag(given, "irreversible"),
        **durations(given, within_s="within"),
    )


_ALONE: Mapping[StepKind, Callable[[Section], StepArguments]] = {
    StepKind.SCHEDULER_HANDOVER: _scheduler_handover,
    StepKind.WORKER_CANARY: _worker_canary,
    StepKind.PROMOTE: _promote,
    StepKind.DRAIN: _drain,
    StepKind.RESTORE: _restore,
    StepKind.VERIFY: _verify,
    StepKind.APPROVAL: _approval,
    StepKind.PAUSE: _pause,
    StepKind.RUN: _run,
}
"""Steps that need nothing but their own arguments."""

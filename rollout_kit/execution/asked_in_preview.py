"""What a preview says of a fleet that somebody else changes: each request, before anybody is asked."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from rollout_kit.model.operation import ChangeKind
from rollout_kit.model.request import Request
from rollout_kit.operations.infra_change import change_of
from rollout_kit.ports.errors import OutsideError
from rollout_kit.ports.infra import InfraReader
from rollout_kit.ports.requests import AsksPeople

if TYPE_CHECKING:
    from rollout_kit.execution.preview import PreviewOperation, PreviewStep


def with_requests(steps: tuple[PreviewStep, ...], infra: InfraReader) -> tuple[PreviewStep, ...]:
    """The steps, each writing operation with what a person will be asked for it; reads only."""
    if not isinstance(infra, AsksPeople):
        return steps
    return tuple(
        replace(step, operations=tuple(_asked(item, infra, infra) for item in step.operations))
        for step in steps
    )


def _asked(item: PreviewOperation, infra: InfraReader, driver: AsksPeople) -> PreviewOperation:
    if item.change.kind is not ChangeKind.UPDATE:
        return item
    try:
        begun = change_of(item.operation, "", infra)
        request = driver.request(begun.change) if begun is not None else None
    except OutsideError as error:  # not read in this session: judged at apply
        return _with(item, None, (f"what a person will be asked is not known: {error.message}",))
    return item if request is None else _with(item, request, _lines(request))


def _with(
    item: PreviewOperation, request: Request | None, lines: tuple[str, ...]
) -> PreviewOperation:
    change = replace(item.change, details=(*item.change.details, *lines))
    return replace(item, change=change, request=request)


def _lines(request: Request) -> tuple[str, ...]:
    return (f"a person is asked to {request.sentence}", f"seen by: {request.seen}")

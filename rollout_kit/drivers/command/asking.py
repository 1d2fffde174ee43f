"""A person's share beside a script: jobs that it does not run, an end that it cannot see. Pure."""

from __future__ import annotations

from rollout_kit.drivers import asked_jobs, asked_stop
from rollout_kit.model import codec
from rollout_kit.model.request import Request
from rollout_kit.ports.infra import Answers, InfraChange, JobStatus, RunJob
from rollout_kit.ports.requests import Asked


def is_for_a_person(change: InfraChange, offered: frozenset[Answers]) -> bool:
    """A job that the script does not run; the stop of a scheduler whose processes it does not count."""
    if isinstance(change, RunJob):
        return Answers.JOBS not in offered
    return asked_stop.is_for_a_person(change, offered)


def request_of(change: InfraChange) -> Request:
    """In words."""
    if isinstance(change, RunJob):
        return asked_jobs.request_of(change)
    return asked_stop.request_of("`describe` of the script does not list `processes`")


def status_of(asked: Asked, begun: JobStatus) -> JobStatus:
    """How that stands. `begun`: what the script has come to, where it has a share in it."""
    change = codec.from_json(InfraChange, asked.change)
    if isinstance(change, RunJob) and (asked.said or asked.done):
        return asked_jobs.said_of(change)
    return asked_stop.status_of(asked, request_of(change), begun)

"""What people left beside the journal: approvals, proofs, requests to hold or abort."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class PersonSaid(StrEnum):
    APPROVE = "approve"
    PROVE = "prove"  # `approve OPERATION --because`: what only a person can know
    ABORT = "abort"
    HOLD = "hold"


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonRecord:
    """Created once. It counts only while plan digest and fingerprint are still the same."""

    said: PersonSaid
    operation: str  # "" for abort and hold
    attempt: int
    digest: str
    fingerprint: str
    actor: str
    because: str
    at: datetime


class ApprovalReader(Protocol):
    def read(self) -> tuple[PersonRecord, ...]: ...

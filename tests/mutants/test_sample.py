"""Ten of the planted faults, two of each area: the tests beside the code still catch them.

All of them are tried by `nox -s mutants`.
"""

from __future__ import annotations

import pytest

from tests.mutants.records import Mutant, mutants
from tests.mutants.scratch import Scratch

SAMPLE = (
    "undone-in-the-order-of-doing",
    "irreversible-rolled-back",
    "no-data-is-zero",
    "gate-passes-at-the-first-good-sample",
    "append-not-durable",
    "checksum-not-checked",
    "two-nodes-out",
    "second-scheduler-before-the-first-is-gone",
    "bootstrap-not-asked-for",
    "scheduler-started-before-it-is-stopped",
)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Scratch:
    return Scratch(tmp_path_factory.mktemp("mutants"))


@pytest.mark.crash
@pytest.mark.parametrize("name", SAMPLE)
def test_the_fault_is_caught(name: str, scratch: Scratch) -> None:
    mutant: Mutant = next(m for m in mutants() if m.name == name)
    with scratch.with_fault(mutant):
        caught = scratch.first_failure(mutant.tests[:1], marked="not clients", limit_s=120.0)
    assert caught.startswith("tests/"), caught or f"{name} survived"

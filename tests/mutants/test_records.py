"""The records of planted faults fit the code as it is: none has rotted."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.mutants.records import PACKAGE, PROJECT, Mutant, mutants

ALL = mutants()


@pytest.mark.parametrize("mutant", ALL, ids=lambda m: m.name)
def test_its_old_text_stands_once_and_the_new_one_is_python(mutant: Mutant) -> None:
    mutant.applied((PACKAGE / mutant.file).read_text(encoding="utf-8"))
    assert mutant.why
    assert mutant.tests
    for selection in mutant.tests:
        assert (PROJECT / selection.partition("::")[0]).exists(), selection


def test_there_are_enough_of_them_and_no_two_of_a_name() -> None:
    assert len(ALL) >= 40
    assert Counter(m.name for m in ALL).most_common(1)[0][1] == 1
    areas = {"execution", "gates", "infrastructure", "journal", "operations", "planning"}
    assert {m.area for m in ALL} == areas

"""The least that has to go wrong for a run of a user's plan to end badly, in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rollout_kit.simulation.rehearse import NOT_RESTORED, Rehearsal
from rollout_kit.simulation.run import run
from rollout_kit.simulation.scenario import Answer, Flaw, Scenario
from rollout_kit.simulation.shrink import breaks

TRIES = 60
"""So many runs are spent on it at most."""
FLAWS = {
    Flaw.NEVER_UP: "new nodes do not come up",
    Flaw.WRONG_VERSION: "new nodes come up as something else",
    Flaw.HANGING: "new workers take runs and end none",
    Flaw.BROKEN_MIGRATION: "the migration breaks",
}
ANSWERS = {
    Answer.ROLL_BACK: "a person answers a hold with a rollback",
    Answer.ABORT: "a person answers a hold with an abort",
}


def first_bad(rehearsal: Rehearsal) -> tuple[int, Callable[[Scenario], bool]] | None:
    """The seed worth looking into, and whether a scenario ends as badly: a broken rule comes first."""
    for seed, violation in rehearsal.broken:
        return seed, breaks(violation.checker)
    for seed, _ in rehearsal.unrestored:
        return seed, _not_restored
    return None


def causes(scenario: Scenario, usual: Scenario) -> tuple[str, ...]:
    """What is wrong in it that is not in the `usual` one."""
    return tuple(_causes(scenario, usual))


def _not_restored(scenario: Scenario) -> bool:
    return run(scenario).ending in NOT_RESTORED


def _causes(scenario: Scenario, usual: Scenario) -> Iterator[str]:
    if scenario.flaw is not Flaw.NONE:
        yield FLAWS[scenario.flaw]
    if scenario.commands_fail:
        yield "the commands of `run` steps fail"
    yield from (blow.text for blow in scenario.blows)
    if scenario.answer in ANSWERS:
        yield ANSWERS[scenario.answer]
    if scenario.latency_s != usual.latency_s:
        yield f"a request takes {scenario.latency_s:g}s"
    if scenario.starts_in_s != usual.starts_in_s:
        yield f"a node takes {scenario.starts_in_s:g}s to come up"
    if scenario.stop_takes_s != usual.stop_takes_s:
        yield f"a stopped scheduler lives on for {scenario.stop_takes_s:g}s"
    if scenario.patience_s != usual.patience_s:
        yield f"a person answers after {scenario.patience_s:g}s"

"""What `simulate` and `drill` were asked, as frozen values."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rollout_kit.cli.arguments import Output, PlanChoice


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulate:
    """`generation` and `jobs`: None where the plan and the machine decide."""

    plan: PlanChoice
    runs: int
    seed: int
    faults: str
    generation: str | None
    live: bool
    jobs: int | None
    output: Output


@dataclass(frozen=True, slots=True, kw_only=True)
class Drill:
    """`step`: None for all of them."""

    plan: PlanChoice
    step: str | None
    generation: str | None
    live: bool
    jobs: int | None
    output: Output


def simulated(given: Namespace, plan: PlanChoice, output: Output) -> Simulate | Drill:
    """What was parsed of either."""
    if given.command == "drill":
        return Drill(
            plan=plan,
            step=given.step,
            generation=given.generation,
            live=given.live,
            jobs=given.jobs,
            output=output,
        )
    return Simulate(
        plan=plan,
        runs=given.runs,
        seed=given.seed,
        faults=given.faults,
        generation=given.generation,
        live=given.live,
        jobs=given.jobs,
        output=output,
    )

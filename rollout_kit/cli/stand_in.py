"""A plan file for the simulator: nothing is contacted, so what only a connection needs may be unset."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from rollout_kit.cli import plan_file
from rollout_kit.cli.arguments import PlanChoice
from rollout_kit.cli.console import Console
from rollout_kit.cli.errors import CommandError
from rollout_kit.cli.exit_codes import ExitCode
from rollout_kit.cli.options import DEFAULT_STATE
from rollout_kit.document.substitute import Purpose
from rollout_kit.emulator.model.settings import Generation
from rollout_kit.simulation.theirs import CannotStandIn, Theirs, theirs

if TYPE_CHECKING:
    from rollout_kit.document.plan import PlanDocument
    from rollout_kit.model.observation import Facts


class Pretended(Mapping[str, str]):
    """An environment in which every variable is set: an address of nobody where it really is not."""

    def __init__(self, real: Mapping[str, str]) -> None:
        self._real = real

    def __getitem__(self, name: str) -> str:
        return self._real.get(name) or f"http://{name.lower().replace('_', '-')}.invalid"

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str)

    def __iter__(self) -> Iterator[str]:
        return iter(self._real)

    def __len__(self) -> int:
        return len(self._real)


def read(choice: PlanChoice, console: Console, *, generation: str | None, live: bool) -> Theirs:
    """The plan with the fleet that stands in for its own.

    Raises:
        CommandError: the plan is invalid, or names what nothing can stand for.
    """
    chosen = Generation(generation) if generation else None
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a cancelled job wants what is known
    try:
        if live:
            document = plan_file.usable(choice, console, Purpose.PREVIEW)
            return theirs(document, chosen, _seen(document, choice, console))
        around = replace(console, environment=Pretended(console.environment))
        return theirs(plan_file.usable(choice, around, Purpose.APPLY), chosen)
    except CannotStandIn as error:
        raise CommandError(
            ExitCode.USAGE,
            f"{choice.file} cannot be simulated: {error}",
            hint="`rollout-kit preview` shows what it would do to the live fleet",
        ) from error


def jobs(asked: int | None) -> int:
    return asked or os.cpu_count() or 1


def _seen(document: PlanDocument, choice: PlanChoice, console: Console) -> Facts:
    """What the live fleet shows: reads only, as `preview` does."""
    from rollout_kit.journal.folder_store import FolderStore
    from rollout_kit.wiring import session
    from rollout_kit.wiring.clock import SystemClock
    from rollout_kit.wiring.result import Surroundings

    around = Surroundings(
        environment=console.environment,
        store=FolderStore(console.folder / DEFAULT_STATE),
        clock=SystemClock(),
        command="preview",
        policies=(),
        warn=console.warn,
    )
    found = session.preview(document, plan_file.folder(choice, console), around)
    for place, reason in found.not_read.items():
        console.warn(f"{place} was not read ({reason}): as the plan says")
    return found.seen.observation.facts if found.seen else {}

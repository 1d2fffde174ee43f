"""The slow readings of one stack, each held in flight: its state, and a refreshing preview of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from rollout_kit.drivers.pulumi import announcing, api
from rollout_kit.drivers.pulumi.contract import given_or_refused
from rollout_kit.drivers.pulumi.held import Held
from rollout_kit.drivers.pulumi.standing import Standing, filled, standing
from rollout_kit.model.operation import Announcement
from rollout_kit.model.stack_contract import NAMESPACE, Given

FRESH_S = 60.0
"""How long a reading stands when nobody of us has changed anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """State and settings as the engine recorded them: where things are, not what runs."""

    picture: api.Picture
    settings: api.Recorded
    given: Given


class Readings:
    """Reads one stack. Every call returns within five seconds, or raises InFlight."""

    def __init__(self, stack: api.Stack, program: str, allowed: tuple[str, ...]) -> None:
        self._stack = stack
        self._program = program
        self._allowed = allowed
        self._recorded = Held(self._read, f"the state of {stack.name}", fresh_for_s=FRESH_S)
        self._standing = Held(self._preview, f"a preview of {stack.name}", fresh_for_s=FRESH_S)
        self._announced: dict[str, Held[tuple[Announcement, ...]]] = {}

    def recorded(self) -> Recorded:
        """Two calls of the CLI (0.4 s). Raises Refused: the stack does not meet the contract."""
        return self._recorded.get()

    def known(self) -> Recorded | None:
        """The same if it has been read; starts nothing."""
        return self._recorded.known()

    def standing(self) -> Standing:
        """One more call: a refreshing preview (about 1 s)."""
        return self._standing.get()

    def announced(self, changes: announcing.Changes) -> tuple[Announcement, ...]:
        """One call for each configuration along the way, and one for what is."""
        key = hashlib.sha256(repr(changes).encode()).hexdigest()
        if key not in self._announced:
            self._announced = {
                key: Held(
                    lambda: self._announce(changes),
                    f"the preview of {len(changes)} changes of {self._stack.name}",
                    fresh_for_s=FRESH_S,
                )
            }
        return self._announced[key].get()

    def forget(self) -> None:
        """Something has changed the stack, or is about to."""
        self._recorded.forget()
        self._standing.forget()
        self._announced = {}

    def _read(self) -> Recorded:
        picture, settings = api.look(self._stack), api.recorded(self._stack)
        given = given_or_refused(picture.outputs.get(NAMESPACE), f"the stack {self._stack.name}")
        return Recorded(picture=picture, settings=settings, given=given)

    def _preview(self) -> Standing:
        recorded = self._recorded.get()
        seen = api.preview(
            self._stack, {}, baseline=recorded.settings, picture=recorded.picture, refresh=True
        )
        return standing(seen, recorded.settings.configuration, self._program)

    def _announce(self, changes: announcing.Changes) -> tuple[Announcement, ...]:
        """Where nothing has drifted, the world is looked at once, not once for each configuration."""
        recorded = self._read()
        baseline, picture = recorded.settings, recorded.picture
        first = api.preview(self._stack, {}, baseline=baseline, picture=picture, refresh=True)
        drifted = bool(first.drifted or first.steps)
        now = standing(first, baseline.configuration, self._program)
        along = announcing.stages(changes, filled(now.wanted, now.given))
        previews, by_values = [first], {"": first}
        for stage in along:
            key = json.dumps(stage.values, sort_keys=True)
            if key not in by_values:
                by_values[key] = api.preview(
                    self._stack, stage.values, baseline=baseline, picture=picture, refresh=drifted
                )
            previews.append(by_values[key])
        said = announcing.announcements(along, previews, now.given, allowed=self._allowed)
        restless = announcing.restlessness(first)
        return (announcing.announcement("", restless), *said) if restless else said


def bindings(recorded: Recorded, program_digest: str) -> Mapping[str, str]:
    """What a saved preview is held to beside the fleet: state, configuration, program."""
    configuration = {
        f"stack configuration {name}": _short(json.dumps(value, sort_keys=True))
        for name, value in sorted(recorded.settings.configuration.items())
    }
    return {
        "stack state": recorded.picture.hash[:12],
        **configuration,
        "stack program": program_digest[:12],
    }


def _short(text: str) -> str:
    return "digest " + hashlib.sha256(text.encode()).hexdigest()[:12]

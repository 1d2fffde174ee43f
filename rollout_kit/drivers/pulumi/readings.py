"""The slow readings of one stack, each held in flight: its state, and a refreshing preview of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from rollout_kit.drivers.pulumi import announcing, api
from rollout_kit.drivers.pulumi.contract import given_or_refused, read_given, without_outputs
from rollout_kit.drivers.pulumi.held import Held
from rollout_kit.drivers.pulumi.standing import Standing, filled, standing
from rollout_kit.drivers.pulumi.wanted import from_values, known
from rollout_kit.model.operation import Announcement
from rollout_kit.model.stack_contract import NAMESPACE, Given

FRESH_S = 60.0
"""How long a reading stands when nobody of us has changed anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """As the engine recorded it: where things are and what was asked for, not what runs."""

    given: Given
    outputs: Mapping[str, object]
    configuration: Mapping[str, object]


class Readings:
    """Reads one stack. Every call returns within five seconds, or raises InFlight."""

    def __init__(self, stack: api.Stack, program: str, allowed: tuple[str, ...]) -> None:
        self._stack = stack
        self._program = program
        self._allowed = allowed
        self._recorded = Held(self._read, f"the state of {stack.name}", fresh_for_s=FRESH_S)
        self._standing = Held(self._preview, f"a preview of {stack.name}", fresh_for_s=FRESH_S)
        self._last: Recorded | None = None
        self._announced: dict[str, Held[tuple[Announcement, ...]]] = {}

    def recorded(self) -> Recorded:
        """Two calls of the CLI (0.4 s). Raises Refused: the stack does not meet the contract."""
        return self._recorded.get()

    def standing(self) -> Standing:
        """Three calls, one of them a refreshing preview (about 1 s)."""
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

    def settled(self, outputs: Mapping[str, object], wanted: Mapping[str, object]) -> None:
        """An update of ours has just ended well, and its child found a clean state after it.

        What it left is known then, without a call; a refreshing preview looks again before long.
        """
        given = read_given(outputs.get(NAMESPACE)).given
        if given is None or self._last is None:
            self.forget()
            return
        configuration = {**self._last.configuration, **wanted}
        now = Recorded(given=given, outputs=outputs, configuration=configuration)
        self._last = now
        self._announced = {}
        self._recorded.put(now)
        asked = filled(from_values(configuration), given)
        self._standing.put(Standing(given=given, wanted=asked, moved={}))

    def forget(self) -> None:
        """Something has changed the stack, and nobody knows how far it came."""
        self._recorded.forget()
        self._standing.forget()
        self._announced = {}

    def binding(self) -> Mapping[str, str]:
        """What a saved preview is held to: the state's hash, and the configuration value by value."""
        picture, settings = api.look(self._stack), api.recorded(self._stack)
        values = sorted(settings.configuration.items())
        return {
            "stack state": picture.hash[:12],
            **{f"stack configuration {name}": _short(value) for name, value in values},
        }

    def _read(self) -> Recorded:
        picture = api.look(self._stack)
        if not picture.outputs:
            raise without_outputs(self._stack.name)
        settings = api.recorded(self._stack)
        given = given_or_refused(picture.outputs.get(NAMESPACE), f"the stack {self._stack.name}")
        found = Recorded(given=given, outputs=picture.outputs, configuration=settings.configuration)
        self._last = found
        return found

    def _preview(self) -> Standing:
        picture, settings = api.look(self._stack), api.recorded(self._stack)
        seen = api.preview(self._stack, {}, baseline=settings, picture=picture, refresh=True)
        return standing(seen, settings.configuration, self._program)

    def _announce(self, changes: announcing.Changes) -> tuple[Announcement, ...]:
        """Where nothing has drifted, the world is looked at once, not once for each configuration."""
        picture, baseline = api.look(self._stack), api.recorded(self._stack)
        first = api.preview(self._stack, {}, baseline=baseline, picture=picture, refresh=True)
        drifted = bool(first.drifted or first.steps)
        now = standing(first, baseline.configuration, self._program)
        entries = known(baseline.configuration, now.given)
        along = announcing.stages(changes, filled(now.wanted, now.given), entries)
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


def _short(value: object) -> str:
    text = json.dumps(value, sort_keys=True)
    return "digest " + hashlib.sha256(text.encode()).hexdigest()[:12]

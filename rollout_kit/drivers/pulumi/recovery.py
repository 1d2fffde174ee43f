"""What an update without a good end has left, and what has to be done about it. Pure.

The state lies after an interrupt, and in two ways. What was being changed is recorded as before:
a refresh finds that out. What was being made may exist without being recorded, as a pending
operation or (after one interrupt, or a dead provider) not at all: making it again would make two.
So everything that was begun and not seen to end is looked for by its known name first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from rollout_kit.drivers.pulumi.api import Picture
from rollout_kit.drivers.pulumi.events import name_of
from rollout_kit.drivers.pulumi.marks import Mark, Object

CREATING = "creating"
_NOT_IN_THE_WORLD = ("pulumi:providers:", "pulumi:pulumi:")


class Verdict(StrEnum):
    CLEAN = "clean"  # nothing to recover from
    DONE = "done"  # the update had ended; only nobody was there to see it
    NOT_STARTED = "not started"
    HALF_DONE = "half done"


@dataclass(frozen=True, slots=True, kw_only=True)
class LastUpdate:
    """The newest entry of the stack's history."""

    message: str
    succeeded: bool


def verdict(picture: Picture, mark: Mark | None, last: LastUpdate | None) -> Verdict:
    """How far the update got. `last` is only asked for where there is a mark."""
    if mark is None:
        return Verdict.CLEAN if picture.clean else Verdict.HALF_DONE
    if not picture.clean:
        return Verdict.HALF_DONE
    if last is not None and last.message == mark.operation:
        return Verdict.DONE if last.succeeded else Verdict.HALF_DONE
    if not mark.creating and _before(picture.written_at, mark.at):
        return Verdict.NOT_STARTED
    return Verdict.HALF_DONE


def _before(written_at: str, moment: datetime) -> bool:
    try:
        return datetime.fromisoformat(written_at[:26].rstrip("Z") + "+00:00") < moment
    except ValueError:
        return False


def suspects(picture: Picture, mark: Mark | None) -> tuple[Object, ...]:
    """What may exist without being recorded, each once: pending creates, and begun ones of ours."""
    recorded = {item.urn for item in picture.resources if not item.left_over}
    found = {
        item.urn: Object(urn=item.urn, type=item.type, facts=item.facts)
        for item in picture.pending
        if item.act == CREATING
    }
    for item in mark.creating if mark else ():
        if item.urn not in recorded:
            found.setdefault(item.urn, item)
    return tuple(item for item in found.values() if not item.type.startswith(_NOT_IN_THE_WORLD))


class Absence(StrEnum):
    """What is found where no object is."""

    ABSENT = "absent"
    UNKNOWN = "unknown"  # nothing here can look for such an object
    REPEATABLE = "repeatable"  # nor has to: its program promises that asked twice, it makes one


Found: TypeAlias = str | Absence
"""The id of what exists, as the provider would give it; or that there is nothing, or no knowing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """What becomes of the suspects.

    `adopt`: URN to id, taken over by the program's own resource of that URN. `remove`: deleted in
    the world, since it cannot be adopted. `ask`: nobody but a person can tell whether it exists.
    `again`: nobody has to tell.
    """

    adopt: Mapping[str, str]
    remove: tuple[Object, ...]
    ask: tuple[Object, ...]
    again: tuple[Object, ...] = ()


def remedy(
    found: Mapping[str, Found],
    objects: Iterable[Object],
    *,
    can_adopt: bool,
    adopted_before: frozenset[str] = frozenset(),
) -> Remedy:
    """Adopt what exists, where the program runs here and that was not tried in vain; else remove it."""
    adopt: dict[str, str] = {}
    remove: list[Object] = []
    ask: list[Object] = []
    again: list[Object] = []
    for item in objects:
        match found.get(item.urn, Absence.UNKNOWN):
            case Absence.ABSENT:
                continue
            case Absence.REPEATABLE:
                again.append(item)
            case Absence.UNKNOWN:
                ask.append(item)
            case id_ if can_adopt and item.urn not in adopted_before:
                adopt[item.urn] = id_
            case _:
                remove.append(item)
    return Remedy(adopt=adopt, remove=tuple(remove), ask=tuple(ask), again=tuple(again))


def in_words(how_far: Verdict, mark: Mark | None, picture: Picture) -> str:
    """What was found, in one sentence; empty where there is nothing to tell."""
    whose = f"the update {mark.operation}" if mark else "an earlier update"
    match how_far:
        case Verdict.CLEAN:
            return ""
        case Verdict.DONE:
            return f"{whose} had ended well, unseen"
        case Verdict.NOT_STARTED:
            return f"{whose} had not begun"
        case Verdict.HALF_DONE:
            left = [f"{item.act} {name_of(item.urn)}" for item in picture.pending]
            left += [
                f"{name_of(item.urn)} not ready" for item in picture.resources if item.not_ready
            ]
            left += [f"old {name_of(it.urn)} left" for it in picture.resources if it.left_over]
            return f"{whose} was interrupted ({', '.join(left) or 'nothing pending is recorded'})"

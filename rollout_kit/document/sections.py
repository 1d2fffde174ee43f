"""A plain document looked at without trust: whatever is not what it should be is simply not there.

Checks run on documents that the schema objects to as well, so that an author sees every problem
at once.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from rollout_kit.document.codes import Code
from rollout_kit.document.diagnostics import Severity
from rollout_kit.document.nodes import Path
from rollout_kit.document.quantities import seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A finding at a path of the document."""

    path: Path
    code: Code
    summary: str
    detail: str
    hint: str | None = None
    severity: Severity = Severity.ERROR
    at_key: bool = False
    """It is the key that is wrong, not its value."""


UNDECIDED = "${env:"
"""Stands for a name that waits for the environment: it may be any."""


def mapping(value: object) -> Mapping[str, object]:
    """Give a mapping, empty where there is none."""
    return value if isinstance(value, dict) else {}


def entries(value: object) -> Sequence[object]:
    """Give a list, empty where there is none."""
    return value if isinstance(value, list) else ()


def word(value: object) -> str | None:
    """Give text; None where there is none, or where it waits for the environment."""
    return value if isinstance(value, str) and UNDECIDED not in value else None


def name_of(value: object) -> str | None:
    """Give a name, `UNDECIDED` where it waits for the environment; None where there is none."""
    return UNDECIDED if isinstance(value, str) and UNDECIDED in value else word(value)


def node_names(document: Mapping[str, object]) -> set[str]:
    """Name the nodes of the target."""
    nodes = entries(mapping(document.get("target")).get("nodes"))
    names = (name_of(mapping(node).get("name")) for node in nodes)
    return {name for name in names if name is not None}


def lacks(known: Collection[str], name: str) -> bool:
    """Tell that a name is none of the known ones, for certain."""
    return name not in known and UNDECIDED not in known


def words(value: object) -> list[tuple[Path, str]]:
    """Give a text or a list of texts, each with its path below the value."""
    one = word(value)
    if one is not None:
        return [((), one)]
    found = ((index, word(item)) for index, item in enumerate(entries(value)))
    return [((index,), text) for index, text in found if text is not None]


def duration(value: object) -> float | None:
    """Give seconds; None where there is no duration."""
    text = word(value)
    try:
        return None if text is None else seconds(text)
    except ValueError:
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainStep:
    """A step of the plain document."""

    path: Path
    id: str
    """Its place in the list where it has no id."""
    uses: str | None
    arguments: Mapping[str, object]
    entry: Mapping[str, object]


def plain_steps(document: Mapping[str, object]) -> list[PlainStep]:
    """Give all steps, whatever is wrong with them."""
    found = []
    for index, value in enumerate(entries(document.get("steps"))):
        entry = mapping(value)
        found.append(
            PlainStep(
                path=("steps", index),
                id=word(entry.get("id")) or f"steps[{index}]",
                uses=word(entry.get("uses")),
                arguments=mapping(entry.get("with")),
                entry=entry,
            )
        )
    return found


def releases(document: Mapping[str, object]) -> list[tuple[Path, Mapping[str, object]]]:
    """Give the entries of `release.workers` with their paths."""
    section = mapping(document.get("release"))
    return [
        (("release", "workers", index), mapping(value))
        for index, value in enumerate(entries(section.get("workers")))
    ]


def builds(document: Mapping[str, object]) -> dict[str, set[str]]:
    """Give the build ids that the release names, by queue; an unversioned cohort names none."""
    found: dict[str, set[str]] = {}
    for _, entry in releases(document):
        queue = name_of(entry.get("task_queue"))
        if queue is not None:
            named = (name_of(entry.get("from")), name_of(entry.get("to")))
            found.setdefault(queue, set()).update(one for one in named if one is not None)
    return found

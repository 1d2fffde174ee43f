"""What a script says that changes would do."""

from __future__ import annotations

from rollout_kit.drivers.command.contract import Json
from rollout_kit.model.operation import Announcement
from rollout_kit.ports.errors import Incompatible, Trouble


def announced(answer: Json, wanted: tuple[str, ...], script: str) -> tuple[Announcement, ...]:
    """Raises Incompatible: other operations than it was asked about, or in another order."""
    told = tuple(entry["operation"] for entry in answer["changes"])
    if told != wanted:
        raise Incompatible(
            f"`{script} preview` answers for other operations than it was asked about: "
            f"{_differing(told, wanted)}",
            why="Which change would do what cannot be told.",
            hint="One entry an operation, in the order of the question.",
            trouble=Trouble.INCOMPATIBLE,
        )
    return tuple(
        Announcement(
            operation=entry["operation"],
            resources=tuple(entry["resources"]),
            kinds=tuple(entry["kinds"]),
            changed=tuple(entry["changed"]),
            creates=tuple(entry.get("creates", ())),
            beyond=tuple(entry.get("beyond", ())),
        )
        for entry in answer["changes"]
    )


def _differing(told: tuple[str, ...], wanted: tuple[str, ...]) -> str:
    pairs = zip((*told, None), (*wanted, None), strict=False)
    one, other = next((pair for pair in pairs if pair[0] != pair[1]), (None, None))
    return f"{one or 'nothing'} where {other or 'nothing'} was asked"

"""What a script says that changes would do."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rollout_kit.drivers.command.contract import Json, asked, change_asked
from rollout_kit.drivers.command.looks import Looks
from rollout_kit.drivers.command.script import Script
from rollout_kit.model.operation import Announcement
from rollout_kit.ports.errors import Incompatible, Trouble
from rollout_kit.ports.infra import InfraChange


class Previews:
    """The script's `preview`; the newest question is asked once, however often somebody looks."""

    def __init__(self, script: Script, monotonic_s: Callable[[], float]) -> None:
        self._script = script
        self._monotonic_s = monotonic_s
        self._newest: dict[str, Looks[tuple[Announcement, ...]]] = {}

    def of(self, changes: Sequence[tuple[str, InfraChange]]) -> tuple[Announcement, ...]:
        """What it says of them. Raises InFlight, or what asking raised."""
        listed = [{"operation": op, "change": change_asked(change)} for op, change in changes]
        request = asked("preview", changes=listed)
        if request not in self._newest:
            wanted = tuple(op for op, _ in changes)

            def ask() -> tuple[Announcement, ...]:
                return announced(self._script.ask("preview", request), wanted, self._script.name)

            name = f"`{self._script.name} preview`"
            self._newest = {request: Looks(name, ask, self._monotonic_s)}
        return self._newest[request].get()


def announced(answer: Json, wanted: tuple[str, ...], script: str) -> tuple[Announcement, ...]:
    """Raises Incompatible: other operations than it was asked about, or not a kind a resource."""
    told = tuple(entry["operation"] for entry in answer["changes"])
    if told != wanted:
        raise Incompatible(
            f"`{script} preview` answers for other operations than it was asked about: "
            f"{_differing(told, wanted)}",
            why="Which change would do what cannot be told.",
            hint="One entry an operation, in the order of the question.",
            trouble=Trouble.INCOMPATIBLE,
        )
    for entry in answer["changes"]:
        if len(entry["resources"]) != len(entry["kinds"]):
            raise Incompatible(
                f"`{script} preview` names {len(entry['resources'])} resources of"
                f" {entry['operation']} and {len(entry['kinds'])} kinds",
                why="The change is held to what it does to each of them.",
                hint="One of `kinds` for each of `resources`, in the same order.",
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

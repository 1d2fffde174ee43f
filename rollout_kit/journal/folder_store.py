"""Rollouts in a folder: `<state>/<target>/<rollout id>.jsonl`, its lock and people's records beside it."""

from __future__ import annotations

from pathlib import Path

from rollout_kit.journal.file_journal import FileTape
from rollout_kit.journal.lock_file import LockFile
from rollout_kit.journal.people import PeopleFolder
from rollout_kit.journal.store import RolloutStore, name_of_part, part_of_path

SUFFIX = ".jsonl"


class FolderStore(RolloutStore):
    """Nothing is created before it is written to."""

    def __init__(self, state: Path) -> None:
        self.state = state

    @property
    def place(self) -> str:
        return str(self.state)

    def folder(self, target: str) -> Path:
        """Where lock and journals of a target lie."""
        return self.state / part_of_path(target)

    def path(self, target: str, rollout: str) -> Path:
        """The journal's file."""
        return self.folder(target) / f"{part_of_path(rollout)}{SUFFIX}"

    def prove(self) -> None:
        """Every append finds out by itself, under the file's own lock."""

    def targets(self) -> tuple[str, ...]:
        if not self.state.is_dir():
            return ()
        there = (entry for entry in self.state.iterdir() if entry.is_dir())
        names = sorted(entry.name for entry in there if _is_a_target(entry))
        return tuple(name_of_part(name) for name in names)

    def ids(self, target: str) -> frozenset[str]:
        paths = self.folder(target).glob(f"*{SUFFIX}")
        return frozenset(name_of_part(path.name.removesuffix(SUFFIX)) for path in paths)

    def tape(self, target: str, rollout: str) -> FileTape:
        return FileTape(self.path(target, rollout))

    def people(self, target: str, rollout: str) -> PeopleFolder:
        return PeopleFolder(self.folder(target) / f"{part_of_path(rollout)}.people")

    def lock(self, target: str) -> LockFile:
        return LockFile(self.folder(target))


def _is_a_target(folder: Path) -> bool:
    """Drivers keep what is under way beside them."""
    return LockFile(folder).path.exists() or any(folder.glob(f"*{SUFFIX}"))

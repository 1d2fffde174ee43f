"""Which packs a plan is held to where the command line names none."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

FOLDER = "policies"
REPOSITORY = ".git"


def packs_beside(plan_folder: Path) -> tuple[Path, ...]:
    """The packs in the nearest `policies/` at or above the plan, within its repository.

    Outside a repository only the plan's own folder is looked at: what lies above belongs to others.
    """
    folder = plan_folder.resolve()
    above = (folder, *folder.parents)
    root = next((one for one in above if (one / REPOSITORY).exists()), folder)
    for one in above[: above.index(root) + 1]:
        if (one / FOLDER).is_dir():
            return packs_in((one / FOLDER,))
    return ()


def packs_in(paths: Iterable[Path]) -> tuple[Path, ...]:
    """Files as they are; of a folder its `*.yaml` and `*.yml`, sorted."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted((*path.glob("*.yaml"), *path.glob("*.yml")))
        else:
            found.append(path)
    return tuple(dict.fromkeys(found))

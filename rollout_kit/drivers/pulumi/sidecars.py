"""What a `file://` backend keeps beside each of its files, and what a killed write leaves of it.

The engine writes a file whole or not at all; the attributes beside it (`NAME.attrs`) it writes in
place. Killed there, it can read that file no more, although nothing is wrong with it. A file without
attributes it reads as ever, so a torn one is taken away, whoever left it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from rollout_kit.drivers.pulumi.locks import state_root


def remove_torn(backend: str, project: str, stack: str) -> tuple[Path, ...]:
    """Those of this stack that were cut off while they were written; they are gone afterwards."""
    root = state_root(backend)
    if root is None:
        return ()
    torn = tuple(path for path in _of(root / ".pulumi", project, stack) if _is_torn(path))
    for path in torn:
        path.unlink(missing_ok=True)
    return torn


def _of(root: Path, project: str, stack: str) -> Iterator[Path]:
    name = stack.rpartition("/")[2]
    yield from (root / "stacks" / project).glob(f"{name}.json*.attrs")
    yield from (root / "locks" / "organization" / project / name).glob("*.attrs")
    yield from (root / "history" / project / name).glob("*.attrs")


def _is_torn(path: Path) -> bool:
    try:
        json.loads(path.read_bytes())
    except OSError:
        return False
    except ValueError:
        return True
    return False

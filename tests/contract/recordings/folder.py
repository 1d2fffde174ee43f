"""Where the recorded exchanges lie, and what is done without them.

They are looked for beside the project, or where ROLLOUT_KIT_RECORDINGS says. Without them these
tests mean nothing: CI fails, a developer's machine skips and says what to provide.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

_BESIDE = Path(__file__).resolve().parents[3].parent / "shared" / "recordings"
FOLDER = Path(os.environ.get("ROLLOUT_KIT_RECORDINGS") or _BESIDE)
OTHER_PROGRAMS = ("pulumi/",)


def need_folder() -> None:
    """Fail in CI, skip elsewhere, when there is no folder of recordings."""
    if FOLDER.is_dir():
        return
    said = f"no recordings in {FOLDER}: set ROLLOUT_KIT_RECORDINGS to the folder that holds them"
    if os.environ.get("CI"):
        pytest.fail(said)
    pytest.skip(said)


def names() -> list[str]:
    """Every recording of the server, as `area/what`; empty without the folder."""
    found = (path.relative_to(FOLDER).with_suffix("").as_posix() for path in FOLDER.rglob("*.json"))
    return sorted(name for name in found if not name.startswith(OTHER_PROGRAMS))


def load(name: str) -> dict[str, Any]:
    need_folder()
    loaded: dict[str, Any] = json.loads(FOLDER.joinpath(f"{name}.json").read_text("utf-8"))
    return loaded

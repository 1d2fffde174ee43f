"""The recorded exchanges with a server, by name."""

from __future__ import annotations

import json
from typing import Any

from tests.recordings import FOLDER, demand

OTHER_PROGRAMS = ("pulumi/",)


def names() -> list[str]:
    """Every recording of the server, as `area/what`; empty without the folder."""
    found = (path.relative_to(FOLDER).with_suffix("").as_posix() for path in FOLDER.rglob("*.json"))
    return sorted(name for name in found if not name.startswith(OTHER_PROGRAMS))


def load(name: str) -> dict[str, Any]:
    """A file of the recordings as it is; a timeline has no request."""
    demand()
    loaded: dict[str, Any] = json.loads(FOLDER.joinpath(f"{name}.json").read_text("utf-8"))
    return loaded

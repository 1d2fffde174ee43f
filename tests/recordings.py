"""Where the recordings of real programs lie, and what a run does without them.

They lie in a folder beside the project, or where ROLLOUT_KIT_RECORDINGS says. Where that variable
or CI is set they must be there; a plain clone without them skips the tests, and says so.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_NAMED = os.environ.get("ROLLOUT_KIT_RECORDINGS")
FOLDER = Path(_NAMED or Path(__file__).parents[2] / "shared" / "recordings")
PULUMI = FOLDER / "pulumi"
"""Those of the CLI; the other folders are a server's."""


def demand(folder: Path = FOLDER) -> None:
    """Skip, or fail where the recordings must be there."""
    if folder.is_dir():
        return
    said = f"no recordings in {folder}: set ROLLOUT_KIT_RECORDINGS to the folder that holds them"
    if _NAMED or os.environ.get("CI"):
        pytest.fail(said)
    pytest.skip(said)

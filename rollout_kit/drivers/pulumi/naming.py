"""How a program is called, and which commit it stands at."""

from __future__ import annotations

import subprocess
from pathlib import Path

from rollout_kit.drivers.pulumi import api


def commit_of(path: Path) -> str:
    """The commit of the work tree that the program is in; empty where it is in none."""
    folder = path if path.is_dir() else path.parent
    try:
        asked = subprocess.run(
            ["git", "-C", str(folder), "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            check=False,
            timeout=4,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return asked.stdout.strip() if asked.returncode == 0 else ""


def program_name(program: api.Program) -> str:
    """As messages name it."""
    path = Path(program.path)
    return f"{path.name}:{program.function}" if program.function else path.name

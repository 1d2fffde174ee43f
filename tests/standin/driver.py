"""A driver process of its own, for what happens to one: `python -m tests.standin.driver OP PROGRAM`.

It prints a line when its program begins, and ends with 1 where the SDK raised.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from pulumi import automation as auto

from tests.standin.programs import program


def main(operation: str, given: str) -> int:
    spec = json.loads(given)

    def run() -> None:
        print("begun", flush=True)
        program(spec)()

    stack = auto.create_or_select_stack(
        "dev",
        project_name="proj",
        program=run,
        opts=auto.LocalWorkspaceOptions(work_dir=str(Path.cwd())),
    )
    try:
        getattr(stack, operation)()
    except auto.CommandError:
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

"""Write the snapshots of every command's help anew."""

from __future__ import annotations

import contextlib
import io
import os

from rollout_kit.cli.main import main
from tests.cli.test_help import COMMANDS, SNAPSHOTS

os.environ |= {"COLUMNS": "200", "NO_COLOR": "1"}
for command in ["", *COMMANDS]:
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
        main([*([command] if command else []), "--help"])
    (SNAPSHOTS / f"help-{command or 'rollout-kit'}.txt").write_text(text.getvalue())

"""Once the exit code stands, nothing that arrives late may replace it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SIGNALLED_WHILE_LEAVING = """
import gc, os, signal, sys
from rollout_kit.cli.main import entry

class Late:
    def __del__(self, kill=os.kill, pid=os.getpid(), number=getattr(signal, "{name}")):
        kill(pid, number)  # the interpreter is taking its modules apart by now

late = Late()
gc.freeze = lambda: None  # what is frozen is never taken apart
signal.signal(signal.{name}, lambda *_: None)
sys.argv = ["rollout-kit", "validate", "missing.yaml"]
entry()
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_while_the_interpreter_leaves_keeps_the_exit_code(
    tmp_path: Path, name: str
) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", SIGNALLED_WHILE_LEAVING.replace("{name}", name)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert "missing.yaml" in ended.stderr
    assert ended.returncode == 2, ended.stderr

"""A copy of the project in which one file at a time is changed, and what tests and swarm say of it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import cache_from_source
from pathlib import Path

from tests.mutants.records import PROJECT, Mutant
from tests.recordings import FOLDER

FAILED = re.compile(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", re.MULTILINE)
OPTIONS = ("-q", "--tb=no", "-p", "no:cacheprovider")
NOTHING_MARKED = 5
TIME = "time"
LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info")


class Scratch:
    """The copy, with no fault in it or with one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "project"
        shutil.copytree(PROJECT, self.folder, ignore=LEFT_OUT, symlinks=True)

    @contextmanager
    def with_fault(self, mutant: Mutant) -> Iterator[None]:
        path = self.folder / "rollout_kit" / mutant.file
        source = path.read_text(encoding="utf-8")
        try:
            _write(path, mutant.applied(source))
            yield
        finally:
            _write(path, source)

    def first_failure(self, selections: Sequence[str], *, marked: str, limit_s: float) -> str:
        """The first test that fails, or "time" where it takes too long; "" when all pass.

        A test that could not even be collected has caught nothing.
        """
        asked = ["pytest", "-x", "--timeout=120", *OPTIONS, "-m", marked, *selections]
        status, output = self._output(asked, limit_s)
        if status is None:
            return TIME
        if status in (0, NOTHING_MARKED):
            return ""
        found = FAILED.search(output)
        if found is None:
            raise RuntimeError(f"pytest ended with {status}:\n{output[-2000:]}")
        return found[1] if "::" in found[1] else ""

    def failures(self, selections: Sequence[str]) -> tuple[str, ...]:
        """Every one of them that fails as it is."""
        status, output = self._output(["pytest", *OPTIONS, *selections], 3600.0)
        if status not in (0, 1):
            raise RuntimeError(f"pytest ended with {status}:\n{output[-2000:]}")
        return tuple(FAILED.findall(output))

    def swarm(self, seeds: range, *, limit_s: float) -> str:
        """The first rule that a simulated rollout breaks, with its seed; "" when none does."""
        asked = ["tests.mutants.swarm", str(seeds.start), str(seeds.stop)]
        status, output = self._output(asked, limit_s)
        if status == 0:
            return ""
        lines = output.strip().splitlines() or [TIME]
        return next((line for line in lines if line.startswith("seed ")), lines[-1])

    def _output(self, arguments: list[str], limit_s: float) -> tuple[int | None, str]:
        environment = {
            **os.environ,
            "PYTHONPATH": str(self.folder),
            "ROLLOUT_KIT_RECORDINGS": str(FOLDER),
        }
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            output, _ = process.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return None, ""
        return process.returncode, output


def _write(path: Path, text: str) -> None:
    """Without the byte code of what stood there: two texts of one length may share a second."""
    path.write_text(text, encoding="utf-8")
    Path(cache_from_source(str(path))).unlink(missing_ok=True)

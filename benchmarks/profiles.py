"""Why a figure missed: the top of a profile, as text."""

from __future__ import annotations

import io
import pstats
import sys
from cProfile import Profile
from dataclasses import replace
from pathlib import Path

from figures import Figure

LINES = 14


def command(written: Path) -> list[str]:
    """How to run the product under the profiler."""
    return [sys.executable, "-m", "cProfile", "-o", str(written), "-m", "rollout_kit"]


def explain(figure: Figure, profile: Path | Profile) -> Figure:
    """The figure with what took the time, by own time."""
    text = io.StringIO()
    source = str(profile) if isinstance(profile, Path) else profile
    found = pstats.Stats(source, stream=text)
    found.strip_dirs().sort_stats("tottime").print_stats(LINES)
    lines = [line for line in text.getvalue().splitlines() if line.strip()]
    return replace(figure, profile="\n".join(f"  {line}" for line in lines))

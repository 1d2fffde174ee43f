"""The planted faults: each one exact change of one source file, with why it is dangerous."""

from __future__ import annotations

import ast
import tomllib
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
PROJECT = HERE.parents[1]
PACKAGE = PROJECT / "rollout_kit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """`file` below the package; `tests` are tried first, in their order, before the wider suite.

    `alike`: why nobody can tell it from the original; such a one is listed and not counted.
    """

    name: str
    area: str
    file: str
    old: str
    new: str
    why: str
    tests: tuple[str, ...]
    alike: str = ""

    def applied(self, source: str) -> str:
        """The file with the fault in it. Raises `ValueError` where the record has rotted."""
        found = source.count(self.old)
        if found != 1:
            raise ValueError(f"{self.name}: its old text stands {found} times in {self.file}")
        text = source.replace(self.old, self.new)
        if text == source:
            raise ValueError(f"{self.name}: changes nothing")
        ast.parse(text, self.file)
        return text


def mutants() -> tuple[Mutant, ...]:
    """All of them, file by file."""
    return tuple(
        Mutant(area=path.stem, **{**record, "tests": tuple(record["tests"])})
        for path in sorted(HERE.glob("*.toml"))
        for record in tomllib.loads(path.read_text(encoding="utf-8"))["mutant"]
    )

"""The JSON Schema of the plan document: its parts, the assembled file, and how one becomes the other.

The assembled file is what editors, `rollout-kit schema` and the reader use. After a change of a
part: `python -m rollout_kit.document.assembly`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import cast

_FOLDER = Path(__file__).with_name("schema")
ASSEMBLED = _FOLDER / "rollout-plan.v1.json"


def schema_text() -> str:
    """Give the assembled schema as it is published."""
    return ASSEMBLED.read_text(encoding="utf-8")


def load_schema() -> Mapping[str, object]:
    """Give the assembled schema."""
    return cast("Mapping[str, object]", json.loads(schema_text()))


def assemble() -> str:
    """Put the parts together.

    Each file of `steps/` is what `with` may hold for its `uses`, each of `infra/` what `infra` may
    hold for its `driver`.
    """
    schema = json.loads((_FOLDER / "document.json").read_text(encoding="utf-8"))
    for kind in ("infra", "steps"):
        schema["$defs"][kind] = {
            part.stem: json.loads(part.read_text(encoding="utf-8"))
            for part in sorted((_FOLDER / kind).glob("*.json"))
        }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    ASSEMBLED.write_text(assemble(), encoding="utf-8")

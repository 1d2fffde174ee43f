"""One JSON document, as every command prints it with `--output json`."""

from __future__ import annotations

import json
from collections.abc import Mapping

SCHEMA_VERSION = 1


def document(kind: str, body: Mapping[str, object]) -> str:
    """The body, with the version of its shape and what it is."""
    return json.dumps({"schema_version": SCHEMA_VERSION, "type": kind, **body}, indent=2)

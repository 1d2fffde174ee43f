"""The form of a document that a journal carries, and what identifies it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from rollout_kit.document.variables import Variable


def canonical(document: Mapping[str, object], variables: Iterable[Variable]) -> str:
    """Write the document so that only what it means decides its digest."""
    kept = {key: value for key, value in document.items() if not key.startswith("x-")}
    kept["vars"] = {
        variable.name: {"default": variable.value} | ({"secret": True} if variable.secret else {})
        for variable in variables
    }
    return json.dumps(kept, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest(text: str) -> str:
    """Identify a canonical document: comments, layout and order of keys do not matter."""
    import hashlib

    return hashlib.sha256(text.encode()).hexdigest()

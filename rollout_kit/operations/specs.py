"""Process specs as facts: what runs now, in one line that an undo can be built from.

The version that a driver knows of an image is knowledge, not state, so it is left out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

from rollout_kit.model import codec
from rollout_kit.model.observation import FactValue
from rollout_kit.operations.asking import Missing
from rollout_kit.ports.infra import ProcessSpec

_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def canonical(spec: ProcessSpec) -> str:
    """The spec as canonical JSON, secrets as references."""
    return _CANONICAL.encode(codec.to_json(spec) | {"version": None})


def parse(value: FactValue) -> ProcessSpec | None:
    """The inverse of `canonical`; None where the fact holds no spec."""
    return _parsed(value) if isinstance(value, str) else None


@lru_cache(maxsize=256)
def _parsed(text: str) -> ProcessSpec:
    return codec.from_json(ProcessSpec, json.loads(text))


def same(one: ProcessSpec, other: ProcessSpec) -> bool:
    """Whether both are the same state, whatever is known of their images."""
    return replace(one, version=None) == replace(other, version=None)


def spec_facts(
    fact: Callable[[str], str], spec: ProcessSpec | Missing | None
) -> dict[str, FactValue]:
    """The facts of one spec; `None` is a process that is not to run, `Missing` nobody read it."""
    names = ("image", "marker", "spec", "spec_json")
    values: tuple[FactValue, ...]
    match spec:
        case Missing():
            values = (spec.why,) * 4
        case None:
            values = (None,) * 4
        case ProcessSpec():
            text = canonical(spec)
            digest = hashlib.sha256(text.encode()).hexdigest()
            values = (spec.image, spec.marker, digest, text)
    return {fact(name): value for name, value in zip(names, values, strict=True)}


def runs_something(spec: ProcessSpec | None) -> bool:
    """Whether it names an image: a driver shows none where a lost change left nothing running."""
    return spec is not None and bool(spec.image)


def changed(
    before: ProcessSpec, *, image: str | None, set_marker: bool, marker: str | None
) -> ProcessSpec:
    """`before` with another image (None keeps it) and, where `set_marker`, another marker."""
    return replace(
        before,
        image=image or before.image,
        marker=marker if set_marker else before.marker,
        version=before.version if image in (None, before.image) else None,
    )

"""A preview kept in a file: what was reviewed, bound to its plan and to the fleet that it saw. Pure.

It holds what a comparison needs and no more: facts, and a digest of each operation. What a process is
started with is kept as keyed digests, variable by variable: a difference can be named, a value not read.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from rollout_kit.execution.drift import concerns
from rollout_kit.execution.preview import Preview
from rollout_kit.model import codec
from rollout_kit.model.execution_plan import Scope
from rollout_kit.model.identity import encoded
from rollout_kit.model.observation import Absent, Facts, FactValue
from rollout_kit.model.operation import Operation

FORMAT = 1
DIGEST = 12
"""Hex digits that are kept of a digest which only has to differ when its subject does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedOperation:
    """One operation as it was previewed. `digest` is over all of it: arguments, gate, limits."""

    id: str
    step: str
    change: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedPreview:
    """`facts`: those with a value. `unread`: those that gave none, and so are never compared.

    `bound`: what else it is held to, as the driver tells it: a stack's state, configuration, program.
    """

    format: int
    target: str
    plan: str
    digest: str
    fingerprint: str
    tool_version: str
    made_at: datetime
    made_by: str
    salt: str
    facts: Mapping[str, FactValue]
    unread: tuple[str, ...]
    operations: tuple[SavedOperation, ...]
    bound: Mapping[str, str] = field(default_factory=dict)


class NotASavedPreview(Exception):
    """The text is none, or none that this version can use; the message says which."""


def saved(
    preview: Preview, *, made_at: datetime, made_by: str, tool_version: str, salt: str
) -> SavedPreview:
    """What of a preview `apply` can be held to. `salt`: random text, the key of the digests."""
    assert preview.seen is not None
    assert preview.execution_plan is not None
    facts = shown(preview.seen.facts, preview.execution_plan.scope, salt)
    return SavedPreview(
        format=FORMAT,
        target=preview.target,
        plan=preview.plan,
        digest=preview.digest,
        fingerprint=preview.fingerprint,
        tool_version=tool_version,
        made_at=made_at,
        made_by=made_by,
        salt=salt,
        facts={k: v for k, v in facts.items() if not isinstance(v, Absent)},
        unread=tuple(k for k, v in facts.items() if isinstance(v, Absent)),
        operations=tuple(operations(preview)),
        bound=preview.bound,
    )


def operations(preview: Preview) -> Iterator[SavedOperation]:
    """Every operation of the preview, in its order."""
    for step in preview.steps:
        for item in step.operations:
            yield SavedOperation(
                id=item.operation.id,
                step=step.id,
                change=item.change.kind.value,
                digest=_digest(item.operation),
            )


def shown(facts: Facts, scope: Scope, salt: str) -> dict[str, FactValue]:
    """The facts that the plan names or relies on, sorted, with specs taken apart and made unreadable."""
    found: dict[str, FactValue] = {}
    for fact, value in sorted(facts.items()):
        if not concerns(scope, fact):
            continue
        prefix, _, attribute = fact.rpartition("/")
        if attribute == "spec_json":
            found |= _taken_apart(prefix, value, salt)
        elif attribute != "spec":
            found[fact] = value
    return found


def to_text(preview: SavedPreview) -> str:
    """As the file holds it."""
    body = codec.to_json(preview)
    return json.dumps({**body, "checksum": _checksum(body)}, indent=1, ensure_ascii=False) + "\n"


def from_text(text: str) -> SavedPreview:
    """The inverse of `to_text`.

    Raises:
        NotASavedPreview: it is something else, of a newer version, or was changed by hand.
    """
    try:
        body = json.loads(text)
    except ValueError as error:
        raise NotASavedPreview(f"it is no JSON ({error})") from error
    if not isinstance(body, dict) or body.get(codec.TAG) != SavedPreview.__name__:
        raise NotASavedPreview("it is no saved preview: `rollout-kit preview --save` writes one")
    version = body.get("format")
    if isinstance(version, int) and version > FORMAT:
        made_by = body.get("tool_version")
        raise NotASavedPreview(
            f"it has format {version}, made by rollout-kit {made_by}; this version reads {FORMAT}"
        )
    checksum = body.pop("checksum", None)
    if checksum != _checksum(body):
        raise NotASavedPreview("it was changed after it was saved: its checksum does not fit")
    try:
        return codec.from_json(SavedPreview, body)
    except (codec.CodecError, ValueError) as error:
        raise NotASavedPreview(f"it is no whole saved preview: {error}") from error


def _taken_apart(prefix: str, value: FactValue, salt: str) -> dict[str, FactValue]:
    """A spec's environment, name by name. Image, marker and server id are facts of their own."""
    environment = json.loads(value)["environment"] if isinstance(value, str) else {}
    return {
        f"{prefix}/environment/{encoded(name)}": _keyed(salt, text)
        for name, text in sorted(environment.items())
    }


def _keyed(salt: str, text: str) -> str:
    key = salt.encode()[: hashlib.blake2b.MAX_KEY_SIZE]
    return "digest " + hashlib.blake2b(text.encode(), key=key).hexdigest()[:DIGEST]


def _digest(operation: Operation) -> str:
    """Without its place in the file: a comment above a step changes nothing."""
    return _checksum(codec.to_json(replace(operation, line=0, column=0)))[:DIGEST]


def _checksum(body: Any) -> str:
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()

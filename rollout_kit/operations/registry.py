"""Every operation kind, by name. Adding one is its file and its line here."""

from __future__ import annotations

from collections.abc import Mapping

from rollout_kit.operations.api import OperationKind

KINDS: Mapping[str, OperationKind] = {
    kind.kind: kind
    for kind in (
        # one line a kind, sorted
    )
}

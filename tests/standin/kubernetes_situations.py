"""Recorded situations of a cluster: from where each begins, and what is known to differ."""

from __future__ import annotations

from operator import methodcaller
from typing import Any

Spec = dict[str, Any]


def _whole(image: str, **more: Any) -> Spec:
    return {
        "cm": {"a": "1"},
        "deployment": {"image": image, "timeout": 60, **more},
        "job": "shop/migrate:1",
        "service": "skip",
        "sts": "shop/db:1",
    }


_OLD, _NEW = _whole("shop/web:1.0"), _whole("shop/web:1.1")
_BAD = _whole("shop/web:1.2-bad", never=True) | {
    "deployment": {"image": "shop/web:1.2-bad", "timeout": 2, "never": True}
}
_ALONE = {"deployment": {"image": "shop/web:1.0", "timeout": 60}}
_FEWER = {key: _NEW[key] for key in ("deployment", "service", "sts")}
_SMALL = {"ns": "shop3", "cm": {"a": "1"}}

PLAYED: dict[str, list[Any]] = {
    "already-exists": ["stack", methodcaller("create_behind")],
    "cluster-unreachable": [
        methodcaller("lose_cluster"),
        ("then", {"cm": {"a": "1"}}),
        "stack",
    ],
    "create": ["stack"],
    "delete-one": [_NEW],
    "deleted-behind": [_ALONE, methodcaller("delete_behind")],
    "destroy": [_FEWER],
    "drift": [_NEW, methodcaller("drift")],
    "image-update": [_OLD],
    "kubeconfig-changed": [_SMALL, methodcaller("rotate")],
    "never-ready": [_NEW],
    "never-ready-rollback": [_NEW, ("failing", _BAD)],
    "no-change": [_OLD],
    "progress-deadline": [_NEW],
    "replace": [_FEWER],
    "secret": [("then", {"ns": "shop4", "secret": "canary-secret-value"}), "stack"],
    "service-await": ["stack"],
    "sigint-during-await": [_NEW],
    "sigint-then-old-program": [_ALONE],
    "sigkill-during-await": [_NEW],
}

WITHIN_S = {"progress-deadline": 12, "sigint-during-await": 12}
"""The waits that took a minute each when they were recorded."""

PROGRAMS: dict[tuple[str, int], Spec] = {("progress-deadline", 3): _NEW}
"""The programs of steps whose recording only describes them."""

DIFFERENT: dict[str, str] = {
    "drift": "the recorded preview met both fields that others own, its update only the first; the "
    "real provider's preview now meets none, and the stand-in meets both each time",
}
"""Differs with the real CLI too; each must go on differing, or leave."""

DIFFERENT_HERE: dict[str, str] = {}
"""What the stand-in alone does differently; each must go on differing, or leave this list."""

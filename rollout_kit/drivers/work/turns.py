"""Who makes room for whom in a queue of changes; pure."""

from __future__ import annotations


def ends_for(earlier: str, key: str) -> bool:
    """Whether what runs under `earlier` is asked to end because `key` begins, not only waited for.

    Keys are `<rollout>/<operation>/<attempt>`. An attempt ends for the next one of its operation,
    the way forward for its undo, a rollout for the one after it (but not one that somebody still
    runs, of another target). Operations of one rollout that are
    in flight together wait for each other.
    """
    old, new = _parts(earlier), _parts(key)
    if old[:2] == new[:2]:
        return True  # the same operation, or the same key
    return old[0] != new[0] or (_undoes(new[1]) and not _undoes(old[1]))


def same_rollout(earlier: str, key: str) -> bool:
    return _parts(earlier)[0] == _parts(key)[0]


def operation_of(key: str) -> str:
    """The operation in a key; empty for what is none's, such as a job of a revision."""
    return _parts(key)[1]


def _parts(key: str) -> tuple[str, str, str]:
    rollout, _, rest = key.partition("/")
    operation, _, attempt = rest.rpartition("/")
    return rollout, operation, attempt


def _undoes(operation: str) -> bool:
    return operation.startswith("undo/")

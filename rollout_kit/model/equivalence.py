"""When a fleet is as it was: what a rollback is measured by."""

from __future__ import annotations

from rollout_kit.model.observation import Absent, Difference, Facts

RESTORED = {
    "node": ("image", "version", "marker", "attached", "topology"),
    "cohort": ("drain_intent", "selected", "replicas", "image"),
    "scheduler": ("image", "marker", "running"),
    "maintenance": ("image", "marker"),
}
"""The facts that a rollback restores. Ids, times, server ids and protocols follow from them."""


def equivalent(
    before: Facts, now: Facts, *, ignored: tuple[str, ...] = ()
) -> tuple[Difference, ...]:
    """Facts of `before` that `now` does not have; empty: the fleet is as it was.

    Only what existed before counts: dead rows of builds that the rollout brought are no difference.
    `ignored`: fact paths, or prefixes ending in `/`: *Keep* operations and residue. A fact that gives
    no answer now is a difference: nobody has seen it restored (rule 14).
    """
    found = []
    for fact, expected in sorted(before.items()):
        if isinstance(expected, Absent) or not _restored(fact) or _matches(fact, ignored):
            continue
        present = now.get(fact, Absent.NOT_READ)
        if present != expected and not (fact.endswith("/drain_intent") and fact not in now):
            found.append(Difference(fact=fact, expected=expected, found=present))
    return tuple(found)


def _restored(fact: str) -> bool:
    kind, _, attribute = fact.partition("/")
    return attribute.rpartition("/")[2] in RESTORED.get(kind, ())


def _matches(fact: str, paths: tuple[str, ...]) -> bool:
    return any(fact == path or (path.endswith("/") and fact.startswith(path)) for path in paths)

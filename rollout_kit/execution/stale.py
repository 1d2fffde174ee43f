"""Whether a saved preview still holds: what of plan and fleet has moved since. Pure.

Compared is only what both looks have read. A fact that is there on one side alone has come or gone,
where the other side has asked whoever would have told of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rollout_kit.execution.preview import DRIVER_FACTS, Preview
from rollout_kit.execution.saved_preview import SavedOperation, SavedPreview, operations, shown
from rollout_kit.model.observation import Absent, Facts, FactValue, show

NOT_THERE = "not there"
SERVER_ROWS = {"drain_intent": "active", "selected": False, "rolled_back": False}
"""What the server tells of a cohort, and what it says of one that nobody has done anything to."""
NAMED_IN_A_SENTENCE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """One thing that is not as it was: a fact, an operation, or the plan itself. As people read it."""

    what: str
    was: str
    now: str

    @property
    def sentence(self) -> str:
        return f"{self.what}: was {self.was}, is {self.now}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Staleness:
    """Everything that has moved since the preview was saved; false when nothing has.

    Where facts moved, `operations` are what that makes of the plan; where none did, another version of
    this tool plans otherwise.
    """

    saved: SavedPreview
    digest: tuple[Moved, ...] = ()
    bound: tuple[Moved, ...] = ()
    facts: tuple[Moved, ...] = ()
    operations: tuple[Moved, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.moved)

    @property
    def moved(self) -> tuple[Moved, ...]:
        """Causes first."""
        return (*self.digest, *self.bound, *self.facts, *self.operations)

    @property
    def sentence(self) -> str:
        """What moved, in one line."""
        causes = (
            ("plan", self.digest),
            ("infrastructure's stack", self.bound),
            ("fleet", self.facts),
        )
        what = (
            " and ".join(f"the {name}" for name, found in causes if found) or "what would be done"
        )
        by = f"saved by {self.saved.made_by} at {self.saved.made_at:%Y-%m-%d %H:%M:%S} UTC"
        named = "; ".join(item.sentence for item in self.moved[:NAMED_IN_A_SENTENCE])
        rest = len(self.moved) - NAMED_IN_A_SENTENCE
        more = f"; and {rest} more" if rest > 0 else ""
        return f"{what} has moved since the preview {by}: {named}{more}"


def compare(saved: SavedPreview, present: Preview) -> Staleness:
    """The saved preview against one that was taken now.

    Operations are compared where the plan is another one, or where nothing was left unread: what the
    planner could not know then may well make another operation of it now.
    """
    assert present.seen is not None
    assert present.execution_plan is not None
    now = shown(present.seen.facts, present.execution_plan.scope, saved.salt)
    same_plan = saved.digest == present.digest
    digest = Moved(what="plan digest", was=saved.digest[:12], now=present.digest[:12])
    complete = not saved.unread and not any(isinstance(v, Absent) for v in now.values())
    return Staleness(
        saved=saved,
        digest=() if same_plan else (digest,),
        bound=tuple(_bound(saved.bound, present.bound)),
        facts=tuple(_facts(saved, now, same_plan=same_plan)),
        operations=tuple(_operations(saved, tuple(operations(present))))
        if complete or not same_plan
        else (),
    )


def _bound(was: Mapping[str, str], now: Mapping[str, str]) -> Iterator[Moved]:
    """What a session without the driver's credentials could not read is not compared."""
    if not was or not now:
        return
    for what in dict.fromkeys((*was, *now)):
        before, after = was.get(what, NOT_THERE), now.get(what, NOT_THERE)
        if before != after:
            yield Moved(what=what, was=before, now=after)


def _operations(saved: SavedPreview, present: tuple[SavedOperation, ...]) -> Iterator[Moved]:
    before = {item.id: item for item in saved.operations}
    after = {item.id: item for item in present}
    for name in dict.fromkeys((*before, *after)):
        was, now = before.get(name), after.get(name)
        if was == now:
            continue
        told_was, told_now = _told(was), _told(now)
        if told_was == told_now and was and now:
            told_was, told_now = f"{told_was} ({was.digest})", f"{told_now} ({now.digest})"
        yield Moved(what=f"operation {name}", was=told_was, now=told_now)


def _told(operation: SavedOperation | None) -> str:
    return NOT_THERE if operation is None else operation.change


def _facts(saved: SavedPreview, now: Facts, *, same_plan: bool) -> Iterator[Moved]:
    """`same_plan`: another plan looks elsewhere, so what it alone has seen has not come or gone."""
    was = saved.facts
    unread = frozenset(saved.unread)
    known = {k: v for k, v in now.items() if not isinstance(v, Absent)}
    for fact in sorted({*was, *now} - unread):
        if isinstance(now.get(fact), Absent) or was.get(fact) == known.get(fact):
            continue
        if fact in was and fact in now:
            yield Moved(what=fact, was=show(was[fact]), now=show(known[fact]))
        elif same_plan and fact in known and _asked(fact, was):
            yield Moved(what=fact, was=NOT_THERE, now=show(known[fact]))
        elif same_plan and fact in was and _asked(fact, known) and not _untouched_row(fact, was):
            yield Moved(what=fact, was=show(was[fact]), now=NOT_THERE)


def _asked(fact: str, known: Facts) -> bool:
    """Whether a look that knows these facts would have known this one, had it been there."""
    parts = fact.split("/")
    if parts[0] == "cohort" and parts[-1] in SERVER_ROWS:
        return f"queue/{parts[1]}/{parts[2]}/answers" in known
    if "environment" in parts[1:]:
        return f"{'/'.join(parts[: parts.index('environment', 1)])}/image" in known
    return parts[0] in ("cohort", "maintenance") and _answered_by_driver(known)


def _answered_by_driver(known: Facts) -> bool:
    return any(fact.rpartition("/")[2] in DRIVER_FACTS for fact in known)


def _untouched_row(fact: str, was: Mapping[str, FactValue]) -> bool:
    """Rows of builds long gone are dropped by the server in its own time."""
    attribute = fact.rpartition("/")[2]
    return attribute in SERVER_ROWS and was[fact] == SERVER_ROWS[attribute]

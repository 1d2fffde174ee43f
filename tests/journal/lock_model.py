"""Lock, fence and journal of two writers as a small transition system, to be searched exhaustively.

Written from the rules, not from the code: what a writer may do is a handful of guarded steps, and time
is a step like any other, taken by either writer's clock alone or by both. So every pause, every order
and every difference between the clocks (up to `drift`) is among the paths. `Rules` turns single
safeguards off: a search that then finds nothing would prove nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple, TypeAlias

NEVER = -1


class Stage(IntEnum):
    GONE = 0  # has ended, was killed, or has learnt that it lost
    WATCHING = 1  # has read the lock, and looks whether it changes
    HOLDING = 2


class Writer(NamedTuple):
    """What one process knows. Ages are in ticks of its own clock, and stop to count at one TTL."""

    stage: Stage = Stage.GONE
    current: bool = False  # the lock is still the version that this writer has seen last
    age: int = 0  # since it first saw that version, or began its last successful renewal
    ready: bool = False  # a watcher found it free or silent, and takes it next
    fence: int = 0
    renewing: int = NEVER  # age of a renewal that is under way
    known: int = NEVER  # records it read or wrote; NEVER: not read yet
    attached: bool = False
    sending: int = NEVER  # an append under way, as the sequence it asked for (object store only)
    intent: int = NEVER  # the record that announced an effect which was not sent yet
    checked: bool = False  # has asked the lock, and sends next


class World(NamedTuple):
    writers: tuple[Writer, Writer]
    fence: int = 0  # of the lock
    free: bool = True  # released, or never taken
    journal: tuple[tuple[int, int], ...] = ()  # sequence and fence of each record
    late: tuple[tuple[int, int], ...] = ()  # appends of dead writers that may still arrive
    drift: int = 0  # ticks that the first clock has run ahead of the second
    starts: int = 0
    forced: int = 0
    broken: str = ""


class Act(NamedTuple):
    """One step: who (NEVER: nobody of the two) does what; of an arrival, which of the late ones."""

    name: str
    who: int = NEVER


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The safeguards, and how far the search goes."""

    object_store: bool = False  # appends are created if absent, and may arrive late
    compares_fence: bool = True
    compares_predecessor: bool = True  # in the object store: created only if absent
    half_ttl: bool = True  # before an effect the last renewal is younger than half a TTL
    expires: bool = True  # a lock that did not change for one TTL may be taken
    swaps: bool = True  # the lock is replaced only by who has seen its present version
    intent_first: bool = True
    ttl: int = 2  # in ticks
    drift: int = 1  # ticks that the clocks may move apart; safe up to half a TTL
    starts: int = 2
    records: int = 3
    forced: int = 0

    @property
    def half(self) -> int:
        return self.ttl // 2


Path: TypeAlias = tuple[Act, ...]
Step: TypeAlias = tuple[Act, World]
FIRST = World(writers=(Writer(), Writer()))


def steps(world: World, rules: Rules) -> Iterator[Step]:
    """Every step that is possible now, with the world after it."""
    if world.broken:
        return
    yield from _ticks(world, rules)
    if world.forced < rules.forced and not world.free:
        opened = _changed(world)._replace(fence=world.fence + 1, free=True)
        yield Act("force"), opened._replace(forced=world.forced + 1)
    for number in range(len(world.late)):
        rest = world.late[:number] + world.late[number + 1 :]
        sequence, fence = world.late[number]
        after = _landed(world, sequence, fence, rules) or world
        yield Act("arrive", number), after._replace(late=rest)
    for who, writer in enumerate(world.writers):
        match writer.stage:
            case Stage.GONE:
                if world.starts < rules.starts:
                    seen = _put(world, who, _watching(world))
                    yield Act("look", who), seen._replace(starts=world.starts + 1)
            case Stage.WATCHING:
                yield Act("poll", who), _poll(world, who, rules)
                yield Act("crash", who), _gone(world, who)
            case Stage.HOLDING:
                yield from _holding(world, who, writer, rules)


def _ticks(world: World, rules: Rules) -> Iterator[Step]:
    first, second = (_older(writer, rules.ttl) for writer in world.writers)
    if (first, second) != world.writers:
        yield Act("tick"), world._replace(writers=(first, second))
    if world.drift < rules.drift and first != world.writers[0]:
        after = world._replace(writers=(first, world.writers[1]), drift=world.drift + 1)
        yield Act("tick", 0), after
    if world.drift > 0 and second != world.writers[1]:
        after = world._replace(writers=(world.writers[0], second), drift=world.drift - 1)
        yield Act("tick", 1), after


def _older(writer: Writer, ttl: int) -> Writer:
    if writer.stage is Stage.GONE:
        return writer
    renewing = min(writer.renewing + 1, ttl) if writer.renewing != NEVER else NEVER
    return writer._replace(age=min(writer.age + 1, ttl), renewing=renewing)


def _poll(world: World, who: int, rules: Rules) -> World:
    """A watcher looks again: free or silent for one TTL, changed, or as before. Then it takes it."""
    writer = world.writers[who]
    if writer.ready and writer.current:
        taken = _changed(world)._replace(fence=world.fence + 1, free=False)
        return _put(taken, who, Writer(stage=Stage.HOLDING, current=True, fence=taken.fence))
    if writer.ready:  # somebody was faster: it watches anew
        return _put(world, who, _watching(world))
    if not writer.current:
        seen = writer._replace(current=True, ready=True)
        return _put(world, who, seen) if world.free else _gone(world, who)
    silent = writer.age >= rules.ttl and rules.expires
    return _put(world, who, writer._replace(ready=world.free or silent))


def _watching(world: World) -> Writer:
    return Writer(stage=Stage.WATCHING, current=True, ready=world.free)


def _holding(world: World, who: int, writer: Writer, rules: Rules) -> Iterator[Step]:
    yield Act("crash", who), _gone(world, who)
    if writer.renewing == NEVER:
        if writer.age > 0:
            yield Act("renew", who), _put(world, who, writer._replace(renewing=0))
    elif writer.current or not rules.swaps:
        renewed = writer._replace(age=writer.renewing, renewing=NEVER, current=True)
        yield Act("renewed", who), _put(_changed(world), who, renewed)
    else:
        yield Act("renewed", who), _gone(world, who)
    if writer.sending != NEVER:
        if writer.sending == len(world.journal):
            written = world._replace(journal=(*world.journal, (writer.sending, writer.fence)))
            yield Act("land", who), written  # and its answer is late, or lost
        yield Act("answer", who), _answered(world, who, writer, rules)
        return
    if writer.known == NEVER:
        yield Act("read", who), _put(world, who, writer._replace(known=len(world.journal)))
    elif writer.intent == NEVER and len(world.journal) < rules.records:
        yield Act("append", who), _append(world, who, writer, rules)
    if writer.intent != NEVER and not writer.checked and _fresh(writer, rules):
        lost = world.free or world.fence != writer.fence
        asked = Writer() if lost else writer._replace(checked=True)
        yield Act("check", who), _put(world, who, asked)
    if writer.checked:
        yield Act("send", who), _send(world, who, writer)
    if writer.attached and writer.intent == NEVER and writer.renewing == NEVER:
        ended = _gone(world, who)
        yield Act("release", who), _changed(ended)._replace(free=True) if writer.current else ended


def _fresh(writer: Writer, rules: Rules) -> bool:
    return writer.age < rules.half or not rules.half_ttl


def _append(world: World, who: int, writer: Writer, rules: Rules) -> World:
    """The first record says who has it now; every later one announces an effect."""
    if rules.compares_fence and any(
        fence > writer.fence for _, fence in world.journal[: writer.known]
    ):
        return _gone(world, who)
    if not rules.intent_first and writer.attached:
        return _put(world, who, writer._replace(intent=writer.known))
    if rules.object_store:
        return _put(world, who, writer._replace(sending=writer.known))
    written = _landed(world, writer.known, writer.fence, rules)
    return _put(written, who, _wrote(writer)) if written else _refused(world, who, rules)


def _refused(world: World, who: int, rules: Rules) -> World:
    """Somebody wrote there: after a late record of who went before us we append, else we are out."""
    writer = world.writers[who]
    sequence = max(writer.known, writer.sending)
    if writer.attached or world.journal[sequence][1] >= writer.fence:
        return _put(world, who, Writer())  # nothing of ours is under way: it was refused
    return _append(world, who, writer._replace(known=len(world.journal), sending=NEVER), rules)


def _landed(world: World, sequence: int, fence: int, rules: Rules) -> World | None:
    """A record reaches the store; None where it is refused."""
    if sequence == len(world.journal):
        return world._replace(journal=(*world.journal, (sequence, fence)))
    if rules.compares_predecessor:
        return None
    if rules.object_store:
        return world._replace(broken="a record was written over")
    return world._replace(journal=(*world.journal, (sequence, fence)))


def _answered(world: World, who: int, writer: Writer, rules: Rules) -> World:
    """An append in the object store comes back; an answer that was lost is read back and compared."""
    if writer.sending < len(world.journal):
        ours = world.journal[writer.sending] == (writer.sending, writer.fence)
        if ours or rules.compares_predecessor:
            return _put(world, who, _wrote(writer)) if ours else _refused(world, who, rules)
    written = _landed(world, writer.sending, writer.fence, rules)
    return _put(written, who, _wrote(writer)) if written else _refused(world, who, rules)


def _wrote(writer: Writer) -> Writer:
    return writer._replace(
        known=writer.known + 1,
        sending=NEVER,
        attached=True,
        intent=writer.known if writer.attached else NEVER,
    )


def _send(world: World, who: int, writer: Writer) -> World:
    announced = (writer.intent, writer.fence) in world.journal
    after = _put(world, who, writer._replace(intent=NEVER, checked=False))
    return after if announced else after._replace(broken="an effect that no record announced")


def _gone(world: World, who: int) -> World:
    """The process is no more; what it had sent to an object store may still arrive."""
    writer = world.writers[who]
    late = world.late
    if writer.sending != NEVER:
        late = (*late, (writer.sending, writer.fence))
    return _put(world, who, Writer())._replace(late=late)


def _changed(world: World) -> World:
    """The lock has a new version: nobody has seen it yet."""
    first, second = (writer._replace(current=False) for writer in world.writers)
    return world._replace(writers=(first, second))


def _put(world: World, who: int, writer: Writer) -> World:
    other = world.writers[1 - who]
    return world._replace(writers=(writer, other) if who == 0 else (other, writer))


# --- what must hold in every world ------------------------------------------------------------------


def violation(world: World, rules: Rules) -> str:
    """What is wrong in this world; empty when nothing is."""
    if world.broken:
        return world.broken
    if [sequence for sequence, _ in world.journal] != list(range(len(world.journal))):
        return "two records with one sequence"
    fences = [fence for _, fence in world.journal]
    if fences != sorted(fences):
        return "a record of an old fence after one of a newer"
    one, two = world.writers
    if one.stage is two.stage is Stage.HOLDING:
        if one.fence == two.fence:
            return "two holders with one fence"
        if not world.forced and _may_act(one, rules) and _may_act(two, rules):
            return "two that believe they may act"
    return ""


def _may_act(writer: Writer, rules: Rules) -> bool:
    return writer.attached and _fresh(writer, rules)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A search's result. `path`: the shortest way to the violation."""

    states: int
    transitions: int
    violation: str = ""
    path: Path = ()
    worlds: tuple[World, ...] = field(default=(), repr=False)


def search(rules: Rules, wrong: Callable[[World, Rules], str] = violation) -> Found:
    """Breadth first over everything reachable; stops at the first violation."""
    parents: dict[World, tuple[World, Act] | None] = {FIRST: None}
    known = {_same(FIRST)}
    queue = deque([FIRST])
    transitions = 0
    while queue:
        world = queue.popleft()
        for act, after in steps(world, rules):
            transitions += 1
            seen = _same(after)
            if seen in known:
                continue
            known.add(seen)
            parents[after] = (world, act)
            problem = wrong(after, rules)
            if problem:
                path = _path(parents, after)
                return Found(
                    states=len(parents), transitions=transitions, violation=problem, path=path
                )
            queue.append(after)
    return Found(states=len(parents), transitions=transitions, worlds=tuple(parents))


def _same(world: World) -> World:
    """The two writers are alike: a world and its mirror image are searched once."""
    first, second = world.writers
    return world if world.drift or first >= second else world._replace(writers=(second, first))


def stuck(worlds: tuple[World, ...], rules: Rules) -> list[World]:
    """The worlds from which no way leads to one record more, though there is room for it."""
    before: dict[World, list[World]] = {_same(world): [] for world in worlds}
    good: list[World] = []
    for world in worlds:
        for _, after in steps(world, rules):
            if len(after.journal) > len(world.journal):
                good.append(_same(world))
            else:
                before[_same(after)].append(_same(world))
    seen = set(good)
    while good:
        for world in before[good.pop()]:
            if world not in seen:
                seen.add(world)
                good.append(world)
    return [w for w in worlds if len(w.journal) < rules.records and _same(w) not in seen]


def _path(parents: dict[World, tuple[World, Act] | None], world: World) -> Path:
    acts: list[Act] = []
    while (step := parents[world]) is not None:
        world, act = step
        acts.append(act)
    return tuple(reversed(acts))

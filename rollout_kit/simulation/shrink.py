"""From a scenario that breaks a rule to a smaller one that still does, and the line that replays it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from typing import Any, TypeVar

from rollout_kit.model import codec
from rollout_kit.simulation.checkers import CHECKERS
from rollout_kit.simulation.faults import Blow
from rollout_kit.simulation.run import run
from rollout_kit.simulation.scenario import PlanShape, Scenario, Topology

TRIES = 300
"""So many runs at most: the last ones save little."""
KEPT = frozenset({"seed", "topology", "plan", "faults", "blows", "theirs"})
"""Fields of a scenario that are no plain choice."""

Part = TypeVar("Part", Topology, PlanShape, Scenario)


def breaks(checker: str) -> Callable[[Scenario], bool]:
    """Whether a scenario breaks this rule. One that is no plan any more breaks nothing."""

    def does(scenario: Scenario) -> bool:
        try:
            return any(found.checker == checker for found in run(scenario, CHECKERS).violations)
        except ValueError:
            return False

    return does


def shrink(scenario: Scenario, still: Callable[[Scenario], bool], tries: int = TRIES) -> Scenario:
    """The smallest that could be found for which `still` is true, as it is for this one."""
    *_, smallest = scenario, *shrinking(scenario, still, tries)
    return smallest


def shrinking(
    scenario: Scenario, still: Callable[[Scenario], bool], tries: int = TRIES
) -> Iterator[Scenario]:
    """After each try the smallest so far.

    Fewer faults first, then a smaller fleet and a shorter plan, then usual values for the rest; again
    until nothing gets smaller. A user's plan and fleet stay as they are.
    """
    left = tries
    while True:
        for smaller in _smaller(scenario):
            if left == 0:
                return
            left -= 1
            if still(smaller):
                scenario = smaller
                yield scenario
                break
            yield scenario
        else:
            return


def replay_line(scenario: Scenario) -> str:
    """The command that runs this very scenario and tells everything that happens."""
    return f"python -m rollout_kit.simulation --replay {shlex.quote(encode(scenario))}"


def encode(scenario: Scenario) -> str:
    """As JSON on one line; what is as usual is left out.

    Raises:
        ValueError: it carries a user's plan, which no line holds.
    """
    if scenario.theirs is not None:
        raise ValueError("a scenario with a plan of its own is replayed by that plan and its seed")
    usual = Scenario(
        seed=0, topology=Topology(generation=scenario.topology.generation), plan=PlanShape()
    )
    body = _differing(scenario, usual)
    body["topology"] = _differing(scenario.topology, usual.topology) | {
        "generation": scenario.topology.generation.value
    }
    body["plan"] = _differing(scenario.plan, usual.plan)
    return json.dumps(body, separators=(",", ":"))


def decode(text: str) -> Scenario:
    """The inverse. Raises `codec.CodecError`, `ValueError`."""
    body = json.loads(text)
    parts = {"seed": body.get("seed", 0), "topology": body["topology"], "plan": body["plan"]}
    bare = {name: value for name, value in body.items() if name not in KEPT}
    blows = tuple(codec.from_json(Blow, blow) for blow in body.get("blows", ()))
    found = Scenario(
        seed=int(parts["seed"]),
        topology=codec.from_json(Topology, parts["topology"]),
        plan=codec.from_json(PlanShape, parts["plan"]),
        blows=blows,
        faults=tuple(dict.fromkeys(blow.fault for blow in blows)),
    )
    kinds = {item.name: type(getattr(found, item.name)) for item in fields(Scenario)}
    changes: dict[str, Any] = {name: kinds[name](value) for name, value in bare.items()}
    return replace(found, **changes)


def _differing(part: object, usual: object) -> dict[str, Any]:
    """What of it is not as usual, as JSON."""
    found = {}
    for item in fields(part):  # type: ignore[arg-type]
        value = getattr(part, item.name)
        if item.name not in ("topology", "plan", "faults") and value != getattr(usual, item.name):
            found[item.name] = codec.to_json(value)
    return found


def _smaller(scenario: Scenario) -> Iterator[Scenario]:
    """Neighbours that are smaller by one thing, the largest savings first."""
    for blows in _fewer(scenario.blows):
        yield replace(scenario, blows=blows, faults=tuple(dict.fromkeys(b.fault for b in blows)))
    topology, plan = scenario.topology, scenario.plan
    if scenario.theirs is None:
        for least in _towards(topology, Topology(generation=topology.generation, nodes=1)):
            yield replace(scenario, topology=least)
        for shorter in _towards(plan, PlanShape(bootstrap=False, api=False)):
            yield replace(scenario, plan=shorter)
    yield from _towards(scenario, Scenario(seed=scenario.seed, topology=topology, plan=plan))


def _fewer(blows: tuple[Blow, ...]) -> Iterator[tuple[Blow, ...]]:
    """Without large parts, then without single ones."""
    size = len(blows)
    while size:
        for start in range(0, len(blows), size):
            yield blows[:start] + blows[start + size :]
        size //= 2


def _towards(part: Part, least: Part) -> Iterator[Part]:
    """One field after the other as in `least`; numbers of things by halves, too."""
    for item in fields(part):
        value, wanted = getattr(part, item.name), getattr(least, item.name)
        if item.name in KEPT or value == wanted:
            continue
        yield _with(part, item.name, wanted)
        if type(value) is int and type(wanted) is int and value - wanted > 1:
            yield _with(part, item.name, wanted + (value - wanted) // 2)
            yield _with(part, item.name, value - 1)


def _with(part: Part, name: str, value: object) -> Part:
    changes: dict[str, Any] = {name: value}
    return replace(part, **changes)

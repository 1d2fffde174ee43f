"""Read the ports into one observation and its situation. Reads only, by type."""

from __future__ import annotations

from collections.abc import Iterable

from rollout_kit.model.capability import Capability
from rollout_kit.model.gate import (
    CohortMeasure,
    CohortSource,
    GateSource,
    ReadinessSource,
    SupportersSource,
)
from rollout_kit.model.observation import Absent, FactValue, Observation, capability_fact
from rollout_kit.model.situation import Situation
from rollout_kit.operations import maintenance, reading, survey
from rollout_kit.operations.api import Readers, Seen
from rollout_kit.operations.measure import observe_source
from rollout_kit.operations.one_look import in_one_look
from rollout_kit.ports.errors import InFlight, OutsideError


def observe_fleet(readers: Readers, now_s: float, *, images: Iterable[str] = ()) -> Seen:
    """Everything the plan names or relies on, once.

    `images`: whether the driver can run them becomes the fact `image/<name>/known`.
    """
    scope, readers = readers.scope, in_one_look(readers)
    looks = [reading.read_node(name, readers, now_s) for name in scope.nodes]
    looks.append(reading.read_scheduler(readers, now_s))
    looks.append(maintenance.read_maintenance(readers, now_s))
    if scope.revision is not None:
        looks.append(reading.read_bootstrap(readers, scope.revision, now_s))
    looks.append(survey.read_pins(readers, now_s))
    facts: dict[str, FactValue] = {}
    for look in looks:
        facts.update(look.facts)
    situation = Situation().merged(*(look.situation for look in looks))
    facts.update(_capabilities(facts))
    facts.update({f"image/{image}/known": _knows(readers, image) for image in images})
    return Seen(observation=Observation(facts=facts), situation=situation, at_s=now_s)


def observe_for(source: GateSource, fleet: Seen, readers: Readers, now_s: float) -> Seen:
    """What this source is measured by; what the look at the whole fleet has read is not read again."""
    match source:
        case SupportersSource() | ReadinessSource():
            return fleet
        case CohortSource(measure=CohortMeasure.UNSERVED_PINS):
            return fleet
        case _:
            return observe_source(source, readers, now_s)


def capabilities(observation: Observation) -> frozenset[Capability]:
    """What the server was seen to do (rule 18)."""
    return frozenset(item for item in Capability if observation.can(item.value))


def _capabilities(facts: dict[str, FactValue]) -> dict[str, FactValue]:
    """Derive each capability from what a read shows, never from a version (rule 18).

    A server whose nodes gave no answer may have a topology: that is no answer, and never drift.
    """
    shown = [v for k, v in facts.items() if k.startswith("node/") and k.endswith("/topology")]
    seen = [value for value in shown if not isinstance(value, Absent)]
    selected = [v for k, v in facts.items() if k.startswith("cohort/") and k.endswith("/selected")]
    topology = any(isinstance(value, str) for value in seen)
    selector = topology or any(isinstance(value, bool) for value in selected)
    if not seen and not selector:
        return {capability_fact(item.value): Absent.NO_ANSWER for item in Capability}
    return {
        capability_fact(Capability.TOPOLOGY.value): topology if seen else Absent.NO_ANSWER,
        capability_fact(Capability.PROMOTE.value): selector,
        capability_fact(Capability.DRAIN_REFUSES_POLLS.value): selector,
        capability_fact(Capability.PINNED_START.value): selector,
        capability_fact(Capability.MARKER_ROUTING.value): not selector,
    }


def _knows(readers: Readers, image: str) -> FactValue:
    try:
        return readers.infra.knows_image(image)
    except InFlight:
        return Absent.PENDING
    except OutsideError:
        return Absent.NOT_READ

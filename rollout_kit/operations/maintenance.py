"""The look at maintenance processes: facts and numbers."""

from __future__ import annotations

from rollout_kit.model.observation import FactValue, Observation, maintenance_fact
from rollout_kit.model.situation import ProgramEnd, Situation
from rollout_kit.operations.api import Readers, Seen
from rollout_kit.operations.asking import Missing, ask_driver
from rollout_kit.operations.endings import read_end
from rollout_kit.operations.reading import counted
from rollout_kit.operations.specs import spec_facts
from rollout_kit.ports.infra import Answers, LiveProcess, ProcessSpec


def read_maintenance(readers: Readers, now_s: float) -> Seen:
    """Every maintenance process that the driver knows, with its live processes."""
    specs = ask_driver(readers, Answers.SPEC, readers.infra.maintenance_specs)
    if isinstance(specs, Missing):
        situation = Situation(unread={"maintenance": specs.reason})
        return Seen(observation=Observation(), situation=situation, at_s=now_s)
    facts: dict[str, FactValue] = {}
    counts: dict[str, int | None] = {}
    unread: dict[str, str] = {}
    ended: dict[str, ProgramEnd] = {}
    for name, spec in specs.items():
        facts |= _maintenance_facts(name, spec)
        processes = _maintenance_processes(name, readers)
        counts[name] = counted(processes)
        if isinstance(processes, Missing):
            unread[maintenance_fact(name, "processes")] = processes.reason
        elif not processes:
            ended |= read_end(f"maintenance/{name}", readers)
    return Seen(
        observation=Observation(facts=facts),
        situation=Situation(maintenance=counts, unread=unread, ended=ended),
        at_s=now_s,
    )


def _maintenance_facts(name: str, spec: ProcessSpec) -> dict[str, FactValue]:
    return spec_facts(lambda attribute: maintenance_fact(name, attribute), spec)


def _maintenance_processes(name: str, readers: Readers) -> tuple[LiveProcess, ...] | Missing:
    infra = readers.infra
    return ask_driver(readers, Answers.PROCESSES, lambda: infra.maintenance_processes(name))

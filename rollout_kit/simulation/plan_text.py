"""The plan document of a scenario, as the text that a person would write for its fleet."""

from __future__ import annotations

from collections.abc import Iterator

from rollout_kit.simulation.scenario import Scenario, Topology
from rollout_kit.simulation.site import FROM, NEW, NEW_SERVER, NEW_WORKERS, OLD, TO

WAITS_S = 20
"""How long an operation may take: longer than any fault that passes by itself."""
GATE = "for: 1s, within: 10s, interval: 1s"


def plan_text(scenario: Scenario) -> str:
    """The YAML of this scenario's plan."""
    lines = [
        *_target(scenario.topology),
        *_release(scenario),
        *_conditions(scenario),
        "steps:",
        *(f"  - {step}" for step in _ordered(scenario)),
        f"on_failure: {scenario.plan.on_failure.value}",
        f"rollback: {_rollback(scenario)}",
    ]
    return "\n".join(lines) + "\n"


def _target(topology: Topology) -> Iterator[str]:
    yield "version: 1"
    yield "name: drawn"
    yield "target:"
    yield "  name: simulated"
    yield "  engine: durable-workflow"
    yield "  url: http://front"
    yield "  namespace: default"
    yield '  credentials: {operator: "${env:DW_OPERATOR_TOKEN}", admin: "${env:DW_ADMIN_TOKEN}"}'
    yield "  nodes:"
    for number in range(1, topology.nodes + 1):
        yield f"    - {{name: api-{number}, url: 'http://api-{number}'}}"
    if topology.nodes == 1:
        yield "  accept: {outage: 'there is one node'}"
    yield "  no_answer_for: 8s"
    yield "infra: {driver: process, fleet: fleet.yaml}"


def _release(scenario: Scenario) -> Iterator[str]:
    plan, topology = scenario.plan, scenario.topology
    yield "release:"
    if plan.bootstrap:
        versions = f"from: '{FROM[topology.generation]}', to: '{TO[topology.generation]}'"
        yield f"  server: {{{versions}, image: '{NEW_SERVER}', identity: version}}"
    if plan.canary:
        yield "  workers:"
        for queue in topology.queue_names:
            builds = f"from: {OLD}, to: {NEW}, image: '{NEW_WORKERS}'"
            yield f"    - {{task_queue: {queue}, {builds}, replicas: {topology.workers}}}"


def _conditions(scenario: Scenario) -> Iterator[str]:
    if scenario.plan.gates:
        yield "gates:"
        yield f"  all-ready: {{readiness: all, {GATE}}}"
        yield f"  served: {{cohort: unserved_pins, at_most: 0, {GATE}}}"
        yield f"  few-failures: {{metric: runs.failed, increase_at_most: 3, {GATE}}}"
        yield f"  leases: {{metric: tasks.lease_expired, increase_at_most: 2, {GATE}}}"
    yield "guards:"
    for guard in ("served", "supporters", "attached-ready", "repair-near-baseline"):
        yield f"  {guard}: {{interval: 10s}}"


def _ordered(scenario: Scenario) -> list[str]:
    """The steps, with the approval and the pause where they were drawn."""
    plan = scenario.plan
    steps = list(_steps(scenario))
    if plan.pause_after is not None:
        steps.insert(min(plan.pause_after, len(steps)), "{id: watch, uses: pause, with: {for: 3s}}")
    if plan.approval_after is not None:
        approval = "{id: ask, uses: approval, with: {prompt: 'Go on?', within: 10m}}"
        steps.insert(min(plan.approval_after, len(steps) - 1), approval)
    return steps


def _steps(scenario: Scenario) -> Iterator[str]:
    plan = scenario.plan
    waits = f"within: {WAITS_S}s"
    queues = ", ".join(scenario.topology.queue_names)
    ready = ", gates: [all-ready]" if plan.gates else ""
    well = ", gates: [served, few-failures, leases]" if plan.gates else ""
    if plan.bootstrap:
        yield f"{{id: schema, uses: bootstrap, with: {{additive: true, {waits}}}}}"
    if plan.api:
        bake = f"bake: {plan.bake_s}s, {waits}"
        yield f"{{id: api, uses: api-cutover, with: {{{bake}}}{ready}}}"
    if plan.scheduler:
        yield f"{{id: sched, uses: scheduler-handover, with: {{gap_at_most: 30s, {waits}}}}}"
    if plan.canary:
        stages = ", ".join(_stages(scenario))
        given = f"task_queue: [{queues}], {waits}, stages: [{stages}]"
        yield f"{{id: canary, uses: worker-canary, with: {{{given}}}{well}}}"
    if plan.promote:
        given = f"task_queue: [{queues}], cohort: {NEW}, {waits}"
        yield f"{{id: promote, uses: promote, with: {{{given}}}{well}}}"
    if plan.drain:
        given = f"task_queue: [{queues}], cohort: {OLD}, {waits}"
        fate = f"pinned_runs: {plan.pinned_runs.value}"
        holds = ", on_failure: hold" if plan.drain_holds else ""
        yield f"{{id: drain, uses: drain, with: {{{given}, {fate}}}{holds}}}"
    if plan.verify:
        yield "{id: verify, uses: verify}"


def _stages(scenario: Scenario) -> Iterator[str]:
    if scenario.plan.smoke:
        yield "{smoke: {workflow_type: ping, count: 1, timeout: 10s}}"
    for share in scenario.plan.shares:
        yield f"{{share: {share}%, bake: {scenario.plan.bake_s}s}}"


def _rollback(scenario: Scenario) -> str:
    plan = scenario.plan
    if plan.forward_only:
        return "{forward_only: 'the old one is broken'}"
    return (
        f"{{within: 180s, pinned_runs: {plan.rollback_pinned_runs.value},"
        f" new_build: {plan.new_build.value}}}"
    )

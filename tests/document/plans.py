"""A plan that is right, and ways to make it wrong in one place."""

from __future__ import annotations

from rollout_kit.document.read import PlanReading, read_plan
from rollout_kit.document.substitute import Purpose

PLAN = """\
version: 1
name: orders
vars:
  bake: {default: 10m}
target:
  name: orders-prod
  engine: durable-workflow
  url: http://api:8080
  namespace: orders
  credentials: {operator: "${env:OPERATOR}", admin: "${env:ADMIN}"}
  nodes:
    - {name: api-1, url: "http://api-1:8080"}
    - {name: api-2, url: "http://api-2:8080"}
infra: {driver: process, fleet: fleet.yaml}
release:
  server: {from: 0.2.9, to: 0.2.10, image: server-new}
  workers:
    - {task_queue: critical, from: build-1, to: build-2, image: workers-2, replicas: 6}
gates:
  served: {cohort: unserved_pins, at_most: 0, for: 2m, within: 10m}
steps:
  - {id: schema, uses: bootstrap, with: {additive: true}}
  - {id: api, uses: api-cutover, with: {order: [api-1, api-2]}}
  - {id: sched, uses: scheduler-handover}
  - id: canary
    uses: worker-canary
    with:
      task_queue: critical
      stages: [{smoke: {workflow_type: ping}}, {share: 100%, bake: "${var:bake}"}]
    gates: [served]
  - {id: drain, uses: drain, with: {task_queue: critical, cohort: build-1, within: 1h}}
  - {id: verify, uses: verify}
on_failure: rollback
rollback: {within: 1h}
"""
ENVIRONMENT = {"OPERATOR": "operator-value", "ADMIN": "admin-value"}


def changed(*replacements: tuple[str, str]) -> str:
    """Replace in the good plan; each text to replace has to be there exactly once."""
    text = PLAN
    for old, new in replacements:
        assert text.count(old) == 1, f"{old!r} is there {text.count(old)} times"
        text = text.replace(old, new)
    return text


def read(
    text: str,
    *,
    variables: dict[str, str] | None = None,
    environment: dict[str, str] | None = None,
    purpose: Purpose = Purpose.APPLY,
) -> PlanReading:
    return read_plan(
        text,
        file="plan.yaml",
        variables=variables or {},
        environment=ENVIRONMENT if environment is None else environment,
        purpose=purpose,
    )


def told(reading: PlanReading) -> list[str]:
    """What a reading found, one line each: place, severity, code."""
    return [f"{one.line}:{one.col} {one.severity} {one.code}" for one in reading.diagnostics]

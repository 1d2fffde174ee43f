"""A plan that changes nothing of a fleet and still has everything a rollout has: writes, waits, a person."""

from __future__ import annotations

from pathlib import Path

HEAD = """\
version: 1
name: {name}
target:
  name: sandbox
  engine: durable-workflow
  url: ${{env:DURABLE_WORKFLOW_SERVER_URL}}
  namespace: default
  credentials: {{operator: "${{env:DW_OPERATOR_TOKEN}}", admin: "${{env:DW_ADMIN_TOKEN}}"}}
  nodes:
    - {{name: api-1, url: "${{env:DW_API_1_URL}}"}}
    - {{name: api-2, url: "${{env:DW_API_2_URL}}"}}
    - {{name: api-3, url: "${{env:DW_API_3_URL}}"}}
infra: {{driver: process, fleet: ../sandbox/fleet.yaml}}
on_failure: rollback
steps:
"""


def plan(*steps: str, name: str = "small") -> str:
    return HEAD.format(name=name) + "".join(f"  - {step}\n" for step in steps)


def touch(step: str, file: str | Path) -> str:
    """A step that makes a file, and whose undo removes it. A relative path starts at the fleet's folder."""
    steps = f"command: [touch, {file}], undo: [rm, {file}], idempotent: true"
    return f"{{id: {step}, uses: run, with: {{{steps}}}}}"


def pause(step: str, duration: str) -> str:
    return f"{{id: {step}, uses: pause, with: {{for: {duration}}}}}"


def approval(step: str) -> str:
    return f"{{id: {step}, uses: approval, with: {{prompt: Go on?, within: 1h}}}}"

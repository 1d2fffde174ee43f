"""What it takes to be there at all: `--help`, and `validate` of a plan with fifty steps."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from figures import Figure

HELP_AT_MOST, VALIDATE_AT_MOST = 6.0, 14.0
STEPS = 50
SHOWN = 12


def bench(repeats: int) -> list[Figure]:
    """Medians, turn by turn with `python -c pass`."""
    entry = str(Path(sys.executable).with_name("rollout-kit"))
    with TemporaryDirectory(prefix="rollout-kit-bench-") as folder:
        plan = Path(folder, "plan.yaml")
        plan.write_text(fifty_steps(), encoding="utf-8")
        commands = {
            "pass": [sys.executable, "-c", "pass"],
            "--help": [entry, "--help"],
            "validate": [entry, "validate", str(plan)],
        }
        took: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(repeats):
            for name, command in commands.items():
                took[name].append(_took_s(command))
        bare_s = median(took["pass"])
        limits = {"--help": HELP_AT_MOST, "validate": VALIDATE_AT_MOST}
        return [
            Figure(
                bench="start-up",
                name=name if name == "--help" else f"{name}, {STEPS} steps",
                measured=median(took[name]) / bare_s,
                unit="×",
                at_most=limit,
                note=f"{median(took[name]) * 1000:.0f} ms, `python -c pass` {bare_s * 1000:.0f} ms",
                profile=_imports(commands[name][1:]),
            )
            for name, limit in limits.items()
        ]


def fifty_steps() -> str:
    """A plan that is as long as plans get: a step for each node, with gates."""
    nodes = [f"api-{number}" for number in range(1, STEPS - 1)]
    step = (
        "  - {{id: {0}, uses: api-cutover, with: {{order: [{0}], bake: '${{var:bake}}'}},"
        " gates: [ready, no-lost-leases]}}"
    )
    return f"""\
version: 1
name: fifty-steps
vars:
  image: {{default: "durableworkflow/server:2.4.0"}}
  bake: {{default: 10m}}
target:
  name: bench
  engine: durable-workflow
  url: ${{env:DURABLE_WORKFLOW_SERVER_URL}}
  namespace: orders
  credentials: {{operator: "${{env:DW_OPERATOR_TOKEN}}", admin: "${{env:DW_ADMIN_TOKEN}}"}}
  nodes:
{_lines("    - {{name: {0}, url: 'http://{0}:8080'}}", nodes)}
infra: {{driver: process, fleet: fleet.yaml}}
release:
  server: {{from: "2.3.14", to: "2.4.0", image: "${{var:image}}", identity: version}}
gates:
  ready: {{readiness: all, for: 1m, within: 10m}}
  no-lost-leases: {{metric: tasks.lease_expired, increase_at_most: 0, for: 2m, within: 10m}}
steps:
  - {{id: schema, uses: bootstrap, with: {{additive: true}}}}
{_lines(step, nodes)}
  - {{id: verify, uses: verify}}
on_failure: rollback
"""


def _lines(template: str, names: list[str]) -> str:
    return "\n".join(template.format(name) for name in names)


def _took_s(command: list[str]) -> float:
    environment = {**os.environ, "NO_COLOR": "1"}
    begun = time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    took_s = time.perf_counter() - begun
    assert done.returncode == 0, json.dumps([command, done.stdout.decode(), done.stderr.decode()])
    return took_s


def _imports(arguments: list[str]) -> str:
    """The modules that take longest to import, own time: start-up is little else."""
    command = [sys.executable, "-X", "importtime", "-m", "rollout_kit", *arguments]
    told = subprocess.run(command, capture_output=True, text=True, check=False).stderr
    rows = [line.removeprefix("import time:").split("|") for line in told.splitlines()]
    whole = [row for row in rows if len(row) == 3 and row[0].strip().isdigit()]
    found = sorted(((int(own), name.strip()) for own, _, name in whole), reverse=True)
    return "\n".join(f"  {own / 1000:6.1f} ms  {name}" for own, name in found[:SHOWN])

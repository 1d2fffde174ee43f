"""Outputs and previews as a small fleet's program would give them."""

from __future__ import annotations

from rollout_kit.drivers.pulumi.api import Previewed, Program, Stack, Step
from rollout_kit.model.identity import CohortRef

OLD, NEW = "server:0.2.9", "server:0.2.10"
ORDERS = CohortRef(namespace="orders", task_queue="orders-critical", build_id="b1")
NEXT = CohortRef(namespace="orders", task_queue="orders-critical", build_id="b2")
STACK = Stack(
    program=Program(path="/infra/program.py", function="fleet"),
    name="acme/orders/prod",
    project="orders",
    folder="/tmp/nowhere",
)


def urn(kind: str, name: str) -> str:
    return f"urn:pulumi:prod::orders::{kind}::{name}"


def node_urns(name: str) -> tuple[str, str]:
    """Its set, and what carries its membership."""
    return urn("kubernetes:apps/v1:StatefulSet", name), urn("kubernetes:core/v1:PodPatch", name)


def cohort_urn(cohort: CohortRef) -> str:
    return urn("kubernetes:apps/v1:Deployment", cohort.path.replace("/", "-"))


SCHEDULER = urn("kubernetes:apps/v1:Deployment", "scheduler")
FOREIGN = urn("kubernetes:core/v1:Service", "front")


def output(nodes: tuple[str, ...] = ("api-1", "api-2"), *cohorts: CohortRef) -> dict[str, object]:
    """The output `fleet`, as JSON."""
    return {
        "contract": 1,
        "reads": ["nodes", "scheduler", "maintenance", "cohorts", "jobs"],
        "nodes": {
            name: {
                "resources": [node_urns(name)[0]],
                "membership": [node_urns(name)[1]],
                "url": f"http://{name}.internal:8080",
                "runs": {"image": OLD, "marker": None, "attached": True, "environment": {}},
            }
            for name in nodes
        },
        "scheduler": {"resources": [SCHEDULER], "runs": {"image": OLD, "running": True}},
        "maintenance": {},
        "cohorts": {
            cohort.path: {
                "resources": [cohort_urn(cohort)],
                "runs": {
                    "namespace": cohort.namespace,
                    "task_queue": cohort.task_queue,
                    "build_id": cohort.build_id,
                    "image": "orders:1",
                    "replicas": 3,
                },
            }
            for cohort in cohorts
        },
        "jobs": {},
    }


def previewed(*steps: Step, fleet: object = None) -> Previewed:
    return Previewed(
        steps=steps,
        drifted=(),
        outputs={"fleet": output() if fleet is None else fleet},
        program_digest="p",
        state_hash="s",
        duration_s=0.5,
    )

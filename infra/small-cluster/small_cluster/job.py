"""A run of the server that ends: the bootstrap, and the question which migrations are pending.

A run is made once. Its object's name is the run's, so the API server itself refuses a second one;
a change of anything else in the program leaves it alone; a new run is a new object, and the one
before goes. Two runs of one job never overlap, whoever made them: their pods refuse to be beside
each other.
"""

from __future__ import annotations

import pulumi

from rollout_kit.model.stack_contract import InCluster, JobWanted, Placed
from small_cluster import naming, pods, server
from small_cluster.objects import KubernetesObject, Manifest, urns
from small_cluster.settings import Settings

COMPONENT = "job"
GRACE_S = 60


class JobRun(pulumi.ComponentResource):
    """One Kubernetes Job; the update that makes it ends when the job does, and fails if it fails."""

    def __init__(self, job: str, settings: Settings, wanted: JobWanted) -> None:
        name = naming.object_name(job, wanted.run)
        super().__init__("fleet:kubernetes:JobRun", name)
        self.name = name
        self.settings = settings
        self.wanted = wanted
        self.job = KubernetesObject(
            name,
            manifest(job, name, settings, wanted),
            pulumi.ResourceOptions(parent=self, ignore_changes=["spec", "metadata"]),
        )
        self.register_outputs({})

    def placed(self) -> Placed:
        """As the stack contract gives it."""
        return Placed(
            resources=urns(self, self.job),
            runs={
                "image": self.wanted.image,
                "run": self.wanted.run,
                "revision": self.wanted.revision,
            },
            in_cluster=InCluster(
                kind="Job",
                namespace=self.settings.namespace,
                name=self.name,
                container=server.CONTAINER,
            ),
        )


def manifest(job: str, name: str, settings: Settings, wanted: JobWanted) -> Manifest:
    """It is tried once, and stays to be looked at until the next run of this job."""
    arguments = settings.job_arguments.get(job)
    if arguments is None:
        known = ", ".join(sorted(settings.job_arguments))
        raise ValueError(f"job {job!r} is not in job_arguments; there are {known}")
    only = {naming.JOB: job}
    about = {
        naming.RUN: naming.label_value(wanted.run),
        naming.REVISION: naming.label_value(wanted.revision),
    }
    process = server.container(settings, wanted.image, given={}, own={}, arguments=arguments)
    # What it wrote last, when it fails, is then part of how it ended: whoever waits is told.
    process["terminationMessagePolicy"] = "FallbackToLogsOnError"
    spec = pods.pod_spec(settings, process, writable=settings.server_writable, grace_s=GRACE_S)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name,
            "namespace": settings.namespace,
            "labels": pods.labels(COMPONENT, only | about),
            "annotations": {
                naming.RUN: wanted.run,
                naming.REVISION: wanted.revision,
                "pulumi.com/timeoutSeconds": str(settings.job_within_s),
            },
        },
        "spec": {
            "completions": 1,
            "parallelism": 1,
            "backoffLimit": 0,
            "podReplacementPolicy": "Failed",
            "template": {
                "metadata": {"labels": pods.labels(COMPONENT, only | about)},
                "spec": spec | {"restartPolicy": "Never", "affinity": pods.never_beside(only)},
            },
        },
    }

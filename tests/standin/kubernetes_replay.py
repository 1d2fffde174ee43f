"""Plays a recorded situation of a cluster: programs of objects, looks at a real control plane."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Any

from pulumi import automation as auto

from tests.toolchain.cluster import Cluster, eventually

from . import kubernetes_programs
from .fixtures import Cli
from .kubernetes_comparing import KubernetesComparison, deployment, recorded_deployment
from .replay import Replay

Spec = dict[str, Any]
_SETTLES_S = 10


class KubernetesReplay(Replay):
    """`within_s`: how long the waits of the program are, where the recorded ones take too long."""

    _found: KubernetesComparison

    def __init__(
        self,
        cli: Cli,
        cluster: Cluster,
        suffix: str,
        *,
        within_s: int | None = None,
        exports: bool = True,
    ) -> None:
        self._cluster, self._suffix, self._within_s = cluster, suffix, within_s
        self.kubeconfig = cluster.kubeconfig.read_text()
        super().__init__(cli, exports=exports)

    def _comparison(self, *, exports: bool) -> KubernetesComparison:
        places = {
            self.kubeconfig: "<kubeconfig>",
            self.kubeconfig.replace("\n", "\\n"): "<kubeconfig>",
            self._suffix: "",
            **self._places(),
        }
        return KubernetesComparison(places, exports=exports)

    def _program(self) -> Callable[[], None]:
        spec = self._spec
        if self._within_s:
            spec = {**spec, "deployment": {**spec["deployment"], "timeout": self._within_s}}
        return kubernetes_programs.program(spec, self.kubeconfig, self._suffix)

    def prepare(self, before: list[Any]) -> None:
        """Besides what any replay knows: ("failing", program)."""
        for one in before:
            if isinstance(one, tuple) and one[0] == "failing":
                with contextlib.suppress(auto.CommandError):
                    self.stack(one[1]).up()
            else:
                super().prepare([one])

    def deployments(self) -> str:
        return f"/apis/apps/v1/namespaces/shop{self._suffix}/deployments"

    def call(self, method: str, path: str, body: object = None, **options: Any) -> Any:
        return self._cluster.call(method, path, body, **options)

    def create_behind(self) -> None:
        """Namespace and Deployment, made by somebody else."""
        name = f"shop{self._suffix}"
        space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        self.call("POST", "/api/v1/namespaces", space)
        metadata, spec = kubernetes_programs.deployment(
            {"image": "shop/web:0.9", "timeout": 60}, name
        )
        body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}
        self.call("POST", self.deployments(), body)

    def drift(self) -> None:
        """Somebody scales the Deployment and changes its image."""
        path = f"{self.deployments()}/web"
        merge = {"Content-Type": "application/strategic-merge-patch+json"}
        by = {"params": {"fieldManager": "kubectl"}, "headers": merge}
        self.call("PATCH", f"{path}/scale", {"spec": {"replicas": 5}}, **by)
        containers = [{"name": "c", "image": "shop/web:hotfix"}]
        wanted = {"spec": {"template": {"spec": {"containers": containers}}}}
        by = {"params": {"fieldManager": "kubectl-set"}, "headers": merge}
        self.call("PATCH", path, wanted, **by)

    def delete_behind(self) -> None:
        path = f"{self.deployments()}/web"
        self.call("DELETE", path, {"propagationPolicy": "Foreground"})
        assert eventually(lambda: self._live() is None)

    def rotate(self) -> None:
        """The kubeconfig's text changes, what it says stays."""
        self.kubeconfig += "# rotated\n"

    def lose_cluster(self) -> None:
        """The kubeconfig leads to a port on which nobody listens."""
        self.kubeconfig = self.kubeconfig.replace(self._cluster.url, "https://127.0.0.1:1")

    def _live(self) -> dict[str, Any] | None:
        answer = self._cluster.http.get(f"{self.deployments()}/web")
        return None if answer.status_code == 404 else answer.json()

    def play(self, steps: list[dict[str, Any]]) -> None:
        for number, step in enumerate(steps):
            where = f"step {number} {step.get('call') or step.get('when') or ''}"
            match step["kind"]:
                case "sdk":
                    self._sdk(where, step)
                case "cli":
                    self._export(where, step)
                case "observation":
                    self._look(where, step)
                case "signal":
                    self._interrupt(step["program"], "up", step["signals_sent"])
                case "measurement":
                    pass
                case _:
                    self.differences.append(f"{where}: not played")

    def _export(self, where: str, step: dict[str, Any]) -> None:
        exported = self.stack().workspace.pulumi_command.run(
            ["stack", "export", "--stack", "dev"],
            str(self.cli.work),
            {},
        )
        self._found.export(where, step["stdout"], exported.stdout)

    def _look(self, where: str, step: dict[str, Any]) -> None:
        if "resources" in step:
            locks = len(self.cli.locks())
            self._found.resources(where, step, self.cli.checkpoint(), locks)
        if "deployment" not in step:
            return
        recorded = step["deployment"]
        if isinstance(recorded, str):
            self._found.differ(where, "the Deployment", None, self._live())
            return
        wanted, here = recorded_deployment(recorded), {}
        until_s = time.monotonic() + _SETTLES_S
        while here != wanted and time.monotonic() < until_s:
            live = self._live()
            here = deployment(live) if live else {}
            if step["when"] == "drifted":  # recorded in the middle of it
                here, wanted = ({k: v[k] for k in ("image",)} for v in (here, wanted))
            time.sleep(0.05)
        self._found.differ(where, "the Deployment", wanted, here)

    def _takes_long(self, event: Any) -> bool:
        said = event.diagnostic_event
        return bool(said and said.message.startswith("Waiting for app ReplicaSet"))

    def _await_world(self, verb: str) -> None:
        """The words that began it are said of the new generation."""

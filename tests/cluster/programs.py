"""What a fake node does not do: run a program for each pod, at the pod's own address."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rollout_kit.emulator import bootstrap
from tests.cluster.objects import MARKER, PORT
from tests.toolchain.cluster import Cluster

TOKENS = {
    "DW_WORKER_TOKEN": "worker-token",
    "DW_OPERATOR_TOKEN": "operator-token",
    "DW_ADMIN_TOKEN": "admin-token",
}
LOOK_EVERY_S = 0.1
COMPONENT = "app.kubernetes.io/component"
PREFIX = "rollout-kit.dev"
FAILS = "fails"
"""A word of an image whose job ends with 1."""


class EmulatedPods:
    """The programs of one emulated server's fleet, for every running pod of a namespace.

    A pod's label says which it is: API node (also without a label), scheduler, maintenance, worker,
    job. Its version is the tag of its image, the rest stands in its environment. A program ends
    with its pod; a job's pod ends with its program, if its image is one that fake nodes leave
    alone (`emulated/…`). `url`: where workers find the server.
    """

    def __init__(
        self, cluster: Cluster, space: str, folder: Path, bootstrapped: str, url: str = ""
    ) -> None:
        self.url = url
        self.database = folder / "fleet.sqlite3"
        self.environment: dict[str, str] = {}
        """More than the pods say, for all of them."""
        self._cluster = cluster
        self._space = space
        self._folder = folder
        self._running: dict[str, tuple[str, str, subprocess.Popen[bytes]]] = {}
        self._leaving: list[subprocess.Popen[bytes]] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._follow)
        bootstrap.main(["--database", str(self.database), "--to", bootstrapped])

    def __enter__(self) -> EmulatedPods:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        programs = [process for _, _, process in self._running.values()]
        for process in [*programs, *self._leaving]:
            process.kill()
            process.wait()

    def addresses(self) -> list[str]:
        """Of the pods whose program runs, in the order of their names."""
        return [
            address for name, address, _ in sorted(self._running.values(), key=lambda one: one[0])
        ]

    def _follow(self) -> None:
        while not self._over.wait(LOOK_EVERY_S):
            pods = self._cluster.call("GET", f"/api/v1/namespaces/{self._space}/pods")["items"]
            found = {pod["metadata"]["uid"]: pod for pod in pods if _runs(pod)}
            for uid in self._running.keys() - found.keys():
                self._end(*self._running.pop(uid))
            for uid in found.keys() - self._running.keys():
                self._running[uid] = self._started(found[uid])
            for uid, pod in found.items():
                if _component(pod) == "job":
                    self._report(pod, self._running[uid][2].poll())
            self._leaving = [process for process in self._leaving if process.poll() is None]

    def _end(self, name: str, _: str, process: subprocess.Popen[bytes]) -> None:
        """Nodes go at once; the others are told, and end what they hold."""
        process.send_signal(signal.SIGKILL if name.startswith("api-") else signal.SIGTERM)
        self._leaving.append(process)

    def _started(self, pod: Mapping[str, Any]) -> tuple[str, str, subprocess.Popen[bytes]]:
        address, name = pod["status"]["podIP"], pod["metadata"]["name"]
        version = pod["spec"]["containers"][0]["image"].rpartition(":")[2]
        given = _environment(pod)
        environment = os.environ | TOKENS | self.environment | given | {"APP_VERSION": version}
        if not _component(pod):
            environment.pop(MARKER, None)  # that of a test's own pod fits no worker
        with self._log_of(name).open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, *self._program(pod, address, given)],
                env=environment,
                stdout=log,
                stderr=log,
            )
        if _component(pod) in ("", "api"):
            self._cluster.forward(self._space, name, PORT, address)
        return name, address, process

    def _log_of(self, pod: str) -> Path:
        return self._folder / f"{pod}.log"

    def _program(
        self, pod: Mapping[str, Any], address: str, given: Mapping[str, str]
    ) -> Sequence[str]:
        image = pod["spec"]["containers"][0]["image"]
        data = ("--database", str(self.database))
        match _component(pod):
            case "worker":
                queue = given["DW_TASK_QUEUE"]
                where = ("--url", self.url, "--namespace", given["DURABLE_WORKFLOW_NAMESPACE"])
                flaw = ("--flaw", "hang") if "hangs" in image else ()
                queues = ("--task-queue", queue, "--other-queue", queue)
                return ("-m", "rollout_kit.sandbox.worker", *where, *queues, "--goodbye", *flaw)
            case "scheduler":
                return ("-m", "rollout_kit.emulator.scheduler", *data, "--tick", "1")
            case "maintenance":
                return ("-m", "rollout_kit.emulator.maintenance", *data)
            case "job" if FAILS in image:
                return ("-c", "raise SystemExit('SQLSTATE[HY000]: cannot add the column')")
            case "job":
                labels = pod["metadata"]["labels"]
                asked = ("--status",) if labels[f"{PREFIX}/job"] == "migrate-status" else ()
                to = ("--to", labels[f"{PREFIX}/revision"])
                return ("-m", "rollout_kit.emulator.bootstrap", *data, *to, *asked)
        if "silent" in image:
            return ("-c", "import time; time.sleep(3600)")
        where = ("--host", address, "--port", str(PORT))
        return ("-m", "rollout_kit.emulator.serve", "--generation", "2.x", *data, *where)

    def _report(self, pod: Mapping[str, Any], code: int | None) -> None:
        """The pod of a job ends as its program did."""
        if code is None or not pod["spec"]["containers"][0]["image"].startswith("emulated/"):
            return
        name = pod["metadata"]["name"]
        printed = self._log_of(name).read_text()
        self._cluster.printed(self._space, name, printed)
        container = pod["status"]["containerStatuses"][0]
        state = {
            "exitCode": code,
            "reason": "Error" if code else "Completed",
            "startedAt": pod["status"]["startTime"],
            "finishedAt": pod["status"]["startTime"],
        }
        policy = pod["spec"]["containers"][0]["terminationMessagePolicy"]
        if code and policy == "FallbackToLogsOnError":
            state["message"] = printed[-2048:]
        status = {
            "phase": "Failed" if code else "Succeeded",
            "containerStatuses": [
                {**container, "ready": False, "started": False, "state": {"terminated": state}}
            ],
        }
        path = f"/api/v1/namespaces/{self._space}/pods/{name}/status"
        headers = {"Content-Type": "application/merge-patch+json"}
        self._cluster.call("PATCH", path, {"status": status}, headers=headers)


def _component(pod: Mapping[str, Any]) -> str:
    return str(pod["metadata"].get("labels", {}).get(COMPONENT, ""))


def _environment(pod: Mapping[str, Any]) -> dict[str, str]:
    """Its variables, with what they quote of others and of the pod."""
    known: dict[str, str] = {}
    for one in pod["spec"]["containers"][0].get("env", ()):
        if "valueFrom" in one:
            known[one["name"]] = pod["metadata"]["name"]
        else:
            known[one["name"]] = _QUOTED.sub(
                lambda found: "$" if found[0] == "$$" else known.get(found[1], found[0]),
                one.get("value", ""),
            )
    return known


_QUOTED = re.compile(r"\$\$|\$\(([A-Za-z_]\w*)\)")


def _runs(pod: Mapping[str, Any]) -> bool:
    if "deletionTimestamp" in pod["metadata"] or pod["status"].get("phase") != "Running":
        return False
    return all("running" in one["state"] for one in pod["status"].get("containerStatuses", ()))

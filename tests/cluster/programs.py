"""What a fake node does not do: run a program for each pod, at the pod's own address."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rollout_kit.emulator import bootstrap
from tests.cluster.objects import MARKER, PORT
from tests.toolchain.cluster import Cluster

TOKENS = {"DW_OPERATOR_TOKEN": "operator-token", "DW_ADMIN_TOKEN": "admin-token"}
LOOK_EVERY_S = 0.1


class EmulatedNodes:
    """Every running pod of a namespace is an emulated API node of one fleet, as long as it runs.

    Its version is the tag of its image; what else it is to know stands in its environment. It
    ends with its pod, at once.
    """

    def __init__(self, cluster: Cluster, space: str, folder: Path, bootstrapped: str) -> None:
        self._cluster = cluster
        self._space = space
        self._database = folder / "fleet.sqlite3"
        self._running: dict[str, tuple[str, subprocess.Popen[bytes]]] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._follow)
        arguments = ["--database", str(self._database), "--to", bootstrapped]
        bootstrap.main(arguments)

    def __enter__(self) -> EmulatedNodes:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        for _, process in self._running.values():
            process.kill()
            process.wait()

    def addresses(self) -> list[str]:
        """Of the pods whose program runs, in the order of their names."""
        return [address for _, (address, _) in sorted(self._running.items())]

    def _follow(self) -> None:
        while not self._over.wait(LOOK_EVERY_S):
            pods = self._cluster.call("GET", f"/api/v1/namespaces/{self._space}/pods")["items"]
            found = {pod["metadata"]["uid"]: pod for pod in pods if _runs(pod)}
            for uid in self._running.keys() - found.keys():
                _, process = self._running.pop(uid)
                process.kill()
                process.wait()
            for uid in found.keys() - self._running.keys():
                self._running[uid] = self._started(found[uid])

    def _started(self, pod: Mapping[str, Any]) -> tuple[str, subprocess.Popen[bytes]]:
        address, name = pod["status"]["podIP"], pod["metadata"]["name"]
        container = pod["spec"]["containers"][0]
        given = {one["name"]: one["value"] for one in container["env"] if "value" in one}
        version = container["image"].rpartition(":")[2]
        environment = os.environ | TOKENS | given | {"APP_VERSION": version}
        environment.pop(MARKER, None)
        argv = [sys.executable, "-m", "rollout_kit.emulator.serve", "--generation", "2.x"]
        argv += ["--database", str(self._database), "--host", address, "--port", str(PORT)]
        process = subprocess.Popen(argv, env=environment)
        self._cluster.forward(self._space, name, PORT, address)
        return address, process


def _runs(pod: Mapping[str, Any]) -> bool:
    going = "deletionTimestamp" in pod["metadata"]
    return not going and pod["status"].get("phase") == "Running"

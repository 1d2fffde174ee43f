"""A real Nomad for tests: one agent that is server and client, in a folder of its own.

It is run as an ordinary user even by root, in a user namespace: so it neither mounts anything nor touches
the machine's control groups, and what its tasks leave is the test's own.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rollout_kit.sandbox.free_ports import free_ports
from tests.drivers.conftest import eventually

NO_NOMAD = "no nomad on PATH"
NO_NAMESPACE = "nomad is here, but root may not make a user namespace to run it in as somebody else"
AS_SOMEBODY = ("unshare", "--user", "--map-user=1000", "--map-group=1000")
UP_WITHIN_S = 60.0
DOWN_WITHIN_S = 60.0


def left_out() -> str:
    """Why there is no real Nomad here; empty: there is one."""
    if shutil.which("nomad") is None:
        return NO_NOMAD
    if os.geteuid() != 0:
        return ""
    try:
        made = subprocess.run([*AS_SOMEBODY, "true"], check=False, capture_output=True)
    except FileNotFoundError:
        return NO_NAMESPACE
    return NO_NAMESPACE if made.returncode else ""


@contextmanager
def agent(folder: Path, environment: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """It runs with a machine that takes tasks; gives what leads to it. Its tasks end with it."""
    folder.mkdir(parents=True)
    ports = dict(zip(("http", "rpc", "serf"), free_ports(3), strict=True))
    where = {"NOMAD_ADDR": f"http://127.0.0.1:{ports['http']}", "FLEET_LOOK_S": "0.2"}
    (folder / "plugins").mkdir()
    (folder / "tmp").mkdir()
    settings = {
        "name": "test",
        "data_dir": str(folder / "data"),
        "plugin_dir": str(folder / "plugins"),
        "ports": ports,
        "disable_update_check": True,
        "client": {
            "network_interface": "lo",
            "options": {
                "driver.allowlist": "raw_exec",
                "fingerprint.denylist": "env_aws,env_gce,env_azure,env_digitalocean,consul,vault,cni",
            },
        },
        "plugin": [{"raw_exec": [{"config": [{"enabled": True}]}]}],
    }
    (folder / "agent.json").write_text(json.dumps(settings))
    lead = AS_SOMEBODY if os.geteuid() == 0 else ()
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [*lead, "nomad", "agent", "-dev", "-config", str(folder / "agent.json")],
            env={**environment, "TMPDIR": str(folder / "tmp")},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        eventually(lambda: _ready(where) or process.poll() is not None, UP_WITHIN_S)
        assert process.poll() is None, (folder / "log").read_text()[-3000:]
        assert _ready(where), (folder / "log").read_text()[-3000:]
        yield where
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(DOWN_WITHIN_S)


def ask(where: Mapping[str, str], path: str, body: object = None) -> Any:
    """What it answers; a body is put there."""
    data = None if body is None else json.dumps(body).encode()
    token = {"X-Nomad-Token": where["NOMAD_TOKEN"]} if "NOMAD_TOKEN" in where else {}
    url = f"{where['NOMAD_ADDR']}{path}{'&' if '?' in path else '?'}"
    url += f"namespace={where.get('NOMAD_NAMESPACE', 'default')}"
    request = urllib.request.Request(url, data, token, method="PUT" if data else "GET")
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(answer.read() or "null")


def _ready(where: Mapping[str, str]) -> bool:
    try:
        return any(node["Status"] == "ready" for node in ask(where, "/v1/nodes"))
    except (urllib.error.URLError, ConnectionError):
        return False

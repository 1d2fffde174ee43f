"""A stand-in for Nomad's HTTP API: jobs with versions, allocations, logs; answers as its documentation says.

It schedules onto a `Site`, which has the processes. What the script must not do is refused as Nomad
does: another token, a job index that somebody else has moved on, a job without a group.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol
from urllib.parse import parse_qs, unquote, urlsplit

Job = dict[str, Any]
SERVERS_OWN = frozenset(
    {"Version", "JobModifyIndex", "ModifyIndex", "CreateIndex", "SubmitTime", "Status", "Stable"}
)
TOKEN = "nomad-secret"


class Site(Protocol):
    """The machines that Nomad runs things on."""

    def settle(self, job: Job, count: int) -> None:
        """Let as many run of it; returns when they do. Jobs of type batch run to their end."""
        ...

    def live(self, name: str) -> int:
        """How many processes run of the job."""
        ...

    def output(self, name: str) -> tuple[bool, str]:
        """Of a batch job: whether it succeeded, and what it printed."""
        ...


class Memory:
    """A site without processes: what is wanted runs. `broken`: images that cannot be pulled."""

    def __init__(self) -> None:
        self.running: dict[str, int] = {}
        self.broken: set[str] = set()
        self.gate = threading.Event()
        self.gate.set()

    def settle(self, job: Job, count: int) -> None:
        self.gate.wait(30)
        image = job["TaskGroups"][0]["Tasks"][0]["Config"]["image"]
        self.running[job["ID"]] = 0 if image in self.broken else count

    def live(self, name: str) -> int:
        return self.running.get(name, 0)

    def output(self, name: str) -> tuple[bool, str]:
        return bool(self.running.get(name)), "Nothing to migrate\n" if self.running.get(
            name
        ) else ""


@dataclass
class Nomad:
    """Its state. `registered`: every job as it was sent, in order."""

    site: Site
    jobs: dict[str, list[Job]] = field(default_factory=dict)
    settled: dict[str, int] = field(default_factory=dict)
    registered: list[Job] = field(default_factory=list)
    index: int = 10
    lock: threading.RLock = field(default_factory=threading.RLock)

    def holds(self, job: Job) -> None:
        """It is registered, and runs as it says."""
        first = {"Version": 0, "SubmitTime": 1, "JobModifyIndex": 1, "Status": "running"}
        self.jobs[job["ID"]] = [{**job, **first}]
        self.settled[job["ID"]] = 0

    def register(self, body: Mapping[str, Any]) -> tuple[int, Any]:
        job: Job = body["Job"]
        if not job.get("TaskGroups"):
            return 400, "1 error occurred:\n\t* Missing job task groups\n"
        with self.lock:
            versions = self.jobs.setdefault(job["ID"], [])
            index = versions[0]["JobModifyIndex"] if versions else 0
            if body.get("EnforceIndex") and body.get("JobModifyIndex") != index:
                return 500, (
                    f"Enforcing job modify index {body.get('JobModifyIndex')}: job exists with"
                    f" conflicting job modify index: {index}"
                )
            self.index += 1
            self.registered.append(job)
            if not versions or theirs(versions[0]) != theirs(job):
                version = versions[0]["Version"] + 1 if versions else 0
                new = {**theirs(job), "Version": version, "SubmitTime": self.index}
                versions.insert(0, {**new, "JobModifyIndex": self.index, "Status": "running"})
                threading.Thread(target=self._settle, args=(versions[0],), daemon=True).start()
            return 200, {"EvalID": "5e1f", "JobModifyIndex": self.index, "Warnings": ""}

    def _settle(self, job: Job) -> None:
        count = 0 if job.get("Stop") else job["TaskGroups"][0]["Count"]
        self.site.settle(job, count)
        with self.lock:
            self.settled[job["ID"]] = max(job["Version"], self.settled.get(job["ID"], 0))

    def allocations(self, name: str) -> list[dict[str, Any]]:
        with self.lock:
            job, version = self.jobs[name][0], self.settled.get(name)
        if version is None:
            return []
        if job["Type"] == "batch":
            done, _ = self.site.output(name)
            return [allocation(job, version, "complete" if done else "failed", 0)]
        live = [allocation(job, version, "running", n) for n in range(self.site.live(name))]
        wanted = job["TaskGroups"][0]["Count"]
        if not live and wanted:
            return [allocation(job, version, "pending", 0, "Failed to pull image: not found")]
        return [*live, {**allocation(job, 0, "complete", 9), "CreateIndex": 1}]


def theirs(job: Job) -> Job:
    return {name: value for name, value in job.items() if name not in SERVERS_OWN}


def allocation(job: Job, version: int, status: str, n: int, event: str = "") -> dict[str, Any]:
    (group,) = job["TaskGroups"]
    events = [{"Type": "Driver Failure", "DisplayMessage": event}] if event else []
    return {
        "ID": f"{job['ID']}-{version}-{n}",
        "JobID": job["ID"],
        "JobVersion": version,
        "TaskGroup": group["Name"],
        "ClientStatus": status,
        "DesiredStatus": "run",
        "CreateIndex": 100 + version,
        "TaskStates": {group["Tasks"][0]["Name"]: {"State": "running", "Events": events}},
    }


class _Handler(BaseHTTPRequestHandler):
    nomad: Nomad

    def do_GET(self) -> None:
        where = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(where.query).items()}
        parts = [unquote(part) for part in where.path.split("/")[2:]]
        if self._refused(query):
            return
        jobs = self.nomad.jobs
        match parts:
            case ["jobs"]:
                found = [v[0] for name, v in jobs.items() if name.startswith(query["prefix"])]
                stubs = ("ID", "Name", "Type", "Status", "SubmitTime")
                self._say(200, [{name: job[name] for name in stubs} for job in found])
            case ["job", name, *_] if name not in jobs:
                self._say(404, "job not found")
            case ["job", name]:
                self._say(200, jobs[name][0])
            case ["job", name, "versions"]:
                self._say(200, {"Versions": jobs[name], "Diffs": None})
            case ["job", name, "allocations"]:
                self._say(200, self.nomad.allocations(name))
            case ["client", "fs", "logs", allocated]:
                name = allocated.rsplit("-", 2)[0]
                done, text = self.nomad.site.output(name)
                assert query["plain"] == "true"
                assert query["task"]
                wanted = "stdout" if done else "stderr"
                self._say(200, text if query["type"] == wanted else "", plain=True)
            case _:
                self._say(404, "Invalid path")

    def do_POST(self) -> None:
        where = urlsplit(self.path)
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self._refused({name: values[0] for name, values in parse_qs(where.query).items()}):
            return
        if where.path == "/v1/jobs":
            self._say(*self.nomad.register(body))
        else:
            self._say(404, "Invalid path")

    def _refused(self, query: Mapping[str, str]) -> bool:
        allowed = self.headers.get("X-Nomad-Token") == TOKEN and query.get("namespace") == "fleet"
        if not allowed:
            self._say(403, "Permission denied")
        return not allowed

    def _say(self, status: int, answer: object, *, plain: bool = False) -> None:
        text = answer if status != 200 or plain else json.dumps(answer)
        data = str(text).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """A test that fails says what it saw."""


@contextmanager
def serving(site: Site) -> Iterator[tuple[Nomad, dict[str, str]]]:
    """The stand-in on a free port, and the environment that leads to it."""
    nomad = Nomad(site)
    handler = type("Handler", (_Handler,), {"nomad": nomad})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
    ).start()
    try:
        address = f"http://127.0.0.1:{server.server_address[1]}"
        yield (
            nomad,
            {
                "NOMAD_ADDR": address,
                "NOMAD_TOKEN": TOKEN,
                "NOMAD_NAMESPACE": "fleet",
                "FLEET_LOOK_S": "0.05",
            },
        )
    finally:
        server.shutdown()
        server.server_close()


def service(name: str, image: str, count: int, **more: Any) -> dict[str, Any]:
    """A job as `nomad job run` would send it. `more`: variables of its task."""
    meta = more.pop("meta", None)
    task = {
        "Name": "main",
        "Driver": "docker",
        "Config": {"image": image, "ports": ["http"]},
        "Env": more or None,
        "Templates": [{"DestPath": "secrets/env", "Envvars": True}],
    }
    return {
        "ID": name,
        "Name": name,
        "Type": "batch" if name == "fleet-job" else "service",
        "Datacenters": ["dc1"],
        "Meta": meta,
        "TaskGroups": [{"Name": "main", "Count": count, "Tasks": [task]}],
    }

"""A stand-in for Nomad's HTTP API: jobs with versions, allocations, logs; answers as Nomad 1.10 does.

Its scheduler places onto a `Site`, which has the processes: what a version no longer wants is stopped while
what it wants starts, and neither waits for the other. What the script must not do is refused as Nomad does:
another token, a job index that somebody else has moved on, a job without a group. `collect` is the garbage
collection that comes every few hours: jobs of type batch that are dead are gone then.
"""

from __future__ import annotations

import copy
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
EMPTY = {"Stop": False, "Meta": None, "ParameterizedJob": None}
TOKEN = "nomad-secret"


class Site(Protocol):
    """The machines that Nomad runs things on."""

    def lacks(self, job: Job) -> str:
        """What no machine has enough of; empty: there is room."""
        ...

    def start(self, job: Job, allocation: str) -> str:
        """Start one of it; empty, or why it cannot be."""
        ...

    def stop(self, allocation: str) -> None:
        """Stop it; returns when it is gone."""
        ...

    def end(self, allocation: str) -> tuple[int, str, str]:
        """Of a batch job: its exit status, and what it printed on either stream, once it has ended."""
        ...


class Memory:
    """A site without processes. `broken`: images that cannot be pulled, or whose jobs fail.

    `gate`: what is to stop waits for it. `full`: nothing more has room.
    """

    def __init__(self) -> None:
        self.running: dict[str, Job] = {}
        self.broken: set[str] = set()
        self.full = False
        self.gate = threading.Event()
        self.gate.set()

    def lacks(self, job: Job) -> str:
        return "memory" if self.full else ""

    def start(self, job: Job, allocation: str) -> str:
        if image_of(job) in self.broken and job["Type"] != "batch":
            return "Failed to pull image: not found"
        self.running[allocation] = job
        return ""

    def stop(self, allocation: str) -> None:
        self.gate.wait(30)
        self.running.pop(allocation, None)

    def end(self, allocation: str) -> tuple[int, str, str]:
        if image_of(self.running.pop(allocation)) in self.broken:
            return 1, "", "no such table\n"
        return 0, "Nothing to migrate\n", ""

    def live(self, name: str) -> int:
        return sum(job["ID"] == name for job in self.running.values())


@dataclass(kw_only=True)
class Allocation:
    """One of a job. `job`: of the version that it is of."""

    name: str
    job: Job
    index: int
    status: str = "pending"
    desired: str = "run"
    events: list[tuple[str, str]] = field(default_factory=list)
    printed: dict[str, str] = field(default_factory=dict)

    def told(self) -> dict[str, Any]:
        (group,) = self.job["TaskGroups"]
        events = [{"Type": kind, "DisplayMessage": text} for kind, text in self.events]
        state = {"complete": "dead", "failed": "dead"}.get(self.status, self.status)
        return {
            "ID": self.name,
            "JobID": self.job["ID"],
            "JobVersion": self.job["Version"],
            "TaskGroup": group["Name"],
            "ClientStatus": self.status,
            "DesiredStatus": self.desired,
            "CreateIndex": self.index,
            "TaskStates": {group["Tasks"][0]["Name"]: {"State": state, "Events": events}},
        }


@dataclass
class Nomad:
    """Its state. `registered`: every job as it was sent, in order."""

    site: Site
    jobs: dict[str, list[Job]] = field(default_factory=dict)
    allocations: dict[str, Allocation] = field(default_factory=dict)
    blocked: dict[str, str] = field(default_factory=dict)
    registered: list[Job] = field(default_factory=list)
    index: int = 10
    lock: threading.RLock = field(default_factory=threading.RLock)
    closing: bool = False

    def register(self, body: Mapping[str, Any]) -> tuple[int, Any]:
        job: Job = copy.deepcopy(body["Job"])
        if not job.get("TaskGroups"):
            return 400, "1 error occurred:\n\t* Missing job task groups\n"
        with self.lock:
            versions = self.jobs.get(job["ID"], [])
            index = versions[0]["JobModifyIndex"] if versions else 0
            asked = body.get("JobModifyIndex")
            if body.get("EnforceIndex") and asked != index:
                why = (
                    f"job exists with conflicting job modify index: {index}"
                    if asked
                    else "job already exists"
                )
                return 500, f"Enforcing job modify index {asked}: {why}"
            self.registered.append(job)
            if not versions or theirs(versions[0]) != theirs(job):
                self.index += 1
                versions = self.jobs.setdefault(job["ID"], [])
                version = versions[0]["Version"] + 1 if versions else 0
                new = {**EMPTY, **theirs(job), "Version": version, "SubmitTime": self.index}
                versions.insert(0, {**new, "JobModifyIndex": self.index})
            self.schedule(versions[0])
            return 200, {"EvalID": "5e1f", "JobModifyIndex": versions[0]["JobModifyIndex"]}

    def schedule(self, job: Job) -> None:
        """What is of this task stays and belongs to this version; the rest goes, what is missing comes."""
        name, count = job["ID"], wanted(job)
        of_job = [one for one in self.allocations.values() if one.job["ID"] == name]
        if job["Type"] == "batch":
            live = [one for one in of_job if one.job["Version"] == job["Version"]]
        else:
            live = [one for one in of_job if one.desired == "run" and one.status != "failed"]
        kept = [
            one
            for one in live
            if one.job["TaskGroups"][0]["Tasks"] == job["TaskGroups"][0]["Tasks"]
        ]
        for one in kept[:count]:
            one.job = job
        for one in [one for one in live if one not in kept] + kept[count:]:
            one.desired = "stop"
            threading.Thread(target=self._stop, args=(one,), daemon=True).start()
        missing = count - len(kept)
        self.blocked.pop(name, None)
        if missing > 0 and (lacking := self.site.lacks(job)):
            self.blocked[name] = lacking
            return
        for _ in range(missing):
            self.index += 1
            new = Allocation(name=f"{name}~{self.index}", job=job, index=self.index)
            self.allocations[new.name] = new
            threading.Thread(target=self._start, args=(new,), daemon=True).start()

    def collect(self) -> None:
        for name, versions in list(self.jobs.items()):
            job = versions[0]
            dead = job.get("Stop") or (job["Type"] == "batch" and not job.get("ParameterizedJob"))
            at_work = [one for one in self.allocations.values() if one.job["ID"] == name]
            if dead and all(one.status in ("complete", "failed") for one in at_work):
                del self.jobs[name]

    def status(self, name: str) -> list[Allocation]:
        with self.lock:
            return [one for one in self.allocations.values() if one.job["ID"] == name]

    def close(self) -> None:
        """Stop all that runs."""
        self.closing = True
        for one in list(self.allocations.values()):
            if one.status in ("pending", "running"):
                self._stop(one)

    def _start(self, one: Allocation) -> None:
        one.events.append(("Received", "Task received by client"))
        if self.closing:
            return
        if why := self.site.start(one.job, one.name):
            one.events += [("Driver Failure", why), ("Restarting", "Task restarting in 17.086s")]
            return
        one.events.append(("Started", "Task started by client"))
        one.status = "running"
        if one.job["Type"] == "batch":
            code, out, err = self.site.end(one.name)
            one.printed = {"stdout": out, "stderr": err}
            one.events.append(("Terminated", f"Exit Code: {code}"))
            if code:
                one.events.append(("Not Restarting", "Policy allows no restarts"))
            one.status = "failed" if code else "complete"

    def _stop(self, one: Allocation) -> None:
        self.site.stop(one.name)
        one.events.append(("Killed", "Task successfully killed"))
        one.status = "complete"


def theirs(job: Job) -> Job:
    """What of it is the user's own; to Nomad what is not given is empty."""
    return {name: value for name, value in job.items() if value and name not in SERVERS_OWN}


def wanted(job: Job) -> int:
    if job.get("Stop") or job.get("ParameterizedJob"):
        return 0
    count: int = job["TaskGroups"][0]["Count"]
    return count


def image_of(job: Job) -> str:
    task = job["TaskGroups"][0]["Tasks"][0]
    image: str = task["Config"].get("image") or task["Env"]["IMAGE"]
    return image


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
                stubs = ("ID", "Name", "Type", "SubmitTime")
                self._say(200, [{name: job[name] for name in stubs} for job in found])
            case ["job", name, *_] if name not in jobs:
                self._say(404, "job not found")
            case ["job", name]:
                self._say(200, jobs[name][0])
            case ["job", name, "allocations"]:
                self._say(200, [one.told() for one in self.nomad.status(name)])
            case ["job", name, "evaluations"]:
                self._say(200, self._evaluations(name))
            case ["job", _, "deployment"]:
                self._say(200, None)
            case ["allocation", name]:
                one = self.nomad.allocations[name]
                self._say(200, {**one.told(), "Job": one.job})
            case ["client", "fs", "logs", name]:
                assert query["plain"] == "true"
                assert query["task"]
                self._say(200, self.nomad.allocations[name].printed[query["type"]], plain=True)
            case _:
                self._say(404, "Invalid path")

    def do_PUT(self) -> None:
        self.do_POST()

    def do_POST(self) -> None:
        where = urlsplit(self.path)
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self._refused({name: values[0] for name, values in parse_qs(where.query).items()}):
            return
        if where.path == "/v1/jobs":
            self._say(*self.nomad.register(body))
        else:
            self._say(404, "Invalid path")

    def _evaluations(self, name: str) -> list[dict[str, Any]]:
        index = self.nomad.jobs[name][0]["JobModifyIndex"]
        done = {"Status": "complete", "JobModifyIndex": index}
        if (lacking := self.nomad.blocked.get(name)) is None:
            return [done]
        group = {"ConstraintFiltered": None, "DimensionExhausted": {lacking: 1}}
        return [{**done, "Status": "blocked", "FailedTGAllocs": {"main": group}}, done]

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
        nomad.close()
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
    kind = (
        {"Type": "batch", "ParameterizedJob": {"Payload": "optional"}}
        if name == "fleet-job"
        else {"Type": "service"}
    )
    return {
        "ID": name,
        "Name": name,
        **kind,
        "Datacenters": ["dc1"],
        "Meta": meta,
        "TaskGroups": [{"Name": "main", "Count": count, "Tasks": [task]}],
    }

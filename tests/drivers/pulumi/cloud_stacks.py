"""What the stand-in for Pulumi Cloud holds: stacks, their updates with leases, their last checkpoint."""

from __future__ import annotations

import base64
import threading
import time
import uuid
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

_SEAL = b"sealed:"
_KINDS_THAT_HOLD = ("update", "refresh", "destroy")


@dataclass(frozen=True)
class Answer:
    body: Any = None
    status: HTTPStatus = HTTPStatus.OK

    @classmethod
    def error(cls, status: HTTPStatus, message: str) -> Answer:
        return cls({"code": int(status), "message": message}, status)


_CONFLICT = Answer.error(HTTPStatus.CONFLICT, "Conflict: Another update is currently in progress.")


@dataclass
class Update:
    id: str
    kind: str
    program: dict[str, Any]
    token: str = ""
    result: str = "not-started"
    version: int = 0
    started_at: int = 0
    ended_at: int = 0
    renewed_s: float = 0.0

    @property
    def holds(self) -> bool:
        return self.result == "in-progress" and self.kind in _KINDS_THAT_HOLD

    def info(self) -> dict[str, Any]:
        said = self.program["metadata"]
        return {
            "kind": self.kind,
            "startTime": self.started_at,
            "message": said["message"],
            "environment": said["environment"],
            "config": self.program["config"],
            "result": self.result,
            "endTime": self.ended_at,
            "version": self.version,
        }


@dataclass
class CloudStack:
    org: str
    project: str
    name: str
    tags: dict[str, str]
    lease_s: float
    deployment: dict[str, Any] = field(default_factory=lambda: {"version": 3, "deployment": None})
    updates: list[Update] = field(default_factory=list)
    previews: list[Update] = field(default_factory=list)

    def update(self, id_: str) -> Update:
        return next(item for item in (*self.updates, *self.previews) if item.id == id_)

    @property
    def active(self) -> Update | None:
        return next((item for item in self.updates if item.holds), None)

    @property
    def begun(self) -> list[Update]:
        """Those that are in the history, the newest last."""
        return [item for item in self.updates if item.result != "not-started"]

    def end_silent(self) -> None:
        active = self.active
        if active is not None and time.monotonic() - active.renewed_s > self.lease_s:
            self._end(active, "failed")

    def _end(self, update: Update, result: str) -> None:
        update.result, update.token, update.ended_at = result, "", int(time.time())

    def described(self) -> Answer:
        active, begun = self.active, self.begun
        said = {
            "id": self.name,
            "orgName": self.org,
            "projectName": self.project,
            "stackName": self.name,
            "activeUpdate": begun[-1].id if begun else "",
            "tags": self.tags,
            "version": begun[-1].version if begun else 0,
        }
        if active is not None:
            started = {"kind": active.kind, "author": "ann", "started": active.started_at}
            said["currentOperation"] = started
        return Answer(said)

    def exported(self) -> Answer:
        return Answer(self.deployment)

    def status(self, id_: str) -> Answer:
        return Answer({"status": self.update(id_).result, "events": []})

    def imported(self, said: Any) -> Answer:
        if self.active is not None:
            return _CONFLICT
        self.deployment = said
        done = Update(id=str(uuid.uuid4()), kind="import", program=_IMPORTED, result="succeeded")
        self.updates.append(done)
        return Answer({"updateId": done.id})

    def encrypted(self, said: Any) -> Answer:
        sealed = base64.b64encode(_SEAL + base64.b64decode(said["plaintext"])[::-1])
        return Answer({"ciphertext": sealed.decode()})

    def decrypted(self, said: Any) -> Answer:
        return Answer({"plaintext": _opened(said["ciphertext"])})

    def all_decrypted(self, said: Any) -> Answer:
        return Answer({"plaintexts": {item: _opened(item) for item in said["ciphertexts"]}})

    def history(self, at: Any) -> Answer:
        size, page = int(at.get("pageSize", 10)), int(at.get("page", 1))
        newest = self.begun[::-1]
        found = newest[(page - 1) * size : page * size]
        return Answer({"updates": [item.info() for item in found]})

    def latest(self) -> Answer:
        if not self.begun:
            return Answer.error(HTTPStatus.NOT_FOUND, "Not Found: no updates")
        return Answer({"info": self.begun[-1].info()})

    def create_update(self, kind: str, said: Any) -> Answer:
        made = Update(id=str(uuid.uuid4()), kind=kind, program=said)
        (self.previews if kind == "preview" else self.updates).append(made)
        return Answer({"updateID": made.id})

    def start(self, id_: str) -> Answer:
        update = self.update(id_)
        if update.kind in _KINDS_THAT_HOLD:
            if self.active is not None:
                return _CONFLICT
            update.version = 1 + max((item.version for item in self.updates), default=0)
        update.result, update.started_at = "in-progress", int(time.time())
        return self._leased(update, version=update.version)

    def foreign(self) -> None:
        """Somebody else has an update under way."""
        self.begin("by hand", "")

    def begin(self, message: str, agent: str) -> None:
        """An update is under way of which nothing more is heard."""
        told = {"message": message, "environment": {"exec.agent": agent}}
        id_ = self.create_update("update", {"metadata": told, "config": {}}).body["updateID"]
        assert self.start(id_).status is HTTPStatus.OK

    def renew(self, id_: str) -> Answer:
        return self._leased(self.update(id_))

    def _leased(self, update: Update, **more: int) -> Answer:
        update.renewed_s, update.token = time.monotonic(), str(uuid.uuid4())
        return Answer({"token": update.token, "tokenExpiration": int(time.time() + 300), **more})

    def checkpoint(self, said: Any) -> Answer:
        kept = {key: said[key] for key in ("version", "features", "deployment") if key in said}
        self.deployment = kept
        return Answer()

    def complete(self, id_: str, status: str) -> Answer:
        self._end(self.update(id_), status)
        return Answer()

    def cancel(self, id_: str) -> Answer:
        update = self.update(id_)
        if update.result == "in-progress":
            self._end(update, "failed")
        return Answer()


_IMPORTED = {"metadata": {"message": "", "environment": {}}, "config": {}}


def _opened(sealed: str) -> str:
    plain = base64.b64decode(sealed).removeprefix(_SEAL)[::-1]
    return base64.b64encode(plain).decode()


@dataclass
class Stacks:
    lease_s: float
    named: dict[str, CloudStack] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def end_silent_updates(self) -> None:
        for stack in self.named.values():
            stack.end_silent()

    def create(self, at: Any, said: Any) -> Answer:
        name = f"{at['org']}/{at['project']}/{said['stackName']}"
        if name in self.named:
            return Answer.error(HTTPStatus.CONFLICT, f"Conflict: Stack '{name}' already exists")
        self.named[name] = CloudStack(
            org=at["org"],
            project=at["project"],
            name=said["stackName"],
            tags=said.get("tags") or {},
            lease_s=self.lease_s,
        )
        return Answer({})

    def delete(self, at: Any) -> Answer:
        self.named.pop(f"{at['org']}/{at['project']}/{at['stack']}", None)
        return Answer(status=HTTPStatus.NO_CONTENT)

    def has_project(self, at: Any) -> Answer:
        known = any(stack.project == at["project"] for stack in self.named.values())
        return Answer(status=HTTPStatus.OK if known else HTTPStatus.NOT_FOUND)

    def listed(self, at: Any) -> Answer:
        found = [
            {
                "id": item.name,
                "orgName": item.org,
                "projectName": item.project,
                "stackName": item.name,
            }
            for item in self.named.values()
            if at.get("project") in (None, item.project)
        ]
        return Answer({"stacks": found})

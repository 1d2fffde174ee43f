"""A Kubernetes API server over HTTP, as far as applying objects needs it."""

from __future__ import annotations

import base64
import json
import os
import ssl
import tempfile
import threading
from pathlib import Path
from typing import Any

import httpx
import yaml

from .api import Tree

_APPLY = {"content-type": "application/apply-patch+yaml"}
_SELECTED = {"Deployment", "StatefulSet", "Job", "DaemonSet", "ReplicaSet"}


class Unreachable(Exception):
    """No answer; nothing is known."""


class Missing(Exception):
    """The server has no such kind, or not this namespace."""


class Conflict(Exception):
    """Fields belong to another manager."""


class Invalid(Exception):
    """The server refuses the object."""


class Cluster:
    settles_s = 10.0
    """How long what a Service leads to has to stay as it is."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client
        self._kinds: dict[str, dict[str, tuple[str, bool]]] = {}
        self._lock = threading.Lock()

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            return self._client.request(method, path, **options)
        except httpx.TransportError as wrong:
            url = f"{str(self._client.base_url).rstrip('/')}{path}"
            text = str(wrong)
            if "refused" in text:
                at = self._client.base_url
                text = f"dial tcp {at.host}:{at.port}: connect: connection refused"
            raise Unreachable(f'{method.capitalize()} "{url}": {text}') from None

    def ping(self) -> None:
        self._send("GET", "/version")

    def _kind(self, api: str, kind: str) -> tuple[str, bool]:
        """Plural and whether it lives in namespaces; raises Missing."""
        with self._lock:
            if api not in self._kinds:
                root = f"/apis/{api}" if "/" in api else f"/api/{api}"
                answer = self._send("GET", root)
                listed = answer.json().get("resources", []) if answer.status_code == 200 else []
                self._kinds[api] = {
                    one["kind"]: (one["name"], one["namespaced"])
                    for one in listed
                    if "/" not in one["name"]
                }
            found = self._kinds[api].get(kind)
        if found is None:
            raise Missing(f'no matches for kind "{kind}" in version "{api}"')
        return found

    def namespaced(self, api: str, kind: str) -> bool:
        return self._kind(api, kind)[1]

    def resource(self, api: str, kind: str) -> str:
        group = api.partition("/")[0] if "/" in api else ""
        return self._kind(api, kind)[0] + (f".{group}" if group else "")

    def _path(self, api: str, kind: str, namespace: str, name: str = "") -> str:
        root = f"/apis/{api}" if "/" in api else f"/api/{api}"
        within = f"/namespaces/{namespace}" if namespace else ""
        return f"{root}{within}/{self._kind(api, kind)[0]}" + (f"/{name}" if name else "")

    def get(self, api: str, kind: str, namespace: str, name: str) -> Tree | None:
        answer = self._send("GET", self._path(api, kind, namespace, name))
        if answer.status_code == 404:
            return None
        _require(answer)
        return {"apiVersion": api, "kind": kind, **answer.json()}

    def apply(
        self, place: tuple[str, str, str, str], new: Tree, manager: str, *, dry: bool, force: bool
    ) -> Tree:
        """Server-side apply; raises Conflict, Invalid, Missing."""
        query = {"fieldManager": manager, "fieldValidation": "Strict", "force": str(force).lower()}
        if dry:
            query["dryRun"] = "All"
        answer = self._send(
            "PATCH", self._path(*place), params=query, headers=_APPLY, content=json.dumps(new)
        )
        if answer.status_code == 409:
            raise Conflict(_message(answer))
        if answer.status_code == 404:
            raise Missing(_message(answer))
        if answer.status_code >= 400:
            raise Invalid(_message(answer))
        return answer.json()

    def delete(self, api: str, kind: str, namespace: str, name: str) -> None:
        answer = self._send(
            "DELETE",
            self._path(api, kind, namespace, name),
            content=json.dumps({"propagationPolicy": "Foreground"}),
            headers={"content-type": "application/json"},
        )
        if answer.status_code not in (404, 409):
            _require(answer)

    def around(self, live: Tree) -> list[Tree]:
        """What tells whether it is ready: the pods it selects, the endpoints of a Service."""
        if live["kind"] == "Service":
            metadata = live["metadata"]
            found = self.get("v1", "Endpoints", metadata["namespace"], metadata["name"])
            return [found] if found else []
        if live["kind"] not in _SELECTED:
            return []
        labels = ((live["spec"].get("selector") or {}).get("matchLabels")) or {}
        if not labels:
            return []
        namespace = live["metadata"]["namespace"]
        selector = ",".join(f"{key}={value}" for key, value in labels.items())
        answer = self._send(
            "GET", f"/api/v1/namespaces/{namespace}/pods", params={"labelSelector": selector}
        )
        return answer.json().get("items", []) if answer.status_code == 200 else []


def _message(answer: httpx.Response) -> str:
    try:
        return answer.json().get("message", answer.text)
    except ValueError:
        return answer.text


def _require(answer: httpx.Response) -> None:
    if answer.status_code >= 400:
        raise Invalid(f"{answer.status_code}: {_message(answer)}")


def connect(given: str, context: str) -> Cluster:
    """`given` is the kubeconfig's text, or paths of some, of which the first has its way."""
    if "\n" in given or given.lstrip().startswith("{"):
        config, base = yaml.safe_load(given), Path()
    else:
        paths = [Path(part) for part in given.split(os.pathsep) if part]
        config, base = (
            _merged([yaml.safe_load(path.read_text()) for path in paths]),
            paths[-1].parent,
        )
    wanted = context or config.get("current-context") or config["contexts"][0]["name"]
    chosen = _named(config["contexts"], wanted)["context"]
    cluster = _named(config["clusters"], chosen["cluster"])["cluster"]
    user = _named(config.get("users") or [], chosen.get("user", "")).get("user") or {}
    headers = {}
    token = user.get("token")
    if user.get("tokenFile"):
        token = (base / user["tokenFile"]).read_text().strip()
    if token:
        headers["authorization"] = f"Bearer {token}"
    verify = _tls(cluster, user, base) if cluster["server"].startswith("https") else False
    client = httpx.Client(
        base_url=cluster["server"], headers=headers, verify=verify, timeout=30, trust_env=False
    )
    return Cluster(client)


def _merged(configs: list[Tree]) -> Tree:
    """Relative paths in them count from the last file's folder: only that one has any here."""
    merged: Tree = {}
    for config in configs:
        for key, value in config.items():
            known = merged.setdefault(key, value)
            if isinstance(known, list) and known is not value:
                names = {one["name"] for one in known}
                known.extend(one for one in value if one["name"] not in names)
    return merged


def _named(entries: list[Tree], name: str) -> Tree:
    return next((one for one in entries if one["name"] == name), {})


def _tls(cluster: Tree, user: Tree, base: Path) -> ssl.SSLContext:
    tls = ssl.create_default_context()
    if cluster.get("insecure-skip-tls-verify"):
        tls.check_hostname = False
        tls.verify_mode = ssl.CERT_NONE
    elif cluster.get("certificate-authority-data"):
        tls.load_verify_locations(cadata=_decoded(cluster["certificate-authority-data"]))
    elif cluster.get("certificate-authority"):
        tls.load_verify_locations(cafile=str(base / cluster["certificate-authority"]))
    if user.get("client-certificate-data"):
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
            file.write(_decoded(user["client-certificate-data"]) + "\n")
            file.write(_decoded(user["client-key-data"]))
            file.flush()
            tls.load_cert_chain(file.name)
    elif user.get("client-certificate"):
        tls.load_cert_chain(str(base / user["client-certificate"]), str(base / user["client-key"]))
    return tls


def _decoded(text: str) -> str:
    return base64.b64decode(text).decode()

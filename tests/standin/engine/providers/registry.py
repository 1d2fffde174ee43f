"""Which provider serves a package; one instance for each configuration."""

from __future__ import annotations

import json
import threading
from typing import Any

from tests.standin.engine.failure import OperationFailed

from .api import Provider


class Providers:
    def __init__(self) -> None:
        self._built: dict[str, Provider] = {}
        self._lock = threading.Lock()

    def get(self, package: str, version: str, inputs: dict[str, Any]) -> Provider:
        """Raises OperationFailed where there is no such plugin."""
        with self._lock:
            key = package + json.dumps(inputs, sort_keys=True, default=str)
            if key not in self._built:
                self._built[key] = _build(package, version, inputs)
            return self._built[key]

    def cancel(self) -> None:
        for provider in self._built.values():
            getattr(provider, "cancel", lambda: None)()


def _build(package: str, version: str, inputs: dict[str, Any]) -> Provider:
    if package == "lab":
        from .lab import Lab

        return Lab()
    if package == "kubernetes":
        from .kubernetes import Kubernetes

        return Kubernetes(inputs)
    at = f" at version v{version}" if version else ""
    raise OperationFailed(
        f"no resource plugin 'pulumi-resource-{package}' found in the workspace{at} or on your $PATH"
    )

"""Names that Kubernetes takes, out of names that it would not: queues and build ids are opaque."""

from __future__ import annotations

import hashlib
import re

PREFIX = "rollout-kit.dev"
ATTACHED = f"{PREFIX}/attached"
NODE = f"{PREFIX}/node"
COHORT = f"{PREFIX}/cohort"
JOB = f"{PREFIX}/job"
RUN = f"{PREFIX}/run"
REVISION = f"{PREFIX}/revision"
SINGLETON = f"{PREFIX}/singleton"
NAMESPACE = f"{PREFIX}/namespace"
TASK_QUEUE = f"{PREFIX}/task-queue"
BUILD_ID = f"{PREFIX}/build-id"
COMPONENT = "app.kubernetes.io/component"

_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?")
_OBJECT_NAME = re.compile(r"[a-z]([a-z0-9-]*[a-z0-9])?")
_LONGEST_NAME = 45
"""A pod adds two parts of its own to its owner's name, and 63 characters is the end."""


def label_value(text: str) -> str:
    """`text` where a label may hold it; else what of it may stand there, and a digest of all."""
    if _LABEL_VALUE.fullmatch(text):
        return text
    return f"{_readable(text, 50)}-{digest(text)}".lstrip("-")


def object_name(kind: str, *parts: str, exact: str = "") -> str:
    """One object's name, always the same for the same `exact` text (else: the parts).

    One part that an object's name can hold stands there alone; otherwise a digest is added, because
    the readable rest could also mean others.
    """
    plain = "-".join((kind, *parts))
    if not exact and _OBJECT_NAME.fullmatch(plain) and len(plain) <= _LONGEST_NAME:
        return plain
    readable = _readable(plain.lower(), _LONGEST_NAME - 9)
    return f"{readable}-{digest(exact or plain)}"


def node_name(name: str) -> str:
    """A node is addressed by its name, so it has to be one that Kubernetes takes as it is."""
    if _OBJECT_NAME.fullmatch(name) and len(name) <= _LONGEST_NAME:
        return name
    raise ValueError(
        f"node {name!r}: a node's name is its address in the cluster, so it needs small letters, "
        f"digits and '-' only, a letter first, {_LONGEST_NAME} characters at most"
    )


def digest(text: str) -> str:
    """Eight characters that stand for exactly this text."""
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _readable(text: str, length: int) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-")[:length].strip("-")

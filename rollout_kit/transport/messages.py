"""One request, one response, and the function between them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias
from urllib.parse import urlsplit

from rollout_kit.transport.secret import Secret

READ_TIMEOUT_S = 40.0
"""A poll timeout of 30 s and 10 s: an ordinary node has been seen to take that long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is sent. `credential` names whose token it carries ("operator"), for messages.

    `timeout_s` bounds the whole exchange; connecting is bounded by the exchange itself.
    """

    method: str
    url: str
    headers: Mapping[str, str | Secret] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)
    credential: str = ""
    timeout_s: float = READ_TIMEOUT_S

    @property
    def label(self) -> str:
        """`GET http://host:8080/api/ready`: without what may be secret in an address."""
        return f"{self.method} {shown_url(self.url)}"

    def header(self, name: str) -> str:
        """A header's value by its name in any case; "" where it is absent or secret."""
        for key, value in self.headers.items():
            if key.lower() == name.lower() and isinstance(value, str):
                return value
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What came back; header names are lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)


Exchange: TypeAlias = Callable[[Request], Response]
"""Sends once, follows nothing, retries nothing. Raises an error of `ports.errors` without answer."""


def shown_url(url: str) -> str:
    """The address without user, password, query and fragment: any of them may be secret."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(not an address)"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def origin(url: str) -> str:
    """`http://host:8080`, without user and password; of a pod's address, its workload and port."""
    scheme, _, rest = shown_url(url).partition("://")
    parts = 3 if scheme == "kubernetes" else 1
    return f"{scheme}://{'/'.join(rest.split('/')[:parts])}"

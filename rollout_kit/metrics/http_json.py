"""One number out of a JSON document over HTTP, named by a JSON pointer (RFC 6901)."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from functools import partial
from typing import Any

from rollout_kit.model.gate import HttpSource
from rollout_kit.ports.errors import Refused, Trouble
from rollout_kit.transport.client import JsonClient, Reply, Terms
from rollout_kit.transport.messages import Request, shown_url
from rollout_kit.transport.secret import Secret

_REFERENCE = re.compile(r"\$\{env:([A-Za-z_][A-Za-z0-9_]*)\}")
_INDEX = re.compile(r"0|[1-9][0-9]*")
FOUND_CHARACTERS = 60


class HttpJsonMetrics:
    """Implements `ports.metrics.MetricsReader`.

    `environ` resolves `${env:NAME}` in header values, at each request: the plan and the journal
    hold references only.
    """

    def __init__(self, client: JsonClient, environ: Mapping[str, str]) -> None:
        self._client = client
        self._environ = environ

    def http_number(self, source: HttpSource) -> float:
        """The number at the source's pointer.

        Raises:
            Refused: a header's variable is not set, or no number stands there.
            Unavailable, InFlight: the document cannot be had now.
        """
        request = Request(
            method="GET",
            url=source.url,
            headers={
                "Accept": "application/json",
                **{name: self._resolved(name, value) for name, value in source.headers.items()},
            },
        )
        # Not remembered: two gates may point at different numbers of one document.
        return self._client.read(request, partial(_number, source), Terms(remember=False))

    def _resolved(self, header: str, value: str) -> Secret:
        missing = [name for name in _REFERENCE.findall(value) if name not in self._environ]
        if missing:
            raise Refused(
                f"the header {header} needs the environment variable {missing[0]}, "
                "which is not set",
                hint=f"export {missing[0]} where the rollout runs",
                trouble=Trouble.AUTH,
            )
        return Secret(_REFERENCE.sub(lambda found: self._environ[found[1]], value))


def _number(source: HttpSource, reply: Reply) -> float:
    value = _pointed(source, reply.body)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _no_number(source, f"there stands {_shown(value)}")
    if not math.isfinite(value):
        raise _no_number(source, f"the number there is too large ({value})")
    return float(value)


def _pointed(source: HttpSource, document: Any) -> Any:
    """What the pointer names, step by step."""
    if source.pointer and not source.pointer.startswith("/"):
        raise _no_number(source, "a JSON pointer begins with '/'")
    value = document
    walked = ""
    for part in source.pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        match value:
            case dict() if key in value:
                value = value[key]
            case list() if _INDEX.fullmatch(key) and int(key) < len(value):
                value = value[int(key)]
            case dict():
                known = ", ".join(sorted(map(str, value))[:8]) or "nothing"
                raise _no_number(source, f"{walked or 'the root'} has no {key!r}, it has {known}")
            case list():
                size = len(value)
                raise _no_number(source, f"{walked or 'the root'} is a list of {size}, no {key!r}")
            case _:
                raise _no_number(source, f"{walked or 'the root'} is {_shown(value)}")
        walked += f"/{part}"
    return value


def _shown(value: Any) -> str:
    match value:
        case None:
            return "null"
        case dict():
            return f"an object of {len(value)}"
        case list():
            return f"a list of {len(value)}"
        case _:
            return repr(value)[:FOUND_CHARACTERS]


def _no_number(source: HttpSource, found: str) -> Refused:
    return Refused(
        f"{shown_url(source.url)} has no number at {source.pointer!r}: {found}",
        hint="correct `pointer`, or the document",
    )

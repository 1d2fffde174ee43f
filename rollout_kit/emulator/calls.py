"""Which route serves a request, what it asks of the caller, and what a handler is given."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum, StrEnum, auto

from rollout_kit.emulator.model import ledger
from rollout_kit.emulator.model.settings import Condition, Generation, ServerSettings
from rollout_kit.emulator.store import Rows, Store, StoreUnavailable
from rollout_kit.emulator.wire import Refusal, Request, Response, ServerError


class Plane(Enum):
    """Which rules a route is under: none, authenticated only, operators', workers'."""

    PUBLIC = auto()
    INFO = auto()
    CONTROL = auto()
    WORKER = auto()


class Role(StrEnum):
    WORKER = "worker"
    OPERATOR = "operator"
    ADMIN = "admin"


OPERATORS = (Role.OPERATOR, Role.ADMIN)
ADMINS = (Role.ADMIN,)
WORKERS = (Role.WORKER,)
ANYBODY = (Role.WORKER, Role.OPERATOR, Role.ADMIN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One authorised request, with everything a handler needs to answer it."""

    request: Request
    settings: ServerSettings
    store: Store
    now_us: int
    namespace: str
    role: Role | None
    names: Mapping[str, str] = field(default_factory=dict)

    @contextmanager
    def read(self) -> Iterator[Rows]:
        with self._reachable(), self.store.read() as rows:
            yield rows

    @contextmanager
    def write(self) -> Iterator[Rows]:
        with self._reachable(), self.store.write() as rows:
            yield rows

    def need_cache(self) -> None:
        """Calls that use the shared cache fail without it."""
        needed = self.settings.rules.cache_gates_ready
        if needed and self.settings.meets(Condition.CACHE_DOWN):
            raise ServerError

    @property
    def json(self) -> dict[str, object]:
        """The request body, which is a JSON object; anything else counts as an empty one."""
        if not self.request.body:
            return {}
        value = json.loads(self.request.body)
        return value if isinstance(value, dict) else {}

    @contextmanager
    def _reachable(self) -> Iterator[None]:
        down = {Condition.DATABASE_DOWN, Condition.DATABASE_FILE_MISSING}
        if down & self.settings.conditions:
            raise ServerError
        try:
            yield
        except StoreUnavailable as error:
            raise ServerError from error


Handler = Callable[[Call], Response]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """`pattern` has `{name}` for one segment, `{name*}` at its end for all that follow.

    `since` is the first release whose image has the route.
    """

    method: str
    pattern: str
    handler: Handler
    plane: Plane = Plane.CONTROL
    roles: Sequence[Role] = OPERATORS
    namespaced: bool = True
    generations: Sequence[Generation] = tuple(Generation)
    since: tuple[int, ...] = ()
    blockable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    route: Route
    names: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class NoRoute:
    """Nothing serves this path, or only with other methods (`allowed`)."""

    allowed: Sequence[str]


class Router:
    """The routes of one image, by path."""

    def __init__(self, routes: Sequence[Route], settings: ServerSettings) -> None:
        release = ledger.release(settings.image_version)
        self._routes = [
            (tuple(route.pattern.strip("/").split("/")), route)
            for route in routes
            if settings.generation in route.generations and route.since <= release
        ]

    def find(self, method: str, path: str) -> Match | NoRoute:
        segments = tuple(path.strip("/").split("/"))
        wanted = "GET" if method == "HEAD" else method
        allowed: list[str] = []
        for pattern, route in self._routes:
            names = _bind(pattern, segments)
            if names is None:
                continue
            if route.method == wanted:
                return Match(route=route, names=names)
            allowed += ["GET", "HEAD"] if route.method == "GET" else [route.method]
        return NoRoute(allowed=list(dict.fromkeys(allowed)))


def _bind(pattern: Sequence[str], segments: Sequence[str]) -> dict[str, str] | None:
    rest = pattern[-1].endswith("*}")
    if len(segments) != len(pattern) and not (rest and len(segments) > len(pattern)):
        return None
    names = {}
    for position, part in enumerate(pattern):
        if part.endswith("*}"):
            names[part[1:-2]] = "/".join(segments[position:])
        elif part.startswith("{"):
            names[part[1:-1]] = segments[position]
        elif part != segments[position]:
            return None
    return names


def invalid(errors: Mapping[str, Sequence[str]]) -> Refusal:
    """422 with what is wrong, field by field."""
    listed = {name: list(texts) for name, texts in errors.items()}
    first = next(iter(listed.values()))[0]
    more = sum(len(texts) for texts in listed.values()) - 1
    if more:
        first += f" (and {more} more error{'s' if more > 1 else ''})"
    body = {"message": first, "reason": "validation_failed"}
    return Refusal(422, body | {"errors": listed, "validation_errors": listed})

"""Which route serves a request, what it asks of the caller, and what a handler is given."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import Enum, StrEnum, auto
from functools import lru_cache
from types import TracebackType

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
_DOWN = frozenset({Condition.DATABASE_DOWN, Condition.DATABASE_FILE_MISSING})
_REMEMBERED = 1024
ANYBODY = (Role.WORKER, Role.OPERATOR, Role.ADMIN)


@dataclass(slots=True, kw_only=True)  # not frozen: there is one for each request
class Call:
    """One authorised request, with everything a handler needs to answer it."""

    request: Request
    settings: ServerSettings
    store: Store
    now_us: int
    namespace: str
    role: Role | None
    names: Mapping[str, str] = field(default_factory=dict)

    def read(self) -> AbstractContextManager[Rows]:
        """Raises ServerError, here or inside, when the rows cannot be reached."""
        self._need_database()
        return _Reached(self.store.read())

    def write(self) -> AbstractContextManager[Rows]:
        """As `read`, for changes: an exception inside undoes them."""
        self._need_database()
        return _Reached(self.store.write())

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

    def _need_database(self) -> None:
        if not _DOWN.isdisjoint(self.settings.conditions):
            raise ServerError


class _Reached:
    """A transaction whose store cannot be reached is what the server did not expect."""

    __slots__ = ("_inner",)

    def __init__(self, inner: AbstractContextManager[Rows]) -> None:
        self._inner = inner

    def __enter__(self) -> Rows:
        try:
            return self._inner.__enter__()
        except StoreUnavailable as error:
            raise ServerError from error

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        try:
            swallowed = self._inner.__exit__(kind, error, trace)
        except StoreUnavailable as lost:
            raise ServerError from lost
        if not swallowed and isinstance(error, StoreUnavailable):
            raise ServerError from error
        return swallowed


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
    """The routes of one release, by path. What was found last is remembered."""

    def __init__(
        self, routes: Sequence[Route], generation: Generation, release: tuple[int, ...]
    ) -> None:
        self._routes = [
            (tuple(route.pattern.strip("/").split("/")), route)
            for route in routes
            if generation in route.generations and route.since <= release
        ]
        self.find = lru_cache(maxsize=_REMEMBERED)(self._find)

    def _find(self, method: str, path: str) -> Match | NoRoute:
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

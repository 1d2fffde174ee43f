"""Objects in S3, GCS or Azure, through `obstore` (the extra `rollout-kit[remote]`)."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from rollout_kit.journal.objects import Found, Unanswered, Version
from rollout_kit.ports.journal import JournalLost

if TYPE_CHECKING:
    from obstore import ListResult, ObjectMeta, UpdateVersion
    from obstore.store import ClientConfig, ObjectStore

T = TypeVar("T")
WRITE_S = 3.0
"""An interrupted process waits for one write, and for one renewal of its lock: six seconds."""
READ_S = 2.4
READ_AGAIN_S = 2.0
AT_ONCE = 24
PASSING = frozenset({408, 409, 425, 429})
"""What a store says when two ask at once, or too many."""
CREDENTIALS = frozenset({401, 403})
"""Also from where a token is had: that is another error than the store's own."""
TOO_OFTEN = 429
APART_S = 1.1
"""GCS takes one write of a name a second: a lock that was just taken cannot be given back at once."""
PLAIN = {"s3": "AWS_ALLOW_HTTP", "gs": "GOOGLE_ALLOW_HTTP", "az": "AZURE_ALLOW_HTTP"}
"""The variable that allows an endpoint without TLS."""
_STATUS = re.compile(r"status code: ([0-9]{3})[A-Za-z ]*")
_CODE = re.compile(r"<Code>(\w+)</Code>")


class TooOften(Unanswered):
    """The store asks for fewer writes. This one has certainly not been made."""


class RemoteObjects:
    """Implements `objects.Objects`. Credentials, region and endpoint come from the environment.

    A write is never sent again by itself, but where it was turned away as one too many: after two
    sendings, a refusal could be of our own object.
    """

    def __init__(
        self,
        url: str,
        environment: Mapping[str, str],
        *,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`url`: `s3://bucket/prefix`, `gs://…`, `az://…`. Nothing is asked yet.

        Raises:
            ImportError: the extra is not installed.
            ValueError: the URL or the environment lacks something.
        """
        self.place = url.rstrip("/")
        self._sleep = sleep
        self._plain = PLAIN[url.partition(":")[0].lower()]
        plain = environment.get(self._plain, "").casefold() in ("true", "1")
        self._writer = _open(url, WRITE_S, 0, allow_http=plain)
        self._reader = _open(url, READ_S, 3, allow_http=plain)

    def create(self, key: str, data: bytes) -> Version | None:
        return self._put(key, data, None)

    def replace(self, key: str, data: bytes, seen: Version) -> Version | None:
        return self._put(key, data, seen)

    def read(self, key: str) -> Found | None:
        import obstore

        def get() -> Found | None:
            try:
                got = obstore.get(self._reader, key)
                meta = got.meta
                version = Version(e_tag=meta.get("e_tag"), version=meta.get("version"))
                return Found(data=got.bytes().to_bytes(), version=version)
            except FileNotFoundError:
                return None

        return self._asked(key, get)

    def read_all(self, keys: Sequence[str]) -> list[bytes | None]:
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="read objects") as threads:
            found = threads.map(self.read, keys)
            return [one.data if one else None for one in found]

    def names(self, folder: str) -> list[str]:
        prefix = f"{folder}/"
        paths = (item["path"] for item in self._listed(folder)["objects"])
        return sorted(path.removeprefix(prefix) for path in paths)

    def folders(self, folder: str) -> list[str]:
        paths = self._listed(folder)["common_prefixes"]
        return sorted(path.rstrip("/").rpartition("/")[2] for path in paths)

    def _listed(self, folder: str) -> ListResult[Sequence[ObjectMeta]]:
        import obstore

        # The binding joins the store's pages; the delimiter keeps what lies deeper out of them.
        return self._asked(folder, lambda: obstore.list_with_delimiter(self._reader, folder))

    def _put(self, key: str, data: bytes, seen: Version | None) -> Version | None:
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        def put() -> Version | None:
            try:
                got = obstore.put(
                    self._writer,
                    key,
                    data,
                    mode="create" if seen is None else _update(seen),
                    use_multipart=False,
                )
            except (AlreadyExistsError, PreconditionError):
                return None
            return Version(e_tag=got["e_tag"], version=got["version"])

        try:
            return self._asked(key, put)
        except TooOften:
            self._sleep(APART_S)
            return self._asked(key, put)

    def _asked(self, key: str, act: Callable[[], T]) -> T:
        from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError

        where = f"{self.place}/{key}" if key else self.place
        try:
            return act()
        except (PermissionDeniedError, UnauthenticatedError) as error:
            raise _not_allowed(where, error) from error
        except (BaseError, OSError) as error:
            status = _status(error)
            if status == TOO_OFTEN:
                raise TooOften(
                    f"{where} is asked for too often: {_short(error)}", "try again in a minute"
                ) from error
            if status in CREDENTIALS:
                raise _not_allowed(where, error) from error
            if 400 <= status < 500 and status not in PASSING:
                raise JournalLost(
                    f"{where} is refused: {_short(error)}",
                    "see that the bucket or container is there, and its name is right",
                ) from error
            hint = "see that the store can be reached, then try again"
            if "builder error" in str(error):
                hint = f"an endpoint without TLS needs {self._plain}=true"
            raise Unanswered(f"{where} gives no answer: {_short(error)}", hint) from error


def _open(url: str, timeout_s: float, retries: int, *, allow_http: bool) -> ObjectStore:
    from datetime import timedelta

    from obstore.exceptions import BaseError
    from obstore.store import from_url

    client: ClientConfig = {
        "timeout": timedelta(seconds=timeout_s),
        "connect_timeout": timedelta(seconds=timeout_s),
        "allow_http": allow_http,
    }
    try:
        return from_url(
            url,
            client_options=client,
            retry_config={
                "max_retries": retries,
                "retry_timeout": timedelta(seconds=READ_AGAIN_S),
            },
        )
    except BaseError as error:
        raise ValueError(_short(error)) from error


def _update(seen: Version) -> UpdateVersion:
    known: UpdateVersion = {}
    if seen.e_tag is not None:
        known["e_tag"] = seen.e_tag
    if seen.version is not None:
        known["version"] = seen.version
    return known


def _not_allowed(where: str, error: Exception) -> JournalLost:
    return JournalLost(
        f"{where} is refused to these credentials ({_short(error)})",
        "give them list, read and write there, or set other ones; then resume",
    )


def _status(error: Exception) -> int:
    """The store's HTTP status; 0 where there was no answer."""
    found = _STATUS.search(str(error))
    return int(found[1]) if found else 0


def _short(error: Exception) -> str:
    """Status and the store's own word for it, else the first line: the rest is about the binding."""
    text = str(error)
    status, word = _STATUS.search(text), _CODE.search(text)
    if status:
        return f"{status[1]} {word[1]}" if word else status[0].removeprefix("status code: ")
    return text.partition("\n")[0].rpartition(" - ")[2].strip()[:300] or type(error).__name__

"""Does a store keep two writers apart? Asked of it before a rollout trusts it with its journal."""

from __future__ import annotations

import secrets

from rollout_kit.journal.objects import Objects, Version
from rollout_kit.ports.journal import JournalLost

KEY = ".rollout-kit-probe"
RACES = 5


def prove(objects: Objects) -> None:
    """See that create-if-absent and if-match are honoured, on one object that stays.

    What no question can show is that the store decides both in one step when two ask at once.

    Raises:
        JournalLost: it lacks one of them, and the sentence says which.
        Unanswered: it does not answer.
    """
    objects.create(KEY, _something())
    if objects.create(KEY, _something()) is not None:
        raise _lacking(objects, "create-if-absent (If-None-Match: *)", "wrote over an object")
    for _ in range(RACES):
        seen = _version(objects)
        newer = objects.replace(KEY, _something(), seen)
        if newer is None and _version(objects) == seen:
            raise _lacking(objects, "if-match", "refused the version that stands there")
        if newer is None:
            continue  # another process asks the same, at this moment
        if objects.replace(KEY, _something(), seen) is not None:
            raise _lacking(objects, "if-match", "took a version that was replaced before")
        return
    raise JournalLost(
        f"{objects.place}/{KEY} is replaced all the time by others", "try again in a minute"
    )


def _version(objects: Objects) -> Version:
    found = objects.read(KEY)
    if found is None or found.version == Version():
        raise _lacking(objects, "versions (ETag)", "named none for an object that it was given")
    return found.version


def _something() -> bytes:
    """Never the same twice: a version may be a digest of what was written."""
    return secrets.token_hex(16).encode()


def _lacking(objects: Objects, what: str, did: str) -> JournalLost:
    return JournalLost(
        f"{objects.place} does not honour {what}: it {did}. Two writers could not be told apart "
        "there, and a rollout could run twice",
        "use a store that honours conditional writes (S3, GCS and Azure do), or a folder",
    )

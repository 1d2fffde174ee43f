"""A record as one line of JSON, and back.

The line is the record's canonical form: encoding what was decoded from it yields the same bytes, and
each record carries the SHA-256 of the line before it. Text is escaped to ASCII, so that no name out
of the wild (a lone surrogate, a line separator) can break a line or fail to be written.
"""

from __future__ import annotations

import hashlib
import json

from rollout_kit.model.codec import TAG, CodecError, from_json, to_json
from rollout_kit.model.events import Record

VERSION = 1
FIRST = "0" * 64
"""What the first record carries as the hash of its predecessor."""


def encode(record: Record) -> bytes:
    """The record's line, without its newline.

    Raises:
        CodecError: the record holds a value that would not be read back as it is.
    """
    fields = to_json(record)
    del fields[TAG]
    try:
        text = json.dumps({"version": VERSION, **fields}, separators=(",", ":"), allow_nan=False)
    except ValueError as error:
        raise CodecError(f"record {record.sequence} cannot be written as JSON: {error}") from error
    line = text.encode("ascii")
    if decode(line) != record:
        raise CodecError(
            f"record {record.sequence} ({type(record.event).__name__}) would not be read back as it is"
        )
    return line


def decode(line: bytes) -> Record:
    """The record of a line.

    Raises:
        CodecError: it is no record, or one of a version that this program does not know.
    """
    try:
        data = json.loads(line)
    except ValueError as error:
        raise CodecError(f"not JSON: {error}") from error
    if not isinstance(data, dict):
        raise CodecError("not a JSON object")
    version = data.get("version")
    if version != VERSION:
        raise CodecError(
            f"record version {version!r}, this program reads {VERSION}: use a newer rollout-kit"
        )
    try:
        return from_json(Record, data)
    except CodecError:
        raise
    except (TypeError, ValueError) as error:  # a value that its class refuses
        raise CodecError(str(error)) from error


def digest(line: bytes) -> str:
    """The hash that the next record carries."""
    return hashlib.sha256(line).hexdigest()

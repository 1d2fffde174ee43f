"""A record as one line of JSON, and back.

The line is the record's canonical form: encoding what was decoded from it yields the same bytes. Each
carries the SHA-256 of the line before it and ends with a checksum of itself, which tells of the last
line what the next one's hash tells of all others. Text is escaped to ASCII, so that no name out of the
wild (a lone surrogate, a line separator) can break a line or fail to be written.

Versions: 1 has no checksum. A field may be added without a new version where a reader that ignores it
still does what is right; whatever else changes raises `VERSION`, and an older program refuses it.
"""

from __future__ import annotations

import hashlib
import json
import zlib

from rollout_kit.model.codec import TAG, CodecError, from_json, to_json
from rollout_kit.model.events import Record

VERSION = 2
UNSEALED = 1
FIRST = "0" * 64
"""What the first record carries as the hash of its predecessor."""
_LINE = json.JSONEncoder(separators=(",", ":"), allow_nan=False)


def encode(record: Record) -> bytes:
    """The record's line, without its newline.

    Raises:
        CodecError: the record holds a value that would not be read back as it is.
    """
    fields = to_json(record)
    del fields[TAG]
    try:
        text = _LINE.encode({"version": VERSION, **fields})
    except ValueError as error:
        raise CodecError(f"record {record.sequence} cannot be written as JSON: {error}") from error
    line = seal(text.encode("ascii"))
    if decode(line) != record:
        raise CodecError(
            f"record {record.sequence} ({type(record.event).__name__}) would not be read back as it is"
        )
    return line


def seal(body: bytes) -> bytes:
    """A JSON object's text with its own CRC-32 as the last member."""
    content = body.removesuffix(b"}")
    return content + b',"sum":"%08x"}' % zlib.crc32(content)


def decode(line: bytes) -> Record:
    """The record of a line.

    Raises:
        CodecError: it is no record, not what was written, or of a version that is not known here.
    """
    try:
        data = json.loads(line)
    except ValueError as error:
        raise CodecError(f"not JSON: {error}") from error
    if not isinstance(data, dict):
        raise CodecError("not a JSON object")
    version = data.get("version")
    if type(version) is not int or not UNSEALED <= version <= VERSION:
        raise CodecError(
            f"record version {version!r}, this program reads up to {VERSION}: "
            "use a newer rollout-kit"
        )
    try:
        record = from_json(Record, data)
    except CodecError:
        raise
    except (TypeError, ValueError) as error:  # a value that its class refuses
        raise CodecError(str(error)) from error
    if version != UNSEALED:
        _demand_whole(line)
    return record


def version_of(line: bytes) -> int:
    """The version of a line that `decode` has read."""
    return int(json.loads(line)["version"])


def knows_less(record: Record, line: bytes) -> bool:
    """Whether `line`, which was read as `record`, says more than this program knows of."""
    return _says_more(json.loads(line), {**to_json(record), "version": VERSION, "sum": ""})


def _says_more(there: object, known: object) -> bool:
    if isinstance(there, dict) and isinstance(known, dict):
        return any(key not in known or _says_more(there[key], known[key]) for key in there)
    if isinstance(there, list) and isinstance(known, list):
        return any(map(_says_more, there, known))
    return False


def _demand_whole(line: bytes) -> None:
    content, _, _ = line.rpartition(b',"sum":"')
    if seal(content + b"}") != line:
        raise CodecError("its checksum does not fit: it is not what was written there")


def digest(line: bytes) -> str:
    """The hash that the next record carries."""
    return hashlib.sha256(line).hexdigest()

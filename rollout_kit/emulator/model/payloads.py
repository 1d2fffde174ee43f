"""Payload envelopes `{codec, blob}`: passed through untouched, opened only to be shown.

0.2.x wraps JSON text in an Avro record; 2.x writes one fixed Avro value schema.
"""

from __future__ import annotations

import base64
import binascii
import json
import struct
from collections.abc import Iterator, Mapping, Sequence

from rollout_kit.emulator.model.settings import Generation

CODEC = "avro"

_WRAPPER = b"\x00"
_VALUE_HEADER = bytes.fromhex("c301e2a33dff55802237")


def envelope(value: object, generation: Generation) -> dict[str, object]:
    """The envelope in which this generation would send the JSON value."""
    if generation is Generation.V0_2:
        text = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
        raw = _WRAPPER + _long(len(text)) + text + _long(1)
    else:
        raw = _VALUE_HEADER + _value(value)
    return {"codec": CODEC, "blob": base64.b64encode(raw).decode("ascii")}


def opened(codec: str, blob: str) -> object:
    """The value inside, or None when it cannot be told."""
    try:
        if codec == "json":
            return _shown(json.loads(blob))
        raw = base64.b64decode(blob, validate=True)
        if raw.startswith(_VALUE_HEADER):
            return _shown(_Reader(raw[len(_VALUE_HEADER) :]).value())
        if raw.startswith(_WRAPPER):
            reader = _Reader(raw[1:])
            return _shown(json.loads(reader.text()))
    except (ValueError, binascii.Error, IndexError, struct.error):
        return None
    return None


def _shown(value: object) -> object:
    """PHP prints a whole float without its fraction."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_shown(item) for item in value]
    if isinstance(value, dict):
        return {key: _shown(item) for key, item in value.items()}
    return value


def _long(number: int) -> bytes:
    zigzag = (number << 1) ^ (number >> 63)
    out = bytearray()
    while zigzag > 0x7F:
        out.append(zigzag & 0x7F | 0x80)
        zigzag >>= 7
    out.append(zigzag)
    return bytes(out)


def _value(value: object) -> bytes:
    match value:
        case None:
            return _long(0)
        case bool():
            return _long(1) + (b"\x01" if value else b"\x00")
        case int():
            return _long(2) + _long(value)
        case float():
            return _long(3) + struct.pack("<d", value)
        case str():
            text = value.encode()
            return _long(5) + _long(len(text)) + text
        case Mapping():
            return _long(7) + _block(
                [_text(str(key)) + _value(item) for key, item in value.items()]
            )
        case Sequence():
            return _long(6) + _block([_value(item) for item in value])
        case _:
            msg = f"{type(value).__name__} is no JSON value"
            raise TypeError(msg)


def _text(text: str) -> bytes:
    raw = text.encode()
    return _long(len(raw)) + raw


def _block(items: Sequence[bytes]) -> bytes:
    return (_long(len(items)) + b"".join(items) if items else b"") + _long(0)


class _Reader:
    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._at = 0

    def value(self) -> object:
        match self._long():
            case 0:
                return None
            case 1:
                return self._take(1) == b"\x01"
            case 2:
                return self._long()
            case 3:
                number: float = struct.unpack("<d", self._take(8))[0]
                return number
            case 4:
                return base64.b64encode(self._take(self._long())).decode("ascii")
            case 5:
                return self.text()
            case 6:
                return [self.value() for _ in self._items()]
            case 7:
                return {self.text(): self.value() for _ in self._items()}
            case branch:
                msg = f"unknown branch {branch}"
                raise ValueError(msg)

    def text(self) -> str:
        return self._take(self._long()).decode()

    def _items(self) -> Iterator[None]:
        """One turn for each item of an Avro array or map, across its blocks."""
        while count := self._long():
            if count < 0:
                self._long()
            for _ in range(abs(count)):
                yield

    def _long(self) -> int:
        shift = result = 0
        while True:
            byte = self._take(1)[0]
            result |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return (result >> 1) ^ -(result & 1)

    def _take(self, size: int) -> bytes:
        if size < 0 or self._at + size > len(self._raw):
            msg = "truncated"
            raise ValueError(msg)
        self._at += size
        return self._raw[self._at - size : self._at]

"""Attribute values as text: what a label can hold of them."""

from __future__ import annotations

import base64
import json
import math
import struct
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from promlab.model.wire import BadMessage

_MAX_DEPTH = 16


def any_text(value: bytes) -> str:
    """The text of an AnyValue message. Raises BadMessage."""
    found = _read(value, 0)
    if isinstance(found, str):
        return found
    if isinstance(found, bool):
        return "true" if found else "false"
    if isinstance(found, float):
        return float_text(found)
    if isinstance(found, bytes):
        return base64.b64encode(found).decode()
    if isinstance(found, (list, dict)):
        return json.dumps(_plain(found), separators=(",", ":"), ensure_ascii=False, sort_keys=True)
    return "" if found is None else str(found)


def float_text(value: float) -> str:
    """A float as JavaScript writes it."""
    if math.isnan(value) or math.isinf(value):
        return "NaN" if math.isnan(value) else ("+Inf" if value > 0 else "-Inf")
    digits, _, exponent = f"{value!r}".partition("e")
    if value == 0 or 1e-6 <= abs(value) < 1e21:
        return format(Decimal(repr(value)), "f").removesuffix(".0")
    return f"{digits.removesuffix('.0')}e{int(exponent):+03d}"


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return int(value)
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return value


def _read(body: bytes, depth: int) -> Any:
    if depth > _MAX_DEPTH:
        raise BadMessage("an attribute is nested too deeply")
    found: Any = None
    for number, wire, content in _fields(body):
        try:
            found = _value(number, wire, content, depth, found)
        except (UnicodeDecodeError, struct.error):
            raise BadMessage("an attribute's value is damaged") from None
    return found


def _value(number: int, wire: int, content: Any, depth: int, before: Any) -> Any:
    if number == 1 and wire == 2:
        return content.decode()
    if number == 2 and wire == 0:
        return bool(content)
    if number == 3 and wire == 0:
        return content - (1 << 64) if content >> 63 else content
    if number == 4 and wire == 1:
        return struct.unpack("<d", content)[0]
    if number == 5 and wire == 2:
        return [_read(item, depth + 1) for n, w, item in _fields(content) if (n, w) == (1, 2)]
    if number == 6 and wire == 2:
        return dict(_pair(item, depth) for n, w, item in _fields(content) if (n, w) == (1, 2))
    if number == 7 and wire == 2:
        return content
    return before


def _pair(body: bytes, depth: int) -> tuple[str, Any]:
    key, value = "", None
    for number, wire, content in _fields(body):
        if (number, wire) == (1, 2):
            key = content.decode()
        elif (number, wire) == (2, 2):
            value = _read(content, depth + 1)
    return key, value


def _fields(body: bytes) -> Iterator[tuple[int, int, Any]]:
    """Number, wire type and content of each field."""
    at = 0
    while at < len(body):
        key, at = _varint(body, at)
        number, wire = key >> 3, key & 7
        if wire == 0:
            content, at = _varint(body, at)
            yield number, wire, content
            continue
        if wire == 2:
            size, at = _varint(body, at)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise BadMessage("an attribute's value is damaged")
        if at + size > len(body):
            raise BadMessage("an attribute's value is damaged")
        yield number, wire, body[at : at + size]
        at += size


def _varint(body: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(body):
            break
        byte = body[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & ((1 << 64) - 1), at
    raise BadMessage("an attribute's value is damaged")

"""OTLP in JSON: turned into the protobuf message that it stands for.

Names are in lowerCamelCase, 64-bit integers are strings or numbers, enums numbers or names, ids
are hexadecimal; what is not known is left out, as the OTLP standard says.
"""

from __future__ import annotations

import binascii
import struct
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from promlab.model.wire import BadMessage, block_bytes, varint_bytes

_Encoder = Callable[[int, Any], bytes]
_MAX_DEPTH = 32
_MOST_PARTS = 1 << 22


def protobuf(body: bytes) -> bytes:
    """The protobuf message that a JSON body stands for. Raises BadMessage."""
    # What is parsed takes a hundred bytes for each part of a body, however short that is.
    parts = body.count(b",") + body.count(b"{") + body.count(b"[")
    if parts > _MOST_PARTS:
        raise BadMessage(f"a body of {parts:,} parts is too large: {_MOST_PARTS:,} are allowed")
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadMessage(f"the body is not JSON: {error}") from None
    try:
        return _fields(found, _REQUEST, 0)
    except (ValueError, TypeError, OverflowError, struct.error) as error:
        raise BadMessage(f"the body is not an OTLP request: {error}") from None


def _fields(found: Any, fields: Mapping[str, tuple[int, Any]], depth: int) -> bytes:
    if not isinstance(found, dict):
        raise TypeError(f"expected an object, not {_kind(found)}")
    if depth > _MAX_DEPTH:
        raise ValueError("it is nested too deeply")
    parts = []
    for name, value in found.items():
        if name not in fields or value is None:
            continue
        number, how = fields[name]
        try:
            parts.append(_encoded(number, how, value, depth))
        except (ValueError, TypeError, OverflowError, struct.error) as error:
            raise ValueError(f"{name}: {error}") from None
    return b"".join(parts)


def _encoded(number: int, how: Any, value: Any, depth: int) -> bytes:
    if isinstance(how, list):
        if not isinstance(value, list):
            raise TypeError(f"expected a list, not {_kind(value)}")
        return b"".join(_encoded(number, how[0], item, depth) for item in value)
    if isinstance(how, dict):
        return block_bytes(number, _fields(value, how, depth + 1))
    encoder: _Encoder = how
    return encoder(number, value)


def _text(number: int, value: Any) -> bytes:
    if not isinstance(value, str):
        raise TypeError(f"expected a string, not {_kind(value)}")
    return block_bytes(number, value.encode())


def _integer(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise TypeError(f"expected an integer, not {_kind(value)}")
    found = int(value)
    if isinstance(value, float) and found != value:
        raise ValueError(f"{value} is not an integer")
    if not -(1 << 63) <= found < 1 << 64:
        raise ValueError(f"{found} does not fit into 64 bits")
    return found


def _integer_field(number: int, value: Any) -> bytes:
    return varint_bytes(number << 3) + varint_bytes(_integer(value))


def _zigzag(number: int, value: Any) -> bytes:
    found = _integer(value)
    return varint_bytes(number << 3) + varint_bytes(found << 1 if found >= 0 else (-found << 1) - 1)


def _fixed(number: int, value: Any) -> bytes:
    return varint_bytes(number << 3 | 1) + struct.pack("<Q", _integer(value) % (1 << 64))


def _double(number: int, value: Any) -> bytes:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise TypeError(f"expected a number, not {_kind(value)}")
    return varint_bytes(number << 3 | 1) + struct.pack("<d", float(value))


def _boolean(number: int, value: Any) -> bytes:
    if not isinstance(value, bool):
        raise TypeError(f"expected true or false, not {_kind(value)}")
    return varint_bytes(number << 3) + varint_bytes(value)


def _hexadecimal(number: int, value: Any) -> bytes:
    if not isinstance(value, str):
        raise TypeError(f"expected a string, not {_kind(value)}")
    return block_bytes(number, bytes.fromhex(value))


def _base64(number: int, value: Any) -> bytes:
    if not isinstance(value, str):
        raise TypeError(f"expected a string, not {_kind(value)}")
    return block_bytes(number, binascii.a2b_base64(value))


def _temporality(number: int, value: Any) -> bytes:
    return _integer_field(number, _TEMPORALITIES.get(value, value))


def _kind(value: Any) -> str:
    return type(value).__name__


_TEMPORALITIES = {
    f"AGGREGATION_TEMPORALITY_{name}": i
    for i, name in enumerate(("UNSPECIFIED", "DELTA", "CUMULATIVE"))
}
_ANY: dict[str, Any] = {
    "stringValue": (1, _text),
    "boolValue": (2, _boolean),
    "intValue": (3, _integer_field),
    "doubleValue": (4, _double),
    "bytesValue": (7, _base64),
}
_KEY_VALUE: dict[str, Any] = {"key": (1, _text), "value": (2, _ANY)}
_ANY["arrayValue"] = (5, {"values": (1, [_ANY])})
_ANY["kvlistValue"] = (6, {"values": (1, [_KEY_VALUE])})
_TIMES: dict[str, Any] = {"startTimeUnixNano": (2, _fixed), "timeUnixNano": (3, _fixed)}
_EXEMPLAR: dict[str, Any] = {
    "timeUnixNano": (2, _fixed),
    "asDouble": (3, _double),
    "spanId": (4, _hexadecimal),
    "traceId": (5, _hexadecimal),
    "asInt": (6, _fixed),
    "filteredAttributes": (7, [_KEY_VALUE]),
}
_NUMBER = {
    **_TIMES,
    "asDouble": (4, _double),
    "exemplars": (5, [_EXEMPLAR]),
    "asInt": (6, _fixed),
    "attributes": (7, [_KEY_VALUE]),
    "flags": (8, _integer_field),
}
_HISTOGRAM = {
    **_TIMES,
    "count": (4, _fixed),
    "sum": (5, _double),
    "bucketCounts": (6, [_fixed]),
    "explicitBounds": (7, [_double]),
    "exemplars": (8, [_EXEMPLAR]),
    "attributes": (9, [_KEY_VALUE]),
    "flags": (10, _integer_field),
}
_BUCKETS = {"offset": (1, _zigzag), "bucketCounts": (2, [_integer_field])}
_EXPONENTIAL = {
    **_TIMES,
    "attributes": (1, [_KEY_VALUE]),
    "count": (4, _fixed),
    "sum": (5, _double),
    "scale": (6, _zigzag),
    "zeroCount": (7, _fixed),
    "positive": (8, _BUCKETS),
    "negative": (9, _BUCKETS),
    "flags": (10, _integer_field),
    "exemplars": (11, [_EXEMPLAR]),
    "zeroThreshold": (14, _double),
}
_SUMMARY = {
    **_TIMES,
    "count": (4, _fixed),
    "sum": (5, _double),
    "quantileValues": (6, [{"quantile": (1, _double), "value": (2, _double)}]),
    "attributes": (7, [_KEY_VALUE]),
    "flags": (8, _integer_field),
}
_METRIC = {
    "name": (1, _text),
    "description": (2, _text),
    "unit": (3, _text),
    "gauge": (5, {"dataPoints": (1, [_NUMBER])}),
    "sum": (
        7,
        {
            "dataPoints": (1, [_NUMBER]),
            "aggregationTemporality": (2, _temporality),
            "isMonotonic": (3, _boolean),
        },
    ),
    "histogram": (
        9, {"dataPoints": (1, [_HISTOGRAM]), "aggregationTemporality": (2, _temporality)}
    ),
    "exponentialHistogram": (
        10, {"dataPoints": (1, [_EXPONENTIAL]), "aggregationTemporality": (2, _temporality)}
    ),
    "summary": (11, {"dataPoints": (1, [_SUMMARY])}),
}  # fmt: skip
_SCOPE = {"name": (1, _text), "version": (2, _text), "attributes": (3, [_KEY_VALUE])}
_REQUEST: dict[str, Any] = {
    "resourceMetrics": (
        1,
        [
            {
                "resource": (1, {"attributes": (1, [_KEY_VALUE])}),
                "scopeMetrics": (
                    2,
                    [
                        {
                            "scope": (1, _SCOPE),
                            "metrics": (2, [_METRIC]),
                            "schemaUrl": (3, _text),
                        }
                    ],
                ),
            }
        ],
    )
}

"""The custom metadata of an Arrow IPC stream's schema.

Polars reads the columns of a stream but not the metadata beside them, so these few fields of
the schema's flatbuffer are read here. Every offset is checked: the bytes come from a server.
"""

from __future__ import annotations

import struct

_CONTINUATION = b"\xff\xff\xff\xff"
_MAX_SCHEMA = 16 << 20


def stream_metadata(body: bytes) -> dict[str, str]:
    """Key-value pairs of the stream's schema. Raises ValueError on a damaged stream."""
    start = 4 if body[:4] == _CONTINUATION else 0
    try:
        (size,) = struct.unpack_from("<i", body, start)
        if not 0 < size <= min(_MAX_SCHEMA, len(body)):
            raise ValueError("an Arrow stream must begin with a schema")
        return _schema_metadata(memoryview(body)[start + 4 : start + 4 + size])
    except (struct.error, IndexError, UnicodeDecodeError):
        raise ValueError("the schema of the Arrow stream is damaged") from None


def _schema_metadata(message: memoryview) -> dict[str, str]:
    root = _u32(message, 0)
    header = _field(message, root, 2)
    if header is None:
        raise ValueError("an Arrow stream must begin with a schema")
    schema = header + _u32(message, header)
    vector_at = _field(message, schema, 2)
    if vector_at is None:
        return {}
    vector = vector_at + _u32(message, vector_at)
    found = {}
    for i in range(min(_u32(message, vector), len(message) // 4)):
        slot = vector + 4 + 4 * i
        pair = slot + _u32(message, slot)
        found[_text(message, pair, 0)] = _text(message, pair, 1)
    return found


def _field(message: memoryview, table: int, number: int) -> int | None:
    """Where field `number` of the table begins; None if it is not there."""
    (back,) = struct.unpack_from("<i", message, table)
    vtable = table - back
    if vtable < 0:
        raise ValueError("the schema of the Arrow stream is damaged")
    (vtable_size,) = struct.unpack_from("<H", message, vtable)
    at = 4 + 2 * number
    if at + 2 > vtable_size:
        return None
    (offset,) = struct.unpack_from("<H", message, vtable + at)
    return table + offset if offset else None


def _text(message: memoryview, table: int, number: int) -> str:
    at = _field(message, table, number)
    if at is None:
        return ""
    start = at + _u32(message, at)
    size = _u32(message, start)
    return str(bytes(message[start + 4 : start + 4 + size]), "utf-8")


def _u32(message: memoryview, at: int) -> int:
    found: int = struct.unpack_from("<I", message, at)[0]
    return found

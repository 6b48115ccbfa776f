"""Thrift's compact protocol, as far as Parquet's footers and page headers need it.

A struct is a dict of field number → value; when writing, a value is a `Value` that says how.
Reading gives ints, bytes, bools, lists and dicts, and refuses what is too deep or too long.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = range(1, 13)
_DEPTH = 16


class Value(NamedTuple):
    """A value to write: its kind, and the kind of its items if it is a list."""

    kind: int
    value: Any
    items: int = 0


def i32(value: int) -> Value:
    """A 32-bit integer (an enumeration too)."""
    return Value(I32, value)


def i64(value: int) -> Value:
    """A 64-bit integer."""
    return Value(I64, value)


def text(value: str | bytes) -> Value:
    """A string or bytes."""
    return Value(BINARY, value.encode() if isinstance(value, str) else value)


def structs(values: Sequence[Mapping[int, Value]]) -> Value:
    """A list of structs."""
    return Value(LIST, values, STRUCT)


def nested(value: Mapping[int, Value]) -> Value:
    """A struct."""
    return Value(STRUCT, value)


def _varint(out: bytearray, n: int) -> None:
    while n >= 128:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)


def _zigzag(n: int) -> int:
    return n << 1 if n >= 0 else ((-n) << 1) - 1


def encode(fields: Mapping[int, Value]) -> bytes:
    """A struct as bytes."""
    out = bytearray()
    _put_struct(out, fields)
    return bytes(out)


def _put_struct(out: bytearray, fields: Mapping[int, Value]) -> None:
    last = 0
    for number in sorted(fields):
        field = fields[number]
        kind = (TRUE if field.value else FALSE) if field.kind in (TRUE, FALSE) else field.kind
        if 0 < number - last < 16:
            out.append((number - last) << 4 | kind)
        else:
            out.append(kind)
            _varint(out, _zigzag(number))
        last = number
        if kind not in (TRUE, FALSE):
            _put(out, field.kind, field.value, field.items)
    out.append(0)


def _put(out: bytearray, kind: int, value: Any, items: int) -> None:
    if kind in (I16, I32, I64):
        _varint(out, _zigzag(value))
    elif kind == BINARY:
        _varint(out, len(value))
        out += value
    elif kind == LIST:
        if len(value) < 15:
            out.append(len(value) << 4 | items)
        else:
            out.append(0xF0 | items)
            _varint(out, len(value))
        for item in value:
            if isinstance(item, str):
                item = item.encode()
            _put(out, items, item, 0)
    elif kind == STRUCT:
        _put_struct(out, value)
    else:
        raise ValueError(f"thrift kind {kind} is not written")


class _Source:
    def __init__(self, data: bytes, at: int) -> None:
        self.data, self.at = data, at

    def byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1]

    def varint(self) -> int:
        n = shift = 0
        while True:
            byte = self.byte()
            n |= (byte & 127) << shift
            if byte < 128:
                return n
            shift += 7
            if shift > 70:
                raise ValueError("a number is too long")

    def signed(self) -> int:
        n = self.varint()
        return (n >> 1) ^ -(n & 1)


def decode(data: bytes, at: int = 0) -> tuple[dict[int, Any], int]:
    """The struct at `at`, and the position after it. Raises ValueError if it is damaged."""
    source = _Source(data, at)
    try:
        return _get_struct(source, 0), source.at
    except IndexError:
        raise ValueError("it ends too early") from None


def _get_struct(source: _Source, depth: int) -> dict[int, Any]:
    if depth > _DEPTH:
        raise ValueError("nested too deeply")
    fields: dict[int, Any] = {}
    number = 0
    while True:
        head = source.byte()
        if head == 0:
            return fields
        delta, kind = head >> 4, head & 15
        number = number + delta if delta else source.signed()
        fields[number] = kind == TRUE if kind in (TRUE, FALSE) else _get(source, kind, depth)


def _get(source: _Source, kind: int, depth: int) -> Any:
    if kind in (TRUE, FALSE, BYTE):
        return source.byte()
    if kind in (I16, I32, I64):
        return source.signed()
    if kind == DOUBLE:
        source.at += 8
        return struct.unpack("<d", source.data[source.at - 8 : source.at])[0]
    if kind == BINARY:
        size = source.varint()
        source.at += size
        if source.at > len(source.data):
            raise IndexError
        return source.data[source.at - size : source.at]
    if kind in (LIST, SET):
        head = source.byte()
        size, items = head >> 4, head & 15
        size = source.varint() if size == 15 else size
        if size > len(source.data):
            raise ValueError("a list is too long")
        return [_get(source, items, depth + 1) for _ in range(size)]
    if kind == STRUCT:
        return _get_struct(source, depth + 1)
    raise ValueError(f"kind {kind}")

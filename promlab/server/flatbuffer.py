"""Just enough of FlatBuffers to write the headers of an Arrow stream.

A `Table` is written from front to back: its fields in place, then what they point to. Fields
are given in the order of the schema; None leaves one out.
"""

from __future__ import annotations

import struct
from typing import NamedTuple


class Number(NamedTuple):
    """A scalar field: a letter of `struct` (b, h, i, q) and its value."""

    form: str
    value: int


class Structs(NamedTuple):
    """A vector of structs that are pairs of i64."""

    pairs: list[tuple[int, int]]


class Table(NamedTuple):
    """A table; `fields` may hold other tables, lists of tables, structs, and text."""

    fields: tuple[Field, ...]


Field = Number | Structs | Table | list[Table] | str | None


def serialize(root: Table) -> bytes:
    """The buffer whose root is this table."""
    out = bytearray(4)
    at = _write(root, out)
    struct.pack_into("<I", out, 0, at)
    return bytes(out)


def _write(part: Field, out: bytearray) -> int:
    """Appends an object; returns where it begins."""
    match part:
        case Table():
            return _write_table(part, out)
        case str():
            text = part.encode()
            _align(out, 4)
            at = len(out)
            out += struct.pack("<I", len(text)) + text + b"\0"
            return at
        case Structs():
            # The count stands before the elements, which are aligned to 8.
            _align(out, 8, 4)
            at = len(out)
            out += struct.pack("<I", len(part.pairs))
            for pair in part.pairs:
                out += struct.pack("<qq", *pair)
            return at
        case list():
            _align(out, 4)
            at = len(out)
            out += struct.pack("<I", len(part)) + bytes(4 * len(part))
            for i, table in enumerate(part):
                _point(out, at + 4 + 4 * i, _write(table, out))
            return at
        case _:
            raise TypeError(f"{part!r} is not an object")


def _write_table(table: Table, out: bytearray) -> int:
    offsets, body, pointers = [], bytearray(4), []
    for field in table.fields:
        if field is None:
            offsets.append(0)
            continue
        form = field.form if isinstance(field, Number) else "I"
        _align(body, struct.calcsize(f"<{form}"))
        offsets.append(len(body))
        if isinstance(field, Number):
            body += struct.pack(f"<{form}", field.value)
        else:
            pointers.append((len(body), field))
            body += bytes(4)
    vtable = struct.pack(f"<{2 + len(offsets)}H", 4 + 2 * len(offsets), len(body), *offsets)
    _align(out, 8, -len(vtable) % 8)
    out += vtable
    at = len(out)
    struct.pack_into("<i", body, 0, len(vtable))
    out += body
    for place, child in pointers:
        _point(out, at + place, _write(child, out))
    return at


def _point(out: bytearray, place: int, target: int) -> None:
    struct.pack_into("<I", out, place, target - place)


def _align(out: bytearray, size: int, phase: int = 0) -> None:
    out += bytes((phase - len(out)) % size)

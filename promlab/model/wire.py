"""Protobuf messages as columns: a schema says which fields are wanted, `decode` reads them.

There is no object for a message. Each field has one column of all its entries in the whole
body, in order of appearance; `owners` says in which message an entry stands, by that
message's ordinal among the entries of its own field.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from promlab.errors import PromlabError
from promlab.model import wire_kernels as k

Small = npt.NDArray[np.int32]
Words = npt.NDArray[np.uint64]
VARINT, FIXED64, FIXED32, TEXT = k.VARINT, k.FIXED64, k.FIXED32, k.TEXT
MAX_ENTRIES = 1 << 25  # of one body: 670 MB of columns


class BadMessage(PromlabError):
    """A body that is not a message of its kind, or has too many parts."""


class Field(NamedTuple):
    """The entries of one field: where their bytes are (texts, messages) or their raw value."""

    starts: Small
    ends: Small
    owners: Small
    values: Words

    @property
    def n(self) -> int:
        """Number of entries."""
        return len(self.owners)


class Schema:
    """Which fields are wanted: by message, then by number, its name and what it holds.

    What a field holds is VARINT, FIXED64, FIXED32, TEXT or the name of a message; the first
    message is the whole. A field is asked for as `message.name`; a message may be the content
    of one field only, so that an entry's owner is one thing.
    """

    def __init__(self, messages: Mapping[str, Mapping[int, tuple[str, int | str]]]) -> None:
        order = {name: i for i, name in enumerate(messages)}
        width = 1 + max(number for fields in messages.values() for number in fields)
        self.places: dict[str, int] = {}
        self.fields = np.full((len(order), width), -1, np.int32)
        holds: list[int] = []
        for message, fields in messages.items():
            for number, (name, what) in fields.items():
                self.fields[order[message], number] = len(holds)
                self.places[f"{message}.{name}"] = len(holds)
                holds.append(order[what] if isinstance(what, str) else what)
        inner = [what for what in holds if what >= 0]
        if len(inner) != len(set(inner)):
            raise ValueError("a message is the content of two fields")
        self.holds = np.array(holds, np.int32)
        self.fields.flags.writeable = self.holds.flags.writeable = False


@dataclass(frozen=True, slots=True)
class Decoded:
    """A body's entries."""

    body: npt.NDArray[np.uint8]
    _schema: Schema
    _offsets: npt.NDArray[np.int64]
    _columns: Field

    def field(self, name: str) -> Field:
        """All entries of `message.field`."""
        place = self._schema.places[name]
        part = slice(int(self._offsets[place]), int(self._offsets[place + 1]))
        columns = self._columns
        return Field(
            columns.starts[part], columns.ends[part], columns.owners[part], columns.values[part]
        )

    def count(self, name: str) -> int:
        """How many entries a field has."""
        place = self._schema.places[name]
        return int(self._offsets[place + 1] - self._offsets[place])

    def words(self, name: str, n: int, default: int = 0) -> Words:
        """One number for each of the n messages around a field: the last that was given."""
        found = self.field(name)
        each = np.full(n, default, np.uint64)
        each[found.owners] = found.values
        return each

    def has(self, name: str, n: int) -> npt.NDArray[np.bool_]:
        """Which of the n messages around a field have it."""
        given = np.zeros(n, np.bool_)
        given[self.field(name).owners] = True
        return given

    def integers(self, name: str, n: int, default: int = 0) -> npt.NDArray[np.int64]:
        """`words` as signed integers."""
        return self.words(name, n, default % (1 << 64)).view(np.int64)

    def floats(self, name: str, n: int) -> npt.NDArray[np.float64]:
        """`words` as doubles."""
        return self.words(name, n).view(np.float64)

    def inside(self, name: str, n: int) -> npt.NDArray[np.int64]:
        """For each of the n messages around a message field, the ordinal of the one in it.

        The last one where there are several, -1 where there is none.
        """
        owners = self.field(name).owners
        place = np.full(n, -1, np.int64)
        place[owners] = np.arange(len(owners))
        return place

    def texts(self, name: str) -> list[str]:
        """All texts of a field. Raises BadMessage where one is not UTF-8."""
        found, raw = self.field(name), self.body.tobytes()
        bounds = zip(found.starts.tolist(), found.ends.tolist(), strict=True)
        try:
            return [raw[start:end].decode() for start, end in bounds]
        except UnicodeDecodeError:
            raise BadMessage(f"{name} is not valid UTF-8") from None


def unzigzag(words: Words) -> npt.NDArray[np.int64]:
    """Signed integers from protobuf's sint encoding."""
    one = np.uint64(1)
    half = (words >> one).view(np.int64)
    return half ^ -(words & one).view(np.int64)


def decode(
    body: bytes, schema: Schema, *, delimited: bool = False, most: int = MAX_ENTRIES
) -> Decoded:
    """The columns of a body, of `most` entries. Raises BadMessage.

    With `delimited` the body is a sequence of messages, each after its length: field 1 of
    the schema's first message.
    """
    raw = np.frombuffer(body, np.uint8) if body else np.zeros(0, np.uint8)
    counts = np.zeros(len(schema.holds), np.int64)
    bad_at = int(k.count_fields(raw, delimited, schema.fields, schema.holds, counts))
    if bad_at >= 0:
        raise BadMessage(f"the protobuf message is damaged at byte {bad_at}")
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    total = int(offsets[-1])
    if total > most:
        raise BadMessage(f"a message of {total:,} parts is too large: {most:,} are allowed")
    starts, ends, owners = (np.zeros(total, np.int32) for _ in range(3))
    values = np.zeros(total, np.uint64)
    places = offsets[:-1].copy()
    k.read_fields(raw, delimited, schema.fields, schema.holds, places, starts, ends, owners, values)
    return Decoded(raw, schema, offsets, Field(starts, ends, owners, values))


def varint_bytes(value: int) -> bytes:
    """A varint; negative numbers as the ten bytes of their two's complement."""
    value %= 1 << 64
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


def block_bytes(number: int, body: bytes) -> bytes:
    """A field that has a length: a text or a message."""
    return varint_bytes(number << 3 | 2) + varint_bytes(len(body)) + body

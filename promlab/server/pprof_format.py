"""Profiles in pprof's format: a gzipped protobuf of stacks and what each of them counts for.

A stack is a tuple of frames, the innermost first; so it goes between the server's processes.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from promlab.model.wire import varint_bytes


class Frame(NamedTuple):
    """A place in the code."""

    function: str
    file: str
    line: int


Stack = tuple[Frame, ...]


class StackCount(NamedTuple):
    """A stack, the process and thread that had it, and its values."""

    stack: Stack
    labels: Mapping[str, str]
    values: Sequence[int]


@dataclass(frozen=True, slots=True)
class Profile:
    """What was measured: kinds of values as (type, unit), and stacks with one value of each."""

    kinds: Sequence[tuple[str, str]]
    counts: Sequence[StackCount]
    time_ns: int
    duration_ns: int = 0
    period: int = 0  # between two looks, in units of the last kind


def encode(profile: Profile) -> bytes:
    """The profile as a file."""
    made = _Tables()
    body = b"".join(_bytes(1, made.kind(kind)) for kind in profile.kinds)
    for stack, labels, values in profile.counts:
        locations = [made.location(frame) for frame in stack]
        sample = _packed(1, locations) + _packed(2, values)
        for name, value in labels.items():
            sample += _bytes(3, _number(1, made.text(name)) + _number(2, made.text(value)))
        body += _bytes(2, sample)
    if profile.period:
        body += _bytes(11, made.kind(profile.kinds[-1])) + _number(12, profile.period)
    body += _number(9, profile.time_ns) + _number(10, profile.duration_ns) + made.encoded()
    return gzip.compress(body, 6)


@dataclass(slots=True)
class _Tables:
    """Texts, functions and places by number."""

    texts: dict[str, int] = field(default_factory=lambda: {"": 0})
    functions: dict[tuple[str, str], int] = field(default_factory=dict)
    locations: dict[Frame, int] = field(default_factory=dict)

    def text(self, text: str) -> int:
        return self.texts.setdefault(text, len(self.texts))

    def kind(self, kind: tuple[str, str]) -> bytes:
        return _number(1, self.text(kind[0])) + _number(2, self.text(kind[1]))

    def location(self, frame: Frame) -> int:
        self.functions.setdefault((frame.function, frame.file), len(self.functions) + 1)
        return self.locations.setdefault(frame, len(self.locations) + 1)

    def encoded(self) -> bytes:
        out = b""
        for frame, number in self.locations.items():
            function = self.functions[frame.function, frame.file]
            line = _number(1, function) + _number(2, max(0, frame.line))
            out += _bytes(4, _number(1, number) + _bytes(4, line))
        for (name, file), number in self.functions.items():
            named = _number(2, self.text(name)) + _number(3, self.text(name))
            out += _bytes(5, _number(1, number) + named + _number(4, self.text(file)))
        return out + b"".join(_bytes(6, text.encode(errors="replace")) for text in self.texts)


def _number(field_number: int, value: int) -> bytes:
    return varint_bytes(field_number << 3) + varint_bytes(value)


def _bytes(field_number: int, body: bytes) -> bytes:
    return varint_bytes(field_number << 3 | 2) + varint_bytes(len(body)) + body


def _packed(field_number: int, values: Iterable[int]) -> bytes:
    return _bytes(field_number, b"".join(map(varint_bytes, values)))


def as_text(title: str, counts: Iterable[StackCount]) -> str:
    """Stacks for people, each with its values, process and thread."""
    lines = [title]
    for stack, labels, values in counts:
        named = " ".join(f"{name}={value}" for name, value in labels.items())
        lines.append(f"{' '.join(map(str, values))} @ {named}")
        lines += [f"#\t{frame.function}\t{frame.file}:{frame.line}" for frame in stack]
        lines.append("")
    return "\n".join(lines) + "\n"

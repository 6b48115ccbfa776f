"""Reads a profile as pprof does: every reference has to lead somewhere."""

from __future__ import annotations

import gzip
from typing import Any, NamedTuple


class Read(NamedTuple):
    kinds: list[tuple[str, str]]
    samples: list[tuple[list[str], dict[str, str], list[int]]]  # functions, labels, values
    duration_ns: int
    files: set[str]


def read_profile(body: bytes) -> Read:
    fields = parse(gzip.decompress(body))
    texts = [raw.decode() for raw in fields.get(6, [])]
    assert texts[0] == ""
    functions = {}
    files = set()
    for raw in fields.get(5, []):
        function = parse(raw)
        functions[function[1][0]] = texts[function[2][0]]
        files.add(texts[function[4][0]])
    places = {}
    for raw in fields.get(4, []):
        location = parse(raw)
        assert location[1][0] > 0
        places[location[1][0]] = functions[parse(location[4][0])[1][0]]
    kinds = [(texts[k[1][0]], texts[k[2][0]]) for k in map(parse, fields[1])]
    samples = []
    for raw in fields.get(2, []):
        sample = parse(raw)
        labels = {}
        for label in map(parse, sample.get(3, [])):
            labels[texts[label[1][0]]] = texts[label[2][0]]
        values = numbers(sample[2][0])
        assert len(values) == len(kinds)
        samples.append(([places[i] for i in numbers(sample[1][0])], labels, values))
    assert fields[9][0] > 0
    return Read(kinds, samples, fields[10][0], files)


def parse(body: bytes) -> dict[int, list[Any]]:
    """Fields of a message by number."""
    found: dict[int, list[Any]] = {}
    at = 0
    while at < len(body):
        key, at = varint(body, at)
        value: Any
        value, at = varint(body, at)
        if key & 7 == 2:
            size, value = value, body[at : at + value]
            assert len(value) == size
            at += size
        else:
            assert key & 7 == 0
        found.setdefault(key >> 3, []).append(value)
    return found


def numbers(body: bytes) -> list[int]:
    found, at = [], 0
    while at < len(body):
        value, at = varint(body, at)
        found.append(value)
    return found


def varint(body: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = body[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at

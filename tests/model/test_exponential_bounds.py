"""Bounds of exponential buckets: the three ways to them agree, and print as Prometheus has them."""

from __future__ import annotations

import itertools
import math
import struct
import urllib.request
from pathlib import Path

import cramjam
import numpy as np
import pytest

from promlab.instrument.native_histogram import bucket_index
from promlab.model.exponential_bounds import FRACTIONS, LARGEST, exponential_bound
from promlab.model.histograms import exponential_bound as of_columns
from promlab.promql import bucket_kernels
from tests.promql.real import RealPrometheus, double, field, varint, zigzag

SCHEMAS = range(-4, 9)
# Powers of two between which all buckets are looked at (of a fine schema, the first thousand).
SPANS = [(-1074, -1040), (-1023, -1020), (-300, -298), (-3, 3), (0, 2), (600, 602), (1018, 1024)]


def ranges(schema: int) -> list[range]:
    """Indices of the buckets of these spans."""
    found = []
    for low, high in SPANS:
        first, last = math.ceil(low * 2.0**schema), math.floor(high * 2.0**schema)
        if first <= last:
            found.append(range(first, min(last + 1, first + 1000)))
    return found


def test_a_bound_is_within_four_units_of_the_power_of_two() -> None:
    assert len(FRACTIONS) == 256
    assert list(FRACTIONS) == sorted(set(FRACTIONS))
    for i, fraction in enumerate(FRACTIONS):
        assert abs(fraction - 2.0 ** (i / 256 - 1)) <= 5 * math.ulp(0.5)
    assert [exponential_bound(0, i) for i in (-1075, -1074, 3, 1023, 1024, 1025)] == [
        0.0, 5e-324, 8.0, 2.0**1023, LARGEST, math.inf,
    ]  # fmt: skip
    assert exponential_bound(1, 1) == 1.414213562373095
    assert exponential_bound(-4, 64) == LARGEST


@pytest.mark.parametrize("schema", SCHEMAS)
def test_columns_and_kernels_have_the_same(schema: int) -> None:
    none = np.zeros(0)
    for indices in ranges(schema):
        plain = [exponential_bound(schema, i) for i in indices]
        wide = np.array(indices, np.int64)
        assert of_columns(np.full(len(wide), schema, np.int8), wide).tolist() == plain
        kernel = bucket_kernels.bound
        assert [kernel(schema, i, 0, 0, none) for i in indices] == plain
        for i, bound in zip(indices, plain, strict=True):
            if schema <= 0 or bound > 1e-300:  # below, bounds are rounded
                assert bucket_index(bound, schema) == i or bound in (0.0, LARGEST)


def histogram(schema: int, indices: range, t_ms: int, *, negative: bool) -> bytes:
    """A float histogram with one in each of these buckets, as remote write has it."""
    spans, counts = (8, 10) if negative else (11, 13)
    span = b"\x08" + varint(zigzag(indices.start)) + b"\x10" + varint(len(indices))
    made = double(2, len(indices)) + b"\x20" + varint(zigzag(schema)) + field(spans, span)
    made += field(counts, struct.pack("<d", 1.0) * len(indices))
    return made + b"\x78" + varint(t_ms)


@pytest.mark.peers
def test_prometheus_prints_the_same(peers: Path, tmp_path: Path) -> None:
    cases = [
        (schema, indices, negative)
        for schema in SCHEMAS
        for indices in ranges(schema)
        for negative in (False, True)
    ]
    body = b""
    for i, (schema, indices, negative) in enumerate(cases):
        labels = (("__name__", "h"), ("i", str(i)))
        series = b"".join(field(1, field(1, k.encode()) + field(2, v.encode())) for k, v in labels)
        series += field(4, histogram(schema, indices, 1000, negative=negative))
        body += field(1, series)
    headers = {"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf"}
    with RealPrometheus(peers, tmp_path) as real:
        packed = bytes(cramjam.snappy.compress_raw(body))
        request = urllib.request.Request(f"{real.url}/api/v1/write", packed, headers)
        urllib.request.urlopen(request, timeout=300).close()
        answer = real.ask("query", query="h", time=1)["data"]["result"]
    assert len(answer) == len(cases)
    for row in answer:
        schema, indices, negative = cases[int(row["metric"]["i"])]
        bounds = [exponential_bound(schema, i) for i in (indices.start - 1, *indices)]
        signed = sorted(-bound if negative else bound for bound in bounds)
        found = [(float(low), float(up)) for _, low, up, _ in row["histogram"][1]["buckets"]]
        assert found == list(itertools.pairwise(signed)), (schema, indices, negative)

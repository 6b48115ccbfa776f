"""Native histograms: their buckets against the definition, and beside the library's types."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest

from promlab.instrument import NativeHistogram, families_of
from promlab.instrument.native_histogram import bucket_index, schema_for


def made(**options: object) -> NativeHistogram:
    return NativeHistogram("h", "Help.", registry=None, **options)  # type: ignore[arg-type]


@given(st.floats(1e-300, 1e300), st.integers(-4, 8))
def test_a_bucket_holds_what_it_says(value: float, schema: int) -> None:
    index = bucket_index(value, schema)
    base = 2.0**-schema
    lower, upper = (index - 1) * base, index * base
    exponent = math.log2(value)
    assert lower - 1e-9 <= exponent <= upper + 1e-9


@pytest.mark.parametrize("schema", range(-4, 9))
def test_bounds_belong_to_the_bucket_below(schema: int) -> None:
    step = max(1, 2**-schema) if schema < 0 else 1
    for power in range(-8 * step, 9 * step, step):
        index = bucket_index(2.0**power, schema)
        assert index == power * 2.0**schema
        assert bucket_index(math.nextafter(2.0**power, math.inf), schema) == index + 1


@pytest.mark.parametrize(
    ("factor", "schema"), [(2, 0), (1.1, 3), (1.0001, 8), (70000, -4), (4, -1)]
)
def test_schema_follows_from_the_factor(factor: float, schema: int) -> None:
    assert schema_for(factor) == schema


def test_counts() -> None:
    histogram = made(bucket_factor=2)
    for value in (0, 1, 1.5, 3, -3, 1e-200, math.inf):
        histogram.observe(value)
    found = histogram.native()
    assert (found.count, found.zero_count, found.schema) == (7, 2, 0)
    assert found.positive == {0: 1, 1: 1, 2: 1, 1025: 1}
    assert found.negative == {2: 1}
    histogram.observe(math.nan)
    assert (histogram.native().count, math.isnan(histogram.native().sum)) == (8, True)


def test_resolution_is_halved_when_there_are_too_many_buckets() -> None:
    histogram = made(max_buckets=10)
    values = [1.1**i for i in range(100)]
    for value in values:
        histogram.observe(value)
    found = histogram.native()
    assert len(found.positive) <= 10
    assert sum(found.positive.values()) == 100
    again: dict[int, int] = {}
    for value in values:
        index = bucket_index(value, found.schema)
        again[index] = again.get(index, 0) + 1
    assert found.positive == again


def test_labels_and_the_classic_view() -> None:
    registry = CollectorRegistry()
    histogram = NativeHistogram(
        "took_seconds", "Help.", ["path"], registry=registry, classic_buckets=[1, 2]
    )
    histogram.labels("/").observe(1.5, {"trace_id": "x"})
    histogram.labels(path="/a").observe(0.5)
    text = generate_latest(registry).decode()
    assert 'took_seconds_bucket{le="2.0",path="/"} 1.0' in text
    assert 'took_seconds_bucket{le="1.0",path="/a"} 1.0' in text
    (family,) = families_of(registry)
    natives = {dict(key)["path"]: native for key, native in family.natives.items()}
    assert natives["/"].positive == {bucket_index(1.5, 3): 1}
    assert natives["/"].exemplars[0].labels == {"trace_id": "x"}
    assert natives["/a"].count == 1


@pytest.mark.parametrize("options", [{"bucket_factor": 1}, {"max_buckets": 0}])
def test_nonsense_is_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be"):
        made(**options)

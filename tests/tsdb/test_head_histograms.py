"""Native histograms and start times in the head, rule by rule."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from made_histograms import histogram, same_histogram, stack
from test_head_model import kill
from tsdb_model import ALWAYS, match, table

from promlab.model.histograms import GAUGE, NOT_RESET, RESET, UNKNOWN, HistogramColumn
from promlab.model.samples import STALE_BITS
from promlab.model.storage import AppendOutcome, SampleExtras
from promlab.tsdb import histogram_store
from promlab.tsdb.head import Head
from promlab.tsdb.histogram_files import NOWHERE
from promlab.tsdb.open import open as open_reader
from promlab.tsdb.options import HeadOptions
from promlab.tsdb.reader import Reader

OPTIONS = HeadOptions(sync="never")


@pytest.fixture
def head(tmp_path: Path):
    opened = Head.open(tmp_path, options=OPTIONS)
    yield opened
    opened.close()


@pytest.fixture
def reader(head: Head, tmp_path: Path):
    with open_reader(tmp_path) as opened:
        yield opened


def extras(*made, start_ms=None) -> SampleExtras:
    """Histograms, or None for a float, one a sample."""
    index = np.full(len(made), -1, np.int64)
    there = [i for i, one in enumerate(made) if one is not None]
    index[there] = np.arange(len(there))
    column = HistogramColumn(stack([one for one in made if one is not None]), index)
    return SampleExtras(column, None if start_ms is None else np.array(start_ms, np.int64))


def write(head: Head, name: str, t_ms, *made) -> AppendOutcome:
    refs = np.repeat(head.refs(table(head, [{"__name__": name}])), len(made))
    times = np.array(t_ms, np.int64)
    done = head.append_loose(refs, times, np.zeros(len(made)), extras(*made))
    head.commit()
    return done


def hints(reader: Reader, name: str) -> list[int]:
    column = reader.select([match("__name__", name)], *ALWAYS).histograms
    return column.table.hint[column.index].tolist()


SHAPES = {
    "integers": {"positive": {-3: 5, 0: 1, 7: 2}, "negative": {2: 4}, "zero_count": 3.0},
    "floats": {"positive": {1: 0.25, 2: 1e300}, "count": 1e300, "sum": -0.5},
    "nothing": {"count": 0.0, "sum": 0.0},
    "threshold": {"positive": {1: 1}, "zero_threshold": 0.001, "schema": 8},
    "usual threshold": {"zero_threshold": 2.0**-128, "schema": -4, "zero_count": 9.0},
    "custom": {"schema": -53, "positive": {0: 2, 3: 1}, "bounds": (0.1, 1.0, 10.0)},
    "nan sum": {"positive": {1: 1}, "sum": float("nan")},
}


@pytest.mark.parametrize("shape", SHAPES)
def test_any_histogram_comes_back(head: Head, reader: Reader, tmp_path: Path, shape: str) -> None:
    made = histogram(**SHAPES[shape])
    assert write(head, "h", [1000], made) == AppendOutcome(appended=1)
    batch = reader.select([match("__name__", "h")], *ALWAYS)
    assert batch.histograms.index.tolist() == [0]
    assert same_histogram(batch.histograms.table, 0, made, 0)
    kill(head)
    again = Head.open(tmp_path, options=OPTIONS)
    batch = reader.select([match("__name__", "h")], *ALWAYS)
    assert same_histogram(batch.histograms.table, 0, made, 0)
    again.close()


def test_rows_of_a_target_mix_floats_and_histograms(head: Head, reader: Reader) -> None:
    group = head.open_group({"instance": "a"})
    slots = group.slots(table(head, [{"__name__": "f"}, {"__name__": "h"}]))
    for n in range(200):  # more than an extent
        made = histogram(positive={1: n + 1.0})
        values = np.array([n / 2, 0.0])
        done = group.append(n * 1000, slots, values, extras(None, made))
        assert done == AppendOutcome(appended=2)
    head.commit()
    batch = reader.select([], *ALWAYS)
    names = [row["__name__"] for row in batch.labels.rows()]
    f, h = names.index("f"), names.index("h")
    part = [slice(*batch.offsets[s : s + 2]) for s in range(2)]
    assert (batch.histograms.index[part[f]] == -1).all()
    assert batch.values[part[f]].tolist() == [n / 2 for n in range(200)]
    rows = batch.histograms.index[part[h]]
    assert batch.histograms.table.count[rows].tolist() == [n + 1.0 for n in range(200)]
    assert hints(reader, "h") == [UNKNOWN] + [NOT_RESET] * 199


def test_duplicates_are_told_by_content(head: Head) -> None:
    one, other = histogram(positive={1: 1.0}), histogram(positive={1: 2.0})
    assert write(head, "h", [1000], one) == AppendOutcome(appended=1)
    assert write(head, "h", [1000], one) == AppendOutcome()
    assert write(head, "h", [1000], other) == AppendOutcome(duplicate=1)
    assert write(head, "h", [999], one) == AppendOutcome(out_of_order=1)
    assert write(head, "h", [2000, 2000, 2000], one, one, other) == AppendOutcome(1, 1)
    refs = head.refs(table(head, [{"__name__": "h"}]))
    assert head.append_loose(refs, np.array([2000]), np.ones(1)) == AppendOutcome(duplicate=1)


def test_hints(head: Head, reader: Reader) -> None:
    made = [
        histogram(positive={1: 5.0, 2: 5.0}),
        histogram(positive={1: 6.0, 2: 5.0}),
        histogram(positive={1: 9.0, 2: 4.0}),  # a bucket fell
        histogram(positive={1: 99.0}),  # a bucket is gone
        histogram(positive={1: 99.0}, zero_count=1.0),
        histogram(positive={1: 199.0}),  # the zero bucket is
        histogram(positive={1: 199.0}, schema=3),  # can't be said without looking closer
        histogram(positive={1: 199.0}, schema=3, hint=GAUGE),
        histogram(positive={1: 199.0}, schema=3),
        histogram(positive={1: 200.0}, schema=3, hint=RESET),
        histogram(positive={1: 200.0}, schema=3, hint=NOT_RESET),
    ]
    wanted = [UNKNOWN, NOT_RESET, UNKNOWN, UNKNOWN, NOT_RESET, UNKNOWN, UNKNOWN, GAUGE, UNKNOWN]
    wanted += [RESET, NOT_RESET]
    write(head, "one", [1000 * n for n in range(len(made))], *made)
    for n, each in enumerate(made):
        write(head, "by one", [1000 * n], each)
    assert hints(reader, "one") == wanted
    assert hints(reader, "by one") == wanted
    bounds = [
        histogram(schema=-53, bounds=(1.0, 2.0), positive={0: 1.0}),
        histogram(schema=-53, bounds=(1.0, 2.0), positive={0: 2.0}),
        histogram(schema=-53, bounds=(1.0, 3.0), positive={0: 3.0}),
    ]
    write(head, "custom", [0, 1, 2], *bounds)
    assert hints(reader, "custom") == [UNKNOWN, NOT_RESET, UNKNOWN]


def test_a_histogram_that_ends_is_a_staleness_marker(head: Head, reader: Reader) -> None:
    ended = histogram(sum=float(np.array([STALE_BITS], np.uint64).view(np.float64)[0]))
    write(head, "h", [0, 1000], histogram(positive={1: 1.0}), ended)
    batch = reader.select([], *ALWAYS)
    assert batch.histograms.index.tolist() == [0, -1]
    assert batch.values.view(np.uint64)[1] == STALE_BITS


def test_a_value_that_looks_like_a_reference_is_a_nan(head: Head, reader: Reader) -> None:
    write(head, "h", [0], histogram(positive={1: 1.0}))
    forged = np.array([NOWHERE | 16, NOWHERE | 1 << 28 | 16], np.int64).view(np.float64)
    labels = table(head, [{"__name__": "a"}, {"__name__": "b"}])
    assert head.append_loose(head.refs(labels), np.zeros(2, np.int64), forged).appended == 2
    group = head.open_group({})
    slots = group.slots(table(head, [{"__name__": "c"}, {"__name__": "d"}]))
    assert group.append(0, slots, forged).appended == 2
    both = extras(histogram(positive={1: 1.0}), None)
    assert group.append(1, slots, forged[::-1].copy(), both).appended == 2
    head.commit()
    batch = reader.select([match("__name__", "h", "!=")], *ALWAYS)
    assert (batch.histograms.index >= 0).sum() == 1
    assert np.isnan(batch.values).all()


def test_a_histogram_that_is_gone_leaves_its_series_readable(
    head: Head, reader: Reader, tmp_path: Path
) -> None:
    write(head, "h", [0, 1, 2], *[histogram(positive={1: n + 1.0}) for n in range(3)])
    labels = table(head, [{"__name__": "f"}])
    head.append_loose(head.refs(labels), np.zeros(1, np.int64), np.ones(1))
    segment = tmp_path / "histograms" / "00000001"
    data = bytearray(segment.read_bytes())
    second = data.index(bytes(data[16:20]), 16) + 20  # somewhere in the first record
    data[second] ^= 255
    head.close()
    segment.write_bytes(data)
    batch = open_reader(tmp_path).select([], *ALWAYS)
    found = {row["__name__"]: batch.series(s) for s, row in enumerate(batch.labels.rows())}
    assert found["h"][0].tolist() == [1, 2]
    assert found["f"][1].tolist() == [1.0]
    assert batch.histograms.table.count.tolist() == [2.0, 3.0]


def test_start_times_of_rows_and_loose_samples(head: Head, reader: Reader, tmp_path: Path) -> None:
    group = head.open_group({"instance": "a"})
    slots = group.slots(table(head, [{"__name__": "x"}, {"__name__": "y"}]))
    none = SampleExtras()
    starts = [[0, 0], [500, 0], [500, 0], [0, 700], [2500, 700]]
    for n, start in enumerate(starts):
        given = SampleExtras(None, np.array(start)) if any(start) else none
        done = group.append(1000 * n, slots, np.full(2, float(n)), given)
        assert done == AppendOutcome(appended=2)
    refs = head.refs(table(head, [{"__name__": "z"}] * 3))
    given = SampleExtras(None, np.array([1, 0, 3]))
    done = head.append_loose(refs, np.array([10, 20, 30]), np.ones(3), given)
    assert done == AppendOutcome(appended=3)
    again = head.append_loose(refs, np.array([10, 20, 30]), 2 * np.ones(3), given)
    assert again == AppendOutcome(duplicate=1, out_of_order=2)
    head.commit()
    wanted = {"x": [0, 500, 500, 0, 2500], "y": [0, 0, 0, 700, 700], "z": [1, 0, 3]}
    assert starts_of(reader) == wanted
    assert head.stats().series == 3
    assert head.stats().appended == 13
    assert sorted(reader.label_values("__name__", [], *ALWAYS)) == ["x", "y", "z"]
    assert reader.series([match("nothing", "x", "!=")], *ALWAYS).n == 3
    kill(head)
    reopened = Head.open(tmp_path, options=OPTIONS)
    assert starts_of(reader) == wanted
    assert reopened.stats().series == 3
    reopened.close()


def starts_of(reader: Reader) -> dict[str, list[int]]:
    batch = reader.select([], *ALWAYS)
    return {
        row["__name__"]: batch.start_ms[batch.offsets[s] : batch.offsets[s + 1]].tolist()
        for s, row in enumerate(batch.labels.rows())
    }


def test_a_frame_has_count_and_sum_of_histograms(head: Head, reader: Reader) -> None:
    write(head, "h", [0, 1], histogram(positive={1: 2.0}), None)
    frame = reader.frame([], *ALWAYS)
    assert frame["value"].to_list() == [None, 0.0]
    assert frame["histogram_count"].to_list() == [2.0, None]
    assert frame["histogram_sum"].to_list() == [1.5, None]


def test_many_custom_bounds(head: Head, reader: Reader) -> None:
    made = [
        histogram(schema=-53, positive={0: 1.0}, bounds=(n / 7, n / 7 + 1.0)) for n in range(50)
    ]
    write(head, "h", range(100), *made, *made)
    column = reader.select([], *ALWAYS).histograms
    for n, one in enumerate([*made, *made]):
        assert same_histogram(column.table, int(column.index[n]), one, 0)


def test_fine_resolutions_are_reduced(head: Head, reader: Reader) -> None:
    fine = histogram(schema=10, positive={-4: 1.0, -3: 2.0, 0: 3.0, 1: 4.0}, negative={8: 5.0})
    write(head, "h", [0], fine)
    # Four buckets become one: index i is now ceil(i / 4).
    wanted = histogram(schema=8, positive={-1: 1.0, 0: 5.0, 1: 4.0}, negative={2: 5.0})
    column = reader.select([], *ALWAYS).histograms
    assert same_histogram(column.table, 0, wanted, 0)


def test_a_record_across_the_end_of_what_was_mapped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A segment grows: a record may begin in what a reader has mapped, and end behind it."""
    monkeypatch.setattr(histogram_store, "_FIRST_LONGS", 512)
    head = Head.open(tmp_path, options=OPTIONS)
    with open_reader(tmp_path) as opened:
        for step in range(300):
            write(head, "h", [1000 * step], histogram(positive={0: step % 7 + 1, 5: step}))
            batch = opened.select([match("__name__", "h")], *ALWAYS)
            assert batch.sample_count == step + 1
    assert (tmp_path / "histograms" / "00000001").stat().st_size > 4096
    assert not caplog.records
    head.close()

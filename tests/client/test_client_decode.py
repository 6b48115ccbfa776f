"""Decoding of answers, against plain readings of the same bytes."""

from __future__ import annotations

import io
import json
import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from promlab.client.arrow import stream_metadata
from promlab.client.decode import query_arrow, query_json
from promlab.client.results import InstantVector, to_result
from promlab.errors import ClientError
from promlab.model.labels import LabelTable, Symbols
from promlab.promql.result import InstantVector as Vector
from promlab.promql.result import Matrix, QueryResult
from promlab.server.arrow_answer import encode_arrow

finite = st.floats(allow_nan=False, allow_infinity=False)
point = st.tuples(st.integers(-(10**12), 10**12), finite | st.just(math.inf) | st.just(math.nan))
text = st.text(max_size=8)
labels = st.dictionaries(st.text("abc_", min_size=1, max_size=5), text, max_size=3)


def answer(kind: str, result: object, **more: object) -> bytes:
    body = {"status": "success", "data": {"resultType": kind, "result": result}, **more}
    return json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogatepass")


def shown(value: float) -> str:
    return "NaN" if math.isnan(value) else {math.inf: "+Inf"}.get(value, repr(value))


@given(st.lists(st.tuples(labels, st.lists(point, min_size=1, max_size=5)), max_size=5))
def test_matrix_is_what_a_plain_reader_finds(series: list) -> None:
    rows = [
        {"metric": metric, "values": [[t / 1000, shown(v)] for t, v in points]}
        for metric, points in series
    ]
    batch = query_json(answer("matrix", rows)).batch
    assert batch.n == len(series)
    for i, (metric, points) in enumerate(series):
        t, v = batch.series(i)
        assert t.tolist() == [t for t, _ in points]
        assert np.array_equal(v, [v for _, v in points], equal_nan=True)
        assert batch.labels.row(i) == {k: metric[k] for k in sorted(metric) if metric[k]}


def test_vector_and_notes() -> None:
    body = answer(
        "vector", [{"metric": {"a": "b"}, "value": [1.5, "-Inf"]}], warnings=["w"], infos=["i"]
    )
    found = query_json(body)
    assert (found.warnings, found.infos) == (("w",), ("i",))
    assert found.batch.t_ms.tolist() == [1500]
    assert found.batch.values.tolist() == [-math.inf]


def test_white_space_between_points() -> None:
    body = answer("matrix", [{"metric": {}, "values": []}])
    body = body.replace(b"[]", b'[ [1, "2"] ,\n [3, "4"] ]')
    assert query_json(body).batch.values.tolist() == [2, 4]


def test_native_histograms_are_kept_aside() -> None:
    sample = {"count": "3", "sum": "4.5", "buckets": [[0, "1", "2", "3"]]}
    found = query_json(answer("vector", [{"metric": {"a": "b"}, "histogram": [1.5, sample]}]))
    assert found.batch.n == 0
    (histogram,) = found.histograms
    assert (histogram.t_ms, histogram.count, histogram.sum) == (1500, 3.0, 4.5)
    assert histogram.buckets == ((0, 1.0, 2.0, 3.0),)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b'{"status":"success"}',
        answer("matrix", [{"metric": {}, "values": [[1]]}]),
        answer("matrix", [{"metric": {}, "values": [[1, "x"]]}]),
        answer("matrix", [{"metric": {}, "values": [[1, "2", "3"]]}]),
        answer("matrix", {"metric": 1}),
        answer("scalar", ["x"]),
        answer("vector", [{"metric": {}, "value": [1e400, "1"]}]).replace(b"Infinity", b"1e400"),
    ],
)
def test_damaged_answers_are_refused(body: bytes) -> None:
    with pytest.raises(ClientError):
        query_json(body)


def test_unknown_kind_is_refused() -> None:
    with pytest.raises(ClientError, match="no kind of result"):
        to_result(query_json(answer("cube", [])), "x")


def stream(result: QueryResult) -> bytes:
    return b"".join(encode_arrow(result))


def test_arrow_matrix_gives_series_back() -> None:
    table = LabelTable.from_dicts(
        [{"__name__": "m", "value": "x"}, {"__name__": "m", "timestamp": "é"}], Symbols()
    )
    values = np.array([[1.0, 2.0, math.nan], [4.0, 0.0, 6.0]])
    present = np.array([[True, True, True], [True, False, True]])
    result = QueryResult(Matrix(table, np.array([1000, 2000, 3000]), values, present), ("w",), ())
    found = query_arrow(stream(result))
    assert found.kind == "matrix"
    assert found.warnings == ("w",)
    assert list(found.batch.labels.rows()) == list(table.rows())
    assert found.batch.series(0)[0].tolist() == [1000, 2000, 3000]
    assert math.isnan(found.batch.series(0)[1][2])
    assert found.batch.series(1)[0].tolist() == [1000, 3000]
    assert found.batch.series(1)[1].tolist() == [4.0, 6.0]


def test_arrow_vector_of_nothing_and_without_labels() -> None:
    symbols = Symbols()
    empty = QueryResult(Vector(LabelTable(0, {}, symbols), 1000, np.zeros(0)))
    assert query_arrow(stream(empty)).batch.n == 0
    one = QueryResult(Vector(LabelTable(1, {}, symbols), 1000, np.array([5.0])))
    found = to_result(query_arrow(stream(one)), "x")
    assert isinstance(found, InstantVector)
    assert found.series[0].labels == {}
    assert found.values.tolist() == [5.0]


@given(st.data())
def test_damaged_arrow_is_refused_or_read(data: st.DataObject) -> None:
    table = LabelTable.from_dicts([{"a": "b"}], Symbols())
    body = bytearray(stream(QueryResult(Vector(table, 1000, np.array([5.0])))))
    at = data.draw(st.integers(0, 200))
    body[at % len(body)] ^= data.draw(st.integers(1, 255))
    try:
        stream_metadata(bytes(body))
    except ValueError:
        return


def test_truncated_arrow_is_refused() -> None:
    table = LabelTable.from_dicts([{"a": "b"}], Symbols())
    body = stream(QueryResult(Vector(table, 1000, np.array([5.0]))))
    for length in range(0, 60, 7):
        with pytest.raises(ClientError):
            query_arrow(body[:length])


def test_stream_without_metadata() -> None:
    sink = io.BytesIO()
    pl.DataFrame({"a": [1]}).write_ipc_stream(sink)
    assert stream_metadata(sink.getvalue()) == {}

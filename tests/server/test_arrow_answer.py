from __future__ import annotations

import io
import json

import numpy as np
import polars as pl
import pytest

from promlab.model.labels import LabelTable, Symbols
from promlab.model.samples import SeriesBatch
from promlab.promql.result import InstantVector, Matrix, QueryResult, RawMatrix, Scalar, Value
from promlab.server.arrow_answer import encode_arrow

LABELS = [
    {"__name__": "up", "job": "a", "value": "é"},
    {"__name__": "up", "job": "b", "only": "here"},
]


def table() -> LabelTable:
    return LabelTable.from_dicts(LABELS, Symbols())


def frame(value: Value) -> pl.DataFrame:
    return pl.read_ipc_stream(io.BytesIO(b"".join(encode_arrow(QueryResult(value)))))


def rows(value: Value) -> list[tuple[int, float]]:
    found = frame(value)
    return list(zip(found["timestamp"].to_physical().to_list(), found["value"], strict=True))


def test_matrix_leaves_out_what_is_absent() -> None:
    values = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    present = np.array([[True, False, True], [False, True, False]])
    value = Matrix(table(), np.array([0, 1000, 2500]), values, present)
    assert rows(value) == [(0, 1.0), (2500, 3.0), (1000, 5.0)]
    assert frame(value)["job"].cast(pl.String).to_list() == ["a", "a", "b"]


def test_instant_vector() -> None:
    value = InstantVector(table(), 1500, np.array([1.5, np.inf]))
    assert rows(value) == [(1500, 1.5), (1500, np.inf)]
    assert frame(value)["only"].cast(pl.String).to_list() == ["", "here"]


def test_stored_samples_that_share_times() -> None:
    batch = SeriesBatch(
        table(), np.array([0, 2, 5]), np.array([1, 0]), np.array([10, 20, 30]), np.arange(5.0)
    )
    assert rows(RawMatrix(batch)) == [(20, 0.0), (30, 1.0), (10, 2.0), (20, 3.0), (30, 4.0)]


def test_scalar_and_nothing() -> None:
    assert rows(Scalar(7, 2.5)) == [(7, 2.5)]
    assert rows(InstantVector(LabelTable(0, {}, Symbols()), 1, np.zeros(0))) == []


def test_types_and_metadata() -> None:
    import pyarrow as pa

    result = QueryResult(InstantVector(table(), 0, np.zeros(2)), ("careful",), ("by the way",))
    reader = pa.ipc.open_stream(b"".join(encode_arrow(result)))
    found = reader.read_all()
    found.validate(full=True)
    assert found.schema.field("timestamp").type == pa.timestamp("ms", "UTC")
    assert found.schema.field("value").type == pa.float64()
    metadata = {key.decode(): text.decode() for key, text in found.schema.metadata.items()}
    assert metadata["resultType"] == "vector"
    assert json.loads(metadata["labels"]) == ["__name__", "job", "only", "value"]
    assert json.loads(metadata["warnings"]) == ["careful"]
    assert json.loads(metadata["infos"]) == ["by the way"]
    assert found.column_names[-1] == "value_label"
    assert found.column("value_label").to_pylist() == ["é", ""]


@pytest.mark.parametrize("series", [1, 700])
def test_many_rows_take_several_batches(series: int) -> None:
    labels = LabelTable.from_dicts([{"i": str(i)} for i in range(series)], Symbols())
    steps = 500
    values = np.random.default_rng(0).random((series, steps))
    value = Matrix(labels, np.arange(steps), values, np.ones((series, steps), bool))
    found = frame(value)
    assert np.array_equal(found["value"].to_numpy(), values.ravel())
    assert found["i"].cast(pl.String)[-1] == str(series - 1)


def test_histograms_come_as_columns_and_the_client_reads_them() -> None:
    from made_histograms import histogram, stack

    from promlab.client.decode import HistogramSample, query_arrow
    from promlab.model.histograms import HistogramColumn

    tables = [histogram(positive={1: 2.0}, zero_count=1.0, zero_threshold=0.5), histogram(sum=9.0)]
    column = HistogramColumn(stack(tables), np.array([[0, -1, 1], [-1, 1, -1]]))
    labels = LabelTable.from_dicts([{"histogram": "x"}, {"job": "b"}], Symbols())
    present = np.array([[True, True, True], [False, True, True]])
    value = Matrix(labels, np.array([0, 1, 2]), np.arange(6.0).reshape(2, 3), present, column)
    body = b"".join(encode_arrow(QueryResult(value)))
    found = query_arrow(body)
    assert list(found.batch.labels.rows()) == [{"histogram": "x"}, {"job": "b"}]
    assert found.batch.values.tolist() == [1.0, 5.0]
    assert found.batch.t_ms.tolist() == [1, 2]
    buckets = ((3, -0.5, 0.5, 1.0), (0, 1.0, 2.0, 2.0))
    assert found.histograms == (
        HistogramSample({"histogram": "x"}, 0, 3.0, 1.5, buckets),
        HistogramSample({"histogram": "x"}, 2, 0.0, 9.0, ()),
        HistogramSample({"job": "b"}, 1, 0.0, 9.0, ()),
    )
    assert pl.read_ipc_stream(io.BytesIO(body))["histogram_label"].to_list() == [
        "x",
        "x",
        "x",
        "",
        "",
    ]

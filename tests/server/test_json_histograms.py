"""Answers with native histograms, printed from columns, against the standard library's JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest
from made_histograms import histogram, stack

from promlab.model.histograms import HistogramColumn
from promlab.model.labels import LabelTable, Symbols
from promlab.model.samples import SeriesBatch
from promlab.promql.result import InstantVector, Matrix, QueryResult, RawMatrix, Value
from promlab.server.json_answer import encode_answer
from promlab.server.label_text import LabelText

SHAPES = [
    histogram(
        positive={0: 1.0, 1: 2.0}, negative={0: 1.0, 1: 2.0}, zero_count=4.0, sum=float("nan")
    ),
    histogram(schema=-53, positive={0: 1.0, 1: 2.0, 3: 3.0}, bounds=(-1.0, 0.0, 5.0), sum=1e-9),
    histogram(positive={3: 0.0}, sum=0.0),
]
# As the real one prints these three.
TEXTS = [
    {
        "count": "10",
        "sum": "NaN",
        "buckets": [
            [1, "-2", "-1", "2"],
            [1, "-1", "-0.5", "1"],
            [3, "-0", "0", "4"],
            [0, "0.5", "1", "1"],
            [0, "1", "2", "2"],
        ],
    },
    {
        "count": "6",
        "sum": "1e-09",
        "buckets": [[3, "-Inf", "-1", "1"], [0, "-1", "0", "2"], [0, "5", "+Inf", "3"]],
    },
    {"count": "0", "sum": "0"},
]


def answer(value: Value, labels: LabelTable) -> list:
    text = b"".join(encode_answer(QueryResult(value), LabelText(labels.symbols)))
    return json.loads(text)["data"]["result"]


def column(*index: int, shape: tuple[int, ...] = (-1,)) -> HistogramColumn:
    return HistogramColumn(stack(SHAPES), np.array(index).reshape(shape))


@pytest.fixture
def labels() -> LabelTable:
    return LabelTable.from_dicts([{"a": "1"}, {"a": "2"}], Symbols())


def test_vector(labels: LabelTable) -> None:
    value = InstantVector(labels, 1500, np.array([1.0, 2.0]), column(1, -1))
    assert answer(value, labels) == [
        {"metric": {"a": "1"}, "histogram": [1.5, TEXTS[1]]},
        {"metric": {"a": "2"}, "value": [1.5, "2"]},
    ]


def test_matrix(labels: LabelTable) -> None:
    present = np.array([[True, True, True], [True, False, True]])
    index = column(0, -1, 2, 1, 1, 0, shape=(2, 3))
    value = Matrix(labels, np.array([0, 1000, 2000]), np.arange(6.0).reshape(2, 3), present, index)
    assert answer(value, labels) == [
        {
            "metric": {"a": "1"},
            "values": [[1, "1"]],
            "histograms": [[0, TEXTS[0]], [2, TEXTS[2]]],
        },
        {"metric": {"a": "2"}, "histograms": [[0, TEXTS[1]], [2, TEXTS[0]]]},
    ]


def test_stored_samples(labels: LabelTable) -> None:
    batch = SeriesBatch(
        labels,
        np.array([0, 2, 5]),
        np.array([1, 0]),
        np.array([10, 20, 30]),
        np.arange(5.0),
        column(-1, 0, -1, -1, 1),
    )
    assert answer(RawMatrix(batch), labels) == [
        {"metric": {"a": "1"}, "values": [[0.02, "0"]], "histograms": [[0.03, TEXTS[0]]]},
        {
            "metric": {"a": "2"},
            "values": [[0.01, "2"], [0.02, "3"]],
            "histograms": [[0.03, TEXTS[1]]],
        },
    ]


def test_many_take_several_chunks(labels: LabelTable) -> None:
    wide = histogram(positive={i: 1e20 + i for i in range(300)})
    n = 400
    many = HistogramColumn(wide, np.zeros(n, np.int64))
    table = LabelTable.from_dicts([{"i": str(i)} for i in range(n)], Symbols())
    value = InstantVector(table, 0, np.zeros(n), many)
    found = answer(value, table)
    assert len(found) == n
    assert all(len(one["histogram"][1]["buckets"]) == 300 for one in found)

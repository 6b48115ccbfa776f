"""Answers of floats, printed from columns: each number as if it was printed alone."""

from __future__ import annotations

import json

import numpy as np
import numpy.typing as npt
import pytest

from promlab.model.float_text import format_float
from promlab.model.labels import LabelTable, Symbols
from promlab.model.samples import SeriesBatch
from promlab.promql.result import Matrix, QueryResult, RawMatrix, Value
from promlab.server.json_answer import encode_answer
from promlab.server.label_text import LabelText

SPECIAL = [0.0, -0.0, np.nan, np.inf, -np.inf, 5e-324, 1e21, 1e15, 1e16, 99999999.0, 1e8, 1e7]


def answer(value: Value, labels: LabelTable) -> list:
    text = b"".join(encode_answer(QueryResult(value), LabelText(labels.symbols)))
    return json.loads(text)["data"]["result"]


def recurring(rows: int, steps: int, distinct: int) -> npt.NDArray[np.float64]:
    rng = np.random.default_rng(distinct)
    some = rng.normal(0, 1, distinct) * 10.0 ** rng.integers(-9, 22, distinct)
    return rng.choice(np.concatenate([SPECIAL, some, np.round(some)]), (rows, steps))


@pytest.mark.parametrize("distinct", [0, 20, 20_000])
def test_values_that_recur(distinct: int) -> None:
    labels = LabelTable.from_dicts([{"a": f"{i:03}"} for i in range(300)], Symbols())
    values = recurring(300, 200, distinct)  # more than one chunk
    t_ms = 1_000 * np.arange(200)
    present = np.random.default_rng(1).random(values.shape) < 0.9
    present[:, 0] = True
    wanted = [
        {
            "metric": {"a": f"{i:03}"},
            "values": [
                [int(t), format_float(float(values[i, t]))] for t in range(200) if present[i, t]
            ],
        }
        for i in range(300)
    ]
    assert answer(Matrix(labels, t_ms, values, present), labels) == wanted
    lists = [t_ms[row] for row in present]
    batch = SeriesBatch.from_series(
        labels, lists, [one[row] for one, row in zip(values, present, strict=True)]
    )
    assert answer(RawMatrix(batch), labels) == wanted

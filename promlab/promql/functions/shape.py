"""Order and shape: absent, scalar, vector, and the sorting functions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from promlab.model.samples import Values
from promlab.promql.ast import Call
from promlab.promql.functions.attach import implements
from promlab.promql.functions.over_time import absence
from promlab.promql.label_order import label_order
from promlab.promql.steps import Steps
from promlab.promql.vector import Rows, Vector, single_vector

if TYPE_CHECKING:
    from promlab.promql.evaluator import Evaluator

INEFFECTIVE = "sort is ineffective for range queries since results are always ordered by labels"


@implements("absent")
def absent(ev: Evaluator, node: Call, steps: Steps) -> Vector:
    """1 where the vector is empty."""
    return absence(ev.ctx, ev.vector(node.args[0], steps).present, node.args[0])


@implements("scalar")
def scalar(ev: Evaluator, node: Call, steps: Steps) -> Values:
    """The value of the only series, NaN where there is not exactly one."""
    vector = ev.vector(node.args[0], steps).floats()
    only = vector.present.sum(axis=0) == 1
    if not vector.n:
        return np.full(steps.count, np.nan)
    row = vector.present.argmax(axis=0)
    return np.where(only, vector.values[row, np.arange(steps.count)], np.nan)


@implements("vector")
def vector(ev: Evaluator, node: Call, steps: Steps) -> Vector:
    """A scalar as a series without labels."""
    return single_vector(ev.scalar(node.args[0], steps), ev.ctx.base)


@implements("sort", "sort_desc")
def sort(ev: Evaluator, node: Call, steps: Steps) -> Vector:
    """By value, NaN last; only an instant query has an order."""
    found = ev.vector(node.args[0], steps).floats()
    if ev.ctx.step_ms:
        ev.ctx.annotations.warn(INEFFECTIVE, node)
        return found
    sign = 1.0 if node.function == "sort" else -1.0
    return found.take(np.argsort(sign * found.values[:, 0], kind="stable"))


@implements("sort_by_label", "sort_by_label_desc")
def sort_by_label(ev: Evaluator, node: Call, steps: Steps) -> Vector:
    """By the values of labels in natural order (2 before 10), then by all labels."""
    found = ev.vector(node.args[0], steps)
    if ev.ctx.step_ms:
        ev.ctx.annotations.warn(INEFFECTIVE, node)
        return found
    names = [ev.string(argument) for argument in node.args[1:]]
    keys: list[Rows] = [np.argsort(label_order(found.labels))]
    for name in reversed(names):
        distinct, inverse = np.unique(found.labels.column(name), return_inverse=True)
        texts = found.labels.symbols.texts(distinct)
        rank = {text: i for i, text in enumerate(sorted(set(texts), key=natural_key))}
        keys.append(np.array([rank[text] for text in texts], np.int64)[inverse])
    order = np.lexsort(keys)
    return found.take(order if node.function == "sort_by_label" else order[::-1])


def natural_key(text: str) -> list[tuple[int, int, str]]:
    """Digits compare as numbers, and stand before letters."""
    parts = re.findall(r"[0-9]+|[^0-9]+", text)
    return [(0, int(part), part) if part[0] in "0123456789" else (1, 0, part) for part in parts]

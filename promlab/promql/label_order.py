"""The order of series by their labels: pairs of name and value, compared one after another.

Of two label sets, the first difference decides: the smaller name, then the smaller value;
where one ends first, it comes first.
"""

from __future__ import annotations

import numpy as np

from promlab.model.labels import LabelTable
from promlab.promql.vector import Rows


def label_order(labels: LabelTable) -> Rows:
    """Row numbers in the order of the label sets; equal ones keep their order."""
    if labels.n < 2:
        return np.arange(labels.n)
    keys = []
    # Columns from the last name to the first: whether a label set goes on after a name
    # decides where one that lacks the name stands.
    goes_on = np.zeros(labels.n, np.bool_)
    for name in sorted(labels.columns, reverse=True):
        codes = labels.columns[name]
        distinct, inverse = np.unique(codes, return_inverse=True)
        texts = labels.symbols.texts(distinct)
        ordered = sorted(range(len(texts)), key=texts.__getitem__)
        rank = np.empty(len(texts), np.int64)
        rank[ordered] = np.arange(1, len(texts) + 1)
        ranks = rank[inverse]
        missing = codes == 0
        ranks[missing] = np.where(goes_on[missing], len(texts) + 1, 0)
        keys.append((ranks, len(texts) + 2))
        goes_on |= ~missing
    return _sorted_by(keys, labels.n)


def _sorted_by(keys: list[tuple[Rows, int]], n: int) -> Rows:
    """Stable sort by ranks, the last one first; as one number where they fit in one."""
    merged: list[Rows] = []
    size = 1
    for ranks, radix in keys:
        if merged and size * radix < 2**62:
            merged[-1] = merged[-1] + ranks * size
            size *= radix
        else:
            merged.append(ranks)
            size = radix
    if not merged:
        return np.arange(n)
    return np.lexsort(merged) if len(merged) > 1 else np.argsort(merged[0], kind="stable")

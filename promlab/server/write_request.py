"""A decoded remote write request as what is handed over to the process that stores samples."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from promlab.model.storage import Refs
from promlab.remote.write import Bools, Indices, Samples, WriteRequest, exemplars_of
from promlab.server.write_columns import histogram_columns, label_columns

TOLD = 100


class Parts(NamedTuple):
    """Body and columns of the message, and what was left out of it."""

    body: dict[str, Any]
    columns: dict[str, Any]
    series: Indices  # of each sample, in the request
    future: list[int]  # series of samples from the future, the first ones
    problems: list[tuple[int, str]]  # series of histograms that are none, and why


def parts_of(request: WriteRequest, refs: Refs, usable: Bools, limit_ms: int) -> Parts:
    """Everything that may be stored: of usable series, not after `limit_ms`."""
    floats, histograms = request.floats, request.histograms
    keep_floats, future = _kept(floats, usable, limit_ms)
    keep, late = _kept(histograms, usable, limit_ms)
    keep[list(request.problems)] = False
    f, h = np.flatnonzero(keep_floats), np.flatnonzero(keep)
    series = np.concatenate([floats.series[f], histograms.series[h]])
    t_ms = np.concatenate([floats.t_ms[f], histograms.t_ms[h]])
    # A request has the floats of a series before its histograms: by time they are in order.
    order = np.lexsort((t_ms, series)) if len(f) and len(h) else np.arange(len(series))
    series, t_ms = series[order], t_ms[order]
    values = np.concatenate([floats.values[f], np.zeros(len(h))])[order]
    columns: dict[str, Any] = {"refs": refs[series], "t_ms": t_ms, "values": values}
    body: dict[str, Any] = {}
    starts = np.concatenate([floats.start_ms[f], histograms.start_ms[h]])[order]
    if starts.any():
        columns["start_ms"] = starts
    if len(h) and histograms.histograms is not None:
        index = np.concatenate([np.full(len(f), -1), np.arange(len(h))])[order]
        more, body["bounds"] = histogram_columns(histograms.histograms.take(h))
        columns |= {"h_index": index.astype(np.int64), **more}
    if len(request.exemplars):
        _add_exemplars(request, refs, usable, body, columns)
    problems = [
        (int(histograms.series[row]), words) for row, words in sorted(request.problems.items())
    ]
    return Parts(body, columns, series, (future + late)[:TOLD], problems[:TOLD])


def _kept(samples: Samples, usable: Bools, limit_ms: int) -> tuple[Bools, list[int]]:
    mine = usable[samples.series]
    future = samples.t_ms > limit_ms
    return mine & ~future, samples.series[mine & future][:TOLD].tolist()


def _add_exemplars(
    request: WriteRequest, refs: Refs, usable: Bools, body: dict[str, Any], columns: dict[str, Any]
) -> None:
    t_ms, values, labels, valid = exemplars_of(request)
    series = request.exemplars[:, 0]
    rows = np.flatnonzero(valid & usable[series])
    # As they are expected: of one series by time, then by value.
    rows = rows[np.lexsort((values[rows], t_ms[rows], series[rows]))]
    if len(rows):
        body["exemplars"], more = label_columns(labels.take(rows), "e_label_")
        columns |= {
            "e_refs": refs[series[rows]],
            "e_t_ms": t_ms[rows],
            "e_values": values[rows],
            **more,
        }

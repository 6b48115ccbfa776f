"""What the process that stores does with samples that another one received."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from promlab.server.channel import Columns, WithColumns
from promlab.server.write_columns import exemplar_batch, sample_extras
from promlab.tsdb import head_kernels as k

if TYPE_CHECKING:
    from promlab.tsdb.head import Head

TOLD = 100  # refused samples that are described, at most


def write(head: Head, body: Any, columns: Columns) -> WithColumns:
    """Append a remote write request's samples and exemplars.

    If `atomic`, nothing is appended once a sample is refused. The answer counts what was
    written and what was not, and describes the first refused samples: their numbers, why, and the
    value that a duplicate met.
    """
    extras = sample_extras(body, columns)
    loose = head.appends.prepare(columns["refs"], columns["t_ms"], columns["values"], extras)
    verdicts, existing = head.appends.judge(loose)
    refused = np.flatnonzero(verdicts > k.SAME)
    told = {
        "refused": refused[:TOLD],
        "why": verdicts[refused[:TOLD]],
        "existing": existing[refused[:TOLD]],
    }
    counts = {"samples": 0, "histograms": 0, "exemplars": 0, "late_exemplars": 0}
    if not (body["atomic"] and len(refused)):
        head.appends.append(loose)
        taken = verdicts <= k.SAME
        column = extras.histograms
        is_histogram = np.zeros(len(taken), bool) if column is None else column.index >= 0
        counts["samples"] = int((taken & ~is_histogram).sum())
        counts["histograms"] = int((taken & is_histogram).sum())
        batch = exemplar_batch(body, columns)
        if batch is not None:
            done = head.append_exemplars(batch)
            # One that is there already counts, as in Prometheus.
            counts["exemplars"] = done.appended + done.duplicate
            counts["late_exemplars"] = done.out_of_order
    return WithColumns(counts | {"refused_count": len(refused)}, told)

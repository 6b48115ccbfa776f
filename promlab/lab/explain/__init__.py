"""Explainers: pictures that answer when they are dragged, worked out by promlab's own engine.

    from promlab.lab import explain
    explain.rate()           # what rate and increase do with the samples of a window
    explain.vanishing()      # when a series is gone, and how one knows
    explain.quantile()       # what buckets leave of a quantile
    explain.choose_type()    # counter, gauge, histogram or summary

Each has handles and choices for mouse and keyboard, the numbers beside the picture, and
`.set(name=value)` for those who would rather type. The last line of a cell shows it.
"""

from __future__ import annotations

from promlab.lab.explain.metric_type import choose_type
from promlab.lab.explain.quantile import quantile
from promlab.lab.explain.rate import rate
from promlab.lab.explain.vanishing import vanishing

__all__ = ["choose_type", "quantile", "rate", "vanishing"]

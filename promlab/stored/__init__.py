"""Stored samples as frames: with selectors as text, lazily, and what imports others' text.

    selectors.py    the text of a selector → matchers
    opening.py      `promlab.open`
    scanning.py     `promlab.scan`: a Polars LazyFrame with pushdown
    openmetrics.py  OpenMetrics text, in and out

The storage engine knows no PromQL and no exposition format; this room knows all three.
"""

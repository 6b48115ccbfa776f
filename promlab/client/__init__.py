"""Client of any Prometheus-compatible server, and the results it gives.

HTTP only: the same calls work on promlab, Prometheus, Mimir, Thanos or VictoriaMetrics.
Importing it loads neither httpx nor Polars: each is fetched when it is first needed.
"""

from __future__ import annotations

from promlab.client.client import Client
from promlab.client.results import InstantVector, RangeVector, Result, Scalar, StringResult

__all__ = ["Client", "InstantVector", "RangeVector", "Result", "Scalar", "StringResult"]

"""PromQL over frames and files, with no server: Polars, pandas, Parquet, results of queries.

    promlab.query("sum by (job) (rate(requests_total[5m]))", data=frame)
    promlab.query_range("max_over_time(temp[1h])", data="weather.parquet", step="1h")

`Source` reads the data once for many queries. Nothing here is imported before it is used.
"""

from __future__ import annotations

from promlab.frames.source import Source, query, query_range

__all__ = ["Source", "query", "query_range"]

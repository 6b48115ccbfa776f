"""`promlab query`: what `promtool query` is; works with any Prometheus-compatible server."""

COMMANDS = {
    "instant": "evaluate an expression at one time",
    "range": "evaluate an expression over a range of time",
    "series": "list the series that match selectors",
    "labels": "list the values of a label",
    "analyze": "analyze how a histogram's buckets are used",
}

"""OTLP metrics: what OpenTelemetry SDKs and collectors push, as series.

`request` reads a body into columns of data points, `names` and `labels` say how they are called
here, `series` makes samples of them. JSON bodies become protobuf first (`json_body`), so that
there is one way through.
"""

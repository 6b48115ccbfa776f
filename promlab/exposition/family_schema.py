"""The fields of `io.prometheus.client.MetricFamily` that are read, by their numbers."""

from __future__ import annotations

from promlab.model.metadata import MetricType
from promlab.model.wire import FIXED64, TEXT, VARINT, Schema

_TIME: dict[int, tuple[str, int | str]] = {1: ("seconds", VARINT), 2: ("nanos", VARINT)}


def _exemplar(where: str) -> dict[str, dict[int, tuple[str, int | str]]]:
    return {
        f"{where}_exemplar": {
            1: ("label", f"{where}_exemplar_label"),
            2: ("value", FIXED64),
            3: ("time", f"{where}_exemplar_time"),
        },
        f"{where}_exemplar_label": {1: ("name", TEXT), 2: ("value", TEXT)},
        f"{where}_exemplar_time": _TIME,
    }


FAMILIES = Schema(
    {
        "body": {1: ("family", "family")},
        "family": {
            1: ("name", TEXT),
            2: ("help", TEXT),
            3: ("type", VARINT),
            4: ("metric", "metric"),
            5: ("unit", TEXT),
        },
        "metric": {
            1: ("label", "label"),
            2: ("gauge", "gauge"),
            3: ("counter", "counter"),
            4: ("summary", "summary"),
            5: ("untyped", "untyped"),
            6: ("t_ms", VARINT),
            7: ("histogram", "histogram"),
        },
        "label": {1: ("name", TEXT), 2: ("value", TEXT)},
        "gauge": {1: ("value", FIXED64)},
        "untyped": {1: ("value", FIXED64)},
        "counter": {
            1: ("value", FIXED64),
            2: ("exemplar", "counter_exemplar"),
            3: ("created", "counter_created"),
        },
        "counter_created": _TIME,
        "summary": {
            1: ("count", VARINT),
            2: ("sum", FIXED64),
            3: ("quantile", "quantile"),
            4: ("created", "summary_created"),
        },
        "summary_created": _TIME,
        "quantile": {1: ("quantile", FIXED64), 2: ("value", FIXED64)},
        "histogram": {
            1: ("count", VARINT),
            2: ("sum", FIXED64),
            3: ("bucket", "bucket"),
            4: ("count_float", FIXED64),
            5: ("schema", VARINT),
            6: ("zero_threshold", FIXED64),
            7: ("zero_count", VARINT),
            8: ("zero_count_float", FIXED64),
            9: ("negative_span", "negative_span"),
            10: ("negative_delta", VARINT),
            11: ("negative_count", FIXED64),
            12: ("positive_span", "positive_span"),
            13: ("positive_delta", VARINT),
            14: ("positive_count", FIXED64),
            15: ("created", "histogram_created"),
            16: ("exemplar", "histogram_exemplar"),
        },
        "histogram_created": _TIME,
        "bucket": {
            1: ("count", VARINT),
            2: ("bound", FIXED64),
            3: ("exemplar", "bucket_exemplar"),
            4: ("count_float", FIXED64),
        },
        "negative_span": {1: ("offset", VARINT), 2: ("length", VARINT)},
        "positive_span": {1: ("offset", VARINT), 2: ("length", VARINT)},
        **_exemplar("counter"),
        **_exemplar("bucket"),
        **_exemplar("histogram"),
    }
)

COUNTER, GAUGE, SUMMARY, UNTYPED, HISTOGRAM, GAUGE_HISTOGRAM = range(6)
TYPES = (
    MetricType.COUNTER,
    MetricType.GAUGE,
    MetricType.SUMMARY,
    MetricType.UNKNOWN,
    MetricType.HISTOGRAM,
    MetricType.GAUGE_HISTOGRAM,
)

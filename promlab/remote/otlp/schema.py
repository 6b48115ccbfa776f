"""The fields of `ExportMetricsServiceRequest` that are read, by their numbers.

AnyValue stays a slice of bytes: it is decoded once for each distinct value (`attributes`).
"""

from __future__ import annotations

from promlab.model.wire import FIXED64, TEXT, VARINT, Schema

Message = dict[int, tuple[str, int | str]]
_ATTRIBUTE: Message = {1: ("key", TEXT), 2: ("value", TEXT)}


def _exemplar(point: str) -> dict[str, Message]:
    name = f"{point}_exemplar"
    return {
        name: {
            2: ("t_ns", FIXED64),
            3: ("double", FIXED64),
            4: ("span_id", TEXT),
            5: ("trace_id", TEXT),
            6: ("int", FIXED64),
            7: ("attribute", f"{name}_attribute"),
        },
        f"{name}_attribute": _ATTRIBUTE,
    }


REQUEST = Schema(
    {
        "request": {1: ("resource", "resource_metrics")},
        "resource_metrics": {1: ("resource", "resource"), 2: ("scope", "scope_metrics")},
        "resource": {1: ("attribute", "resource_attribute")},
        "resource_attribute": _ATTRIBUTE,
        "scope_metrics": {1: ("scope", "scope"), 2: ("metric", "metric"), 3: ("schema_url", TEXT)},
        "scope": {1: ("name", TEXT), 2: ("version", TEXT), 3: ("attribute", "scope_attribute")},
        "scope_attribute": _ATTRIBUTE,
        "metric": {
            1: ("name", TEXT),
            2: ("help", TEXT),
            3: ("unit", TEXT),
            5: ("gauge", "gauge"),
            7: ("sum", "sum"),
            9: ("histogram", "histogram"),
            10: ("exponential", "exponential"),
            11: ("summary", "summary"),
        },
        "gauge": {1: ("point", "gauge_point")},
        "sum": {1: ("point", "sum_point"), 2: ("temporality", VARINT), 3: ("monotonic", VARINT)},
        "histogram": {1: ("point", "histogram_point"), 2: ("temporality", VARINT)},
        "exponential": {1: ("point", "exponential_point"), 2: ("temporality", VARINT)},
        "summary": {1: ("point", "summary_point")},
        **{
            f"{kind}_point": {
                2: ("start_ns", FIXED64),
                3: ("t_ns", FIXED64),
                4: ("double", FIXED64),
                5: ("exemplar", f"{kind}_point_exemplar"),
                6: ("int", FIXED64),
                7: ("attribute", f"{kind}_point_attribute"),
                8: ("flags", VARINT),
            }
            for kind in ("gauge", "sum")
        },
        "histogram_point": {
            2: ("start_ns", FIXED64),
            3: ("t_ns", FIXED64),
            4: ("count", FIXED64),
            5: ("sum", FIXED64),
            6: ("bucket", FIXED64),
            7: ("bound", FIXED64),
            8: ("exemplar", "histogram_point_exemplar"),
            9: ("attribute", "histogram_point_attribute"),
            10: ("flags", VARINT),
        },
        "exponential_point": {
            1: ("attribute", "exponential_point_attribute"),
            2: ("start_ns", FIXED64),
            3: ("t_ns", FIXED64),
            4: ("count", FIXED64),
            5: ("sum", FIXED64),
            6: ("scale", VARINT),
            7: ("zero_count", FIXED64),
            8: ("positive", "positive"),
            9: ("negative", "negative"),
            10: ("flags", VARINT),
            11: ("exemplar", "exponential_point_exemplar"),
            14: ("zero_threshold", FIXED64),
        },
        "positive": {1: ("offset", VARINT), 2: ("bucket", VARINT)},
        "negative": {1: ("offset", VARINT), 2: ("bucket", VARINT)},
        "summary_point": {
            2: ("start_ns", FIXED64),
            3: ("t_ns", FIXED64),
            4: ("count", FIXED64),
            5: ("sum", FIXED64),
            6: ("quantile", "quantile"),
            7: ("attribute", "summary_point_attribute"),
            8: ("flags", VARINT),
        },
        "quantile": {1: ("quantile", FIXED64), 2: ("value", FIXED64)},
        **{
            f"{kind}_point_attribute": _ATTRIBUTE
            for kind in ("gauge", "sum", "histogram", "exponential", "summary")
        },
        **_exemplar("gauge_point"),
        **_exemplar("sum_point"),
        **_exemplar("histogram_point"),
        **_exemplar("exponential_point"),
    }
)

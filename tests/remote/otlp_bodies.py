"""An OTLP request with one of everything, as JSON."""

from __future__ import annotations

from typing import Any


def attributes(**pairs: Any) -> list[dict[str, Any]]:
    return [{"key": key.replace("__dot__", "."), "value": value(v)} for key, v in pairs.items()]


def keyed(pairs: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": value(v)} for key, v in pairs.items()]


def value(given: Any) -> dict[str, Any]:
    match given:
        case bool():
            return {"boolValue": given}
        case str():
            return {"stringValue": given}
        case int():
            return {"intValue": str(given)}
        case float():
            return {"doubleValue": given}
        case list():
            return {"arrayValue": {"values": [value(item) for item in given]}}
        case dict():
            return {"kvlistValue": {"values": keyed(given)}}
    raise AssertionError(given)


def gauge(name: str, unit: str = "", *points: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "unit": unit, "gauge": {"dataPoints": list(points)}}


def sum_(
    name: str, unit: str, *points: dict[str, Any], monotonic: bool = True, temporality: Any = 2
) -> dict[str, Any]:
    body = {"dataPoints": list(points), "isMonotonic": monotonic}
    return {"name": name, "unit": unit, "sum": {**body, "aggregationTemporality": temporality}}


def everything(t_ms: int) -> dict[str, Any]:
    at = {"timeUnixNano": f"{t_ms}000000", "startTimeUnixNano": f"{t_ms - 60_000}000000"}

    def number(number: float, **pairs: Any) -> dict[str, Any]:
        return {**at, "asDouble": number, "attributes": attributes(**pairs)}

    histogram = {
        **at, "count": "6", "sum": 12.5, "bucketCounts": ["1", "2", "0", "3"],
        "explicitBounds": [0.5, 1, 2.5e10], "attributes": attributes(path="/a"),
    }  # fmt: skip
    bare = {**at, "count": 4, "attributes": attributes(path="/b")}
    exponential = {
        **at, "count": "10", "sum": -2.5, "scale": 2, "zeroCount": "3",
        "positive": {"offset": -2, "bucketCounts": ["1", "0", "2"]},
        "negative": {"offset": 5, "bucketCounts": ["4"]},
        "attributes": attributes(kind="exp"),
    }  # fmt: skip
    fine = {**exponential, "scale": 10, "attributes": attributes(kind="fine")}
    summary = {
        **at, "count": "7", "sum": 3.5, "attributes": attributes(s="x"),
        "quantileValues": [{"quantile": 0.5, "value": 1}, {"quantile": 1, "value": 2}],
    }  # fmt: skip
    metrics = [
        gauge("room.temperature", "Cel", number(21.5, room="x", floor=3, open=True)),
        gauge("load ratio!", "1", number(0.5)),
        gauge("disk.used", "By", {**at, "asInt": "12345678901234", "attributes": []}),
        gauge("9lives", "{cats}", number(1)),
        gauge("speed", "m/s", number(3)),
        gauge("ended", "", {**at, "flags": 1, "attributes": attributes(a="b")}),
        gauge("odd", "", number(1, **{"a__dot__b": "1", "a_b": "2", "0x": "3", "_y": "4"})),
        gauge("deep", "", number(1, list=[1, "a", 2.5, True], map={"b": 1, "a": "x"}, f=1e21)),
        gauge("small", "", number(1, f=1e-7, g=0.1, h=100.0)),
        sum_("http.requests", "1", number(7, code=200)),
        sum_("requests_total", "", number(8)),
        sum_("latency.total.time", "ms", number(9)),
        sum_("queue.size", "{items}", number(3), monotonic=False),
        sum_("lost", "", number(3), temporality="AGGREGATION_TEMPORALITY_DELTA"),
        {"name": "req.size", "unit": "KiBy",
         "histogram": {"aggregationTemporality": 2, "dataPoints": [histogram, bare]}},
        {"name": "exp", "unit": "s",
         "exponentialHistogram": {"aggregationTemporality": 2, "dataPoints": [exponential, fine]}},
        {"name": "sum.mary", "unit": "us", "summary": {"dataPoints": [summary]}},
    ]  # fmt: skip
    full = keyed({
        "service.name": "shop", "service.namespace": "web", "service.instance.id": "i-1",
        "host.name": "h", "k8s.pod": "p", "empty": "",
    })  # fmt: skip
    scope = {"name": "lib", "version": "1.2", "attributes": keyed({"lang.x": "py"})}
    return {
        "resourceMetrics": [
            {
                "resource": {"attributes": full},
                "scopeMetrics": [{"scope": scope, "metrics": metrics, "schemaUrl": "http://s"}],
            },
            {
                "resource": {"attributes": keyed({"service.name": "alone"})},
                "scopeMetrics": [{"metrics": [gauge("one", "", number(1))]}],
            },
            {
                "resource": {"attributes": keyed({"host.name": "nameless"})},
                "scopeMetrics": [{"metrics": [gauge("two", "", number(2))]}],
            },
        ]
    }

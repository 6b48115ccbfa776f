"""OTLP requests: names, labels, every kind of point, JSON and protobuf, refusals."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from otlp_bodies import everything, gauge, keyed, sum_

from promlab.config import load_text
from promlab.model.samples import is_stale
from promlab.model.wire import BadMessage
from promlab.remote.otlp.any_value import any_text
from promlab.remote.otlp.json_body import protobuf
from promlab.remote.otlp.names import COUNTER, GAUGE, OTHER, Style, label_name, metric_name
from promlab.remote.otlp.points import ADDED_UP, AS_THEY_ARE, LEFT_OUT
from promlab.remote.otlp.series import OtlpSamples, read_request

T_MS = 1_700_000_000_000
Key = tuple[str, frozenset[tuple[str, str]]]


def read(
    body: dict[str, Any], options: str = "", *, delta: int = LEFT_OUT, typed: bool = False
) -> OtlpSamples:
    config = load_text(f"otlp: {{{options}}}").otlp
    return read_request(protobuf(json.dumps(body).encode()), config, delta=delta, typed=typed)


def series(found: OtlpSamples, **only: str) -> dict[Key, float]:
    """Values by name and labels, job and instance left out."""
    each = {}
    for labels, number in zip(found.labels.rows(), found.values.tolist(), strict=True):
        if only.items() <= labels.items():
            rest = {k: v for k, v in labels.items() if k not in ("__name__", "job", "instance")}
            each[labels["__name__"], frozenset(rest.items())] = number
    return each


def key(name: str, **labels: str) -> Key:
    return name, frozenset(labels.items())


def test_numbers_summaries_and_target_info() -> None:
    found = read(everything(T_MS))
    got = series(found)
    expected = {
        key("room_temperature_celsius", room="x", floor="3", open="true"): 21.5,
        key("load_ratio"): 0.5,
        key("disk_used_bytes"): 12345678901234.0,
        key("_9lives"): 1.0,
        key("speed_meters_per_second"): 3.0,
        key("odd", a_b="1;2", key_0x="3", key_y="4"): 1.0,
        key("deep", f="1e+21", list='[1,"a",2.5,true]', map='{"a":"x","b":1}'): 1.0,
        key("small", f="1e-07", g="0.1", h="100"): 1.0,
        key("http_requests_total", code="200"): 7.0,
        key("requests_total"): 8.0,
        key("latency_time_milliseconds_total"): 9.0,
        key("queue_size"): 3.0,
        key("sum_mary_microseconds_sum", s="x"): 3.5,
        key("sum_mary_microseconds_count", s="x"): 7.0,
        key("sum_mary_microseconds", s="x", quantile="0.5"): 1.0,
        key("sum_mary_microseconds", s="x", quantile="1"): 2.0,
        key("target_info", host_name="h", k8s_pod="p"): 1.0,
        key("one"): 1.0,
        key("two"): 2.0,
    }
    assert expected.items() <= got.items()
    assert math.isnan(got[key("ended", a="b")])
    assert is_stale(found.values).sum() == 1
    assert set(found.t_ms.tolist()) == {T_MS}
    assert found.start_ms[0] == T_MS - 60_000
    assert found.skipped == ["1 points of sum metrics: no name, or not cumulative"]
    jobs = {row["__name__"]: row.get("job") for row in found.labels.rows()}
    assert (jobs["odd"], jobs["one"], jobs["two"]) == ("web/shop", "alone", None)
    assert len([row for row in found.labels.rows() if row["__name__"] == "target_info"]) == 1


def test_explicit_histograms() -> None:
    got = series(read(everything(T_MS)))
    name = "req_size_kibibytes"
    expected = {
        key(f"{name}_sum", path="/a"): 12.5,
        key(f"{name}_count", path="/a"): 6.0,
        key(f"{name}_bucket", path="/a", le="0.5"): 1.0,
        key(f"{name}_bucket", path="/a", le="1"): 3.0,
        key(f"{name}_bucket", path="/a", le="25000000000"): 3.0,
        key(f"{name}_bucket", path="/a", le="+Inf"): 6.0,
        key(f"{name}_count", path="/b"): 4.0,
        key(f"{name}_bucket", path="/b", le="+Inf"): 4.0,
    }
    assert {k: v for k, v in got.items() if k[0].startswith(name)} == expected


def histograms(found: OtlpSamples, name: str) -> list[Any]:
    assert found.histograms is not None
    rows = [i for i, row in enumerate(found.labels.rows()) if row["__name__"] == name]
    return [found.histograms.table.take(found.histograms.index[i : i + 1]) for i in rows]


def test_explicit_histograms_as_native_ones() -> None:
    first, second = histograms(
        read(everything(T_MS), "convert_histograms_to_nhcb: true"), "req_size_kibibytes"
    )
    assert first.bounds[first.custom[0]] == (0.5, 1.0, 2.5e10)
    assert first.positive.counts.tolist() == [1, 2, 0, 3]
    assert (first.count[0], first.sum[0]) == (6.0, 12.5)
    assert second.positive.counts.tolist() == [4]


def test_exponential_histograms() -> None:
    plain, fine = histograms(read(everything(T_MS)), "exp_seconds")
    assert (plain.schema[0], plain.count[0], plain.sum[0], plain.zero_count[0]) == (2, 10, -2.5, 3)
    assert (plain.positive.indices.tolist(), plain.positive.counts.tolist()) == ([-1, 1], [1, 2])
    assert (plain.negative.indices.tolist(), plain.negative.counts.tolist()) == ([6], [4])
    # Scale 10 became 8: four buckets are one.
    assert fine.schema[0] == 8
    assert (fine.positive.indices.tolist(), fine.positive.counts.tolist()) == ([0, 1], [1, 2])
    assert (fine.negative.indices.tolist(), fine.negative.counts.tolist()) == ([2], [4])


def test_resource_and_scope_as_labels() -> None:
    body = everything(T_MS)
    options = "promote_all_resource_attributes: true, ignore_resource_attributes: [k8s.pod]"
    got = series(read(body, options + ", promote_scope_metadata: true"))
    promoted = {
        "host_name": "h", "service_name": "shop", "service_namespace": "web",
        "service_instance_id": "i-1", "otel_scope_name": "lib", "otel_scope_version": "1.2",
        "otel_scope_lang_x": "py", "otel_scope_schema_url": "http://s",
    }  # fmt: skip
    assert got[key("disk_used_bytes", **promoted)] == 12345678901234.0
    got = series(read(body, "keep_identifying_resource_attributes: true"))
    info = {k[1] for k in got if k[0] == "target_info"}
    assert info == {
        frozenset({
            "host_name": "h", "k8s_pod": "p", "service_name": "shop",
            "service_namespace": "web", "service_instance_id": "i-1",
        }.items())
    }  # fmt: skip


def test_differences_are_stored_only_when_asked_for() -> None:
    assert key("lost_total") not in series(read(everything(T_MS)))
    assert series(read(everything(T_MS), delta=ADDED_UP))[key("lost_total")] == 3.0


NAMES = [
    ("http.server.duration", "s", OTHER,
     "http_server_duration_seconds", "http.server.duration_seconds", "http_server_duration"),
    ("http.duration_seconds", "s", OTHER,
     "http_duration_seconds", "http.duration_seconds", "http_duration_seconds"),
    ("hits", "1", COUNTER, "hits_total", "hits_total", "hits"),
    ("hits_total", "", COUNTER, "hits_total", "hits_total", "hits_total"),
    ("used", "1", GAUGE, "used_ratio", "used_ratio", "used"),
    ("used", "{x}", GAUGE, "used", "used", "used"),
    ("flow", "By/s", OTHER, "flow_bytes_per_second", "flow_bytes_per_second", "flow"),
    ("a:b-c", "", OTHER, "a:b_c", "a:b-c", "a:b_c"),
    ("1x", "", OTHER, "_1x", "1x", "_1x"),
    ("größe", "", OTHER, "gr_e", "größe", "gr_e"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "unit", "kind", "escaped", "plain", "bare"), NAMES)
def test_names(name: str, unit: str, kind: int, escaped: str, plain: str, bare: str) -> None:
    assert metric_name(name, unit, kind, Style(True, True, True, True)) == escaped
    assert metric_name(name, unit, kind, Style(False, True, True, True)) == plain
    assert metric_name(name, unit, kind, Style(True, False, True, True)) == bare
    assert metric_name(name, unit, kind, Style(False, False, True, True)) == name


def test_label_names() -> None:
    style = Style(True, True, True, True)
    names = {"a.b": "a_b", "0": "key_0", "_a": "key_a", "__a": "__a", "a..b": "a__b", "": ""}
    assert {name: label_name(name, style) for name in names} == names
    assert label_name("_a", style._replace(key_prefix=False)) == "_a"
    assert label_name("a..b", style._replace(keep_underscores=False)) == "a_b"
    assert label_name("a.b", style._replace(escaped=False)) == "a.b"


def test_exemplars_go_to_their_buckets() -> None:
    body = everything(T_MS)
    metrics = body["resourceMetrics"][0]["scopeMetrics"][0]["metrics"]
    exemplar = {
        "timeUnixNano": f"{T_MS - 7}000000", "asDouble": 0.75, "traceId": "00ff", "spanId": "ab",
        "filteredAttributes": keyed({"user": "x"}),
    }  # fmt: skip
    [histogram] = [metric for metric in metrics if metric["name"] == "req.size"]
    histogram["histogram"]["dataPoints"][0]["exemplars"] = [exemplar]
    found = read(body)
    [got] = found.exemplars
    labels = found.labels.row(got.row)
    assert (labels["__name__"], labels["le"]) == ("req_size_kibibytes_bucket", "1")
    assert got.labels == {"user": "x", "trace_id": "00ff", "span_id": "ab"}
    assert (got.value, got.t_ms) == (0.75, T_MS - 7)


def test_target_info_reaches_as_far_as_the_points() -> None:
    points = [{"timeUnixNano": f"{T_MS + i * 400_000}000000", "asInt": 1} for i in range(2)]
    resource = {"attributes": keyed({"service.name": "a", "x": "y"})}
    scopes = [{"metrics": [gauge("g", "", *points)]}]
    found = read({"resourceMetrics": [{"resource": resource, "scopeMetrics": scopes}]})
    rows = [i for i, row in enumerate(found.labels.rows()) if row["__name__"] == "target_info"]
    assert (found.t_ms[rows] - T_MS).tolist() == [0, 150_000, 300_000, 400_000]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("{", "not JSON"),
        ("[]", "expected an object, not list"),
        ('{"resourceMetrics": {}}', "resourceMetrics: expected a list, not dict"),
        ('{"resourceMetrics": [{"resource": {"attributes": [{"key": 1}]}}]}', "key: expected"),
    ],
)
def test_refused_json(body: str, message: str) -> None:
    with pytest.raises(BadMessage, match=message):
        protobuf(body.encode())


def test_damaged_bodies_are_refused_or_read() -> None:
    body = protobuf(json.dumps(everything(T_MS)).encode())
    config = load_text("otlp: {}").otlp
    rng = np.random.default_rng(3)
    for _ in range(400):
        changed = bytearray(body[: rng.integers(1, len(body) + 1)])
        for at in rng.integers(0, len(changed), 2):
            changed[at] = rng.integers(0, 256)
        try:
            read_request(bytes(changed), config)
        except BadMessage:
            continue


def test_empty_and_unknown_parts() -> None:
    assert read({}).n == 0
    assert read({"resourceMetrics": [{"scopeMetrics": [{"metrics": [sum_("", "")]}]}]}).n == 0
    assert any_text(b"") == ""


def test_types_and_units_become_labels_where_that_is_wanted() -> None:
    found = read(everything(T_MS), typed=True)
    got = {
        row["__name__"]: (row.get("__type__", ""), row.get("__unit__", ""))
        for row in found.labels.rows()
    }
    expected = {
        "room_temperature_celsius": ("gauge", "celsius"),
        "load_ratio": ("gauge", ""),
        "speed_meters_per_second": ("gauge", "meters_per_second"),
        "http_requests_total": ("counter", ""),
        "latency_time_milliseconds_total": ("counter", "milliseconds"),
        "queue_size": ("gauge", ""),
        "sum_mary_microseconds_sum": ("summary", "microseconds"),
        "target_info": ("", ""),
    }
    assert {name: got[name] for name in expected} == expected
    buckets = {kinds for name, kinds in got.items() if name.endswith("_bucket")}
    assert {kind for kind, _ in buckets} == {"histogram"}


@pytest.mark.parametrize(("delta", "kind"), [(ADDED_UP, "counter"), (AS_THEY_ARE, "")])
def test_differences_that_are_stored_have_no_type(delta: int, kind: str) -> None:
    point = {"timeUnixNano": f"{T_MS}000000", "asDouble": 1.0}
    metric = sum_("a", "By", point, temporality=1)
    body = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]}
    [row] = read(body, delta=delta, typed=True).labels.rows()
    assert row.get("__type__", "") == kind
    assert row["__unit__"] == "bytes"


@pytest.mark.parametrize("written", ["''", ""])
def test_no_strategy_is_the_default_one(written: str) -> None:
    names = [
        sorted(row["__name__"] for row in read(everything(T_MS), options).labels.rows())
        for options in (f"translation_strategy: {written}", "")
    ]
    assert names[0] == names[1]

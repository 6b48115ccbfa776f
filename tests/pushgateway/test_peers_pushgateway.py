"""The same requests to the real Pushgateway and to ours: statuses, and what is exposed then."""

from __future__ import annotations

import base64
import gzip
import json
import math
import time
from pathlib import Path

import cramjam
import pytest
from gateways import Got, Running, ours, theirs

from promlab.exporters import protobuf, protobuf_reader
from promlab.exporters.families import Family, Native, counter
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.peers

GZIP, SNAPPY = {"Content-Encoding": "gzip"}, {"Content-Encoding": "snappy"}
PROTOBUF = {
    "Content-Type": "application/vnd.google.protobuf; "
    "proto=io.prometheus.client.MetricFamily; encoding=delimited"
}
HISTOGRAM = """\
# HELP hh one
# TYPE hh histogram
hh_bucket{le="1"} 2
hh_bucket{le="+Inf"} 3
hh_sum 4
hh_count 3
# TYPE ss summary
ss{quantile="0.5"} 2
ss_sum 3
ss_count 4
"""


def b64(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()


def native_body() -> bytes:
    family = Family("nat", "histogram", "Native.")
    family.natives[()] = Native(6, 10.5, 2, 0.001, 1, {-1: 2, 0: 1, 7: 1}, {3: 1})
    requests = counter("made_total", "Made.")
    requests.add(2, {"a": "b"})
    return protobuf.render([family, requests])


REQUESTS: list[tuple[str, str, bytes | str, dict[str, str]]] = [
    ("PUT", "/metrics/job/a", '# TYPE x counter\n# HELP x hh\nx{l="v"} 3\n', {}),
    ("POST", "/metrics/job/a/inst/b", "x 3\n", {}),
    ("PUT", "/metrics/job/a/inst/c", "# TYPE x gauge\nx 3\n", {}),
    ("PUT", "/metrics/job/d", "y 3", {}),
    ("PUT", "/metrics/job/d", "y 3\r\n", {}),
    ("PUT", "/metrics/job/d", "", {}),
    ("POST", "/metrics/job/d", "", {}),
    ("PUT", "/metrics/job/", "y 3\n", {}),
    ("PUT", "/metrics/job", "y 3\n", {}),
    ("PUT", "/metrics/", "y 3\n", {}),
    ("GET", "/metrics/", "", {}),
    ("PUT", "/metrics", "y 3\n", {}),
    ("PUT", "/metrics/job//a/b", "y 3\n", {}),
    ("PUT", "/metrics//job/a", "y 3\n", {}),
    ("PUT", "/metrics/./job/a", "y 3\n", {}),
    ("PUT", "/metrics/job/a/..", "y 3\n", {}),
    ("PUT", "/metrics/job/a/", "y 3\n", {}),
    ("PUT", "/metrics/job/a/b", "y 3\n", {}),
    ("PUT", "/metrics/job/a/b/", "y 3\n", {}),
    ("PUT", "/metrics/job/a/b/c/", "y 3\n", {}),
    ("DELETE", "/metrics/job/a/b/", "", {}),
    ("PUT", "/metrics/job@base64/", "y 3\n", {}),
    ("PUT", "/metrics/job@base64/=", "y 3\n", {}),
    ("PUT", f"/metrics/job@base64/{b64('a/b')}", "y 3\n", {}),
    ("PUT", f"/metrics/job@base64/{b64('ä?>')}", "y 3\n", {}),
    ("PUT", "/metrics/job@base64/YWFhY", "y 3\n", {}),
    ("PUT", "/metrics/job@base64/!!", "y 3\n", {}),
    ("PUT", "/metrics/job/a/l@base64/!!", "y 3\n", {}),
    ("PUT", "/metrics/job/a/l@base64/=", "y 3\n", {}),
    ("PUT", "/metrics/job/a/l@base64/" + b64("é/").rstrip("="), "y 3\n", {}),
    ("PUT", "/metrics/job/a/y-z/b", "y 3\n", {}),
    ("PUT", "/metrics/job/a/__x/b", "y 3\n", {}),
    ("PUT", "/metrics/job/a/job/b", "y 4\n", {}),
    ("PUT", "/metrics/job/a/l/1/l/2", "y 3\n", {}),
    ("PUT", "/metrics/job/a/@base64/xx", "y 3\n", {}),
    ("PUT", "/metrics/job/a%2Fb/c/d", "y 3\n", {}),
    ("PUT", "/metrics/job/a%20b", "y 3\n", {}),
    ("PUT", "/metrics/job/ts", "y 3 1000\n", {}),
    ("PUT", "/metrics/job/clash", "process_start_time_seconds 3\n", {}),
    ("PUT", "/metrics/job/clash2", "pushgateway_build_info 3\n", {}),
    ("PUT", "/metrics/job/same", "# TYPE process_max_fds gauge\nprocess_max_fds 3\n", {}),
    ("PUT", "/metrics/job/dup", "z 3\nz 4\n", {}),
    ("PUT", "/metrics/job/dup2", 'z{job="x"} 3\nz{job="y"} 4\n', {}),
    ("PUT", "/metrics/job/badlabel", 'z{__a="b"} 1\n', {}),
    ("PUT", "/metrics/job/pt", "push_time_seconds 1\n", {}),
    (
        "PUT",
        "/metrics/job/pt2",
        '# TYPE push_time_seconds counter\npush_time_seconds{a="b"} 1\n',
        {},
    ),
    ("PUT", "/metrics/job/gz", gzip.compress(b"g 1\n"), GZIP),
    ("PUT", "/metrics/job/gz", b"g 1\n", GZIP),
    ("PUT", "/metrics/job/gz", gzip.compress(b"g 1\n")[:-3], GZIP),
    ("PUT", "/metrics/job/gz", b"g 2\n", {"Content-Encoding": "deflate"}),
    ("PUT", "/metrics/job/sn", bytes(cramjam.snappy.compress(b"sn 1\n")), SNAPPY),
    ("PUT", "/metrics/job/sn", b"sn 1\n", SNAPPY),
    ("PUT", "/metrics/job/ct", "g 1\n", {"Content-Type": "application/json"}),
    ("PUT", "/metrics/job/pb", b"\xff\xff", PROTOBUF),
    ("PUT", "/metrics/job/pb", native_body(), PROTOBUF),
    ("PUT", "/metrics/job/pb2", native_body()[:-4], PROTOBUF),
    ("PUT", "/metrics/job/utf8", '{"a.b"} 1\n', {}),
    ("PUT", "/metrics/job/utf8/U__a_2e_b/c", "z 1\n", {}),
    ("DELETE", "/metrics/job/nope", "", {}),
    ("DELETE", "/metrics/job/a/y-z/q", "", {}),
    ("GET", "/metrics/job/a", "", {}),
    ("HEAD", "/metrics/job/a", "", {}),
    ("PATCH", "/metrics/job/a", "", {}),
    ("OPTIONS", "/metrics/job/a", "", {}),
    ("POST", "/metrics", "", {}),
    ("HEAD", "/-/healthy", "", {}),
    ("GET", "/-/healthy", "", {}),
    ("POST", "/-/ready", "", {}),
    ("GET", "/-/quit", "", {}),
    ("PUT", "/-/quit", "", {}),
    ("GET", "/nothing", "", {}),
    ("OPTIONS", "/api/v1/status", "", {}),
    ("POST", "/api/v1/metrics", "", {}),
    ("GET", "/api/v1/nope", "", {}),
    ("PUT", "/metrics/job/h", HISTOGRAM, {}),
    ("PUT", "/metrics/job/h2", "# HELP hh two\n# TYPE hh histogram\nhh_count 3\n", {}),
    ("PUT", "/metrics/job/c1", "hh_count 3\n", {}),
    ("PUT", "/metrics/job/c1", "hh_bucket 3\n", {}),
    ("PUT", "/metrics/job/c2", "ss_sum 3\n", {}),
    ("PUT", "/metrics/job/c2", "ss_bucket 3\n", {}),
    ("PUT", "/metrics/job/c3", "q_count 3\n", {}),
    ("PUT", "/metrics/job/c4", "# TYPE q summary\nq_sum 3\nq_count 1\n", {}),
    ("PUT", "/metrics/job/c5", "# TYPE q2 histogram\nq2_sum 3\nq2_count 1\nq2_bucket 4\n", {}),
    ("PUT", "/metrics/job/k", '# TYPE k histogram\nk_bucket{le="1"} 1.5\nk_count 2.7\n', {}),
    ("PUT", "/metrics/job/i", 'z{inst="b"} 1\n', {}),
    ("PUT", "/metrics/job/i/inst/b", "z 1\n", {}),
    ("PUT", "/metrics/job/w", '# TYPE w counter\nw{a="1"} 1\nw{a="2"} 2.5e10\nw{a="3"} NaN\n', {}),
    ("POST", "/metrics/job/w", "more -Inf\n", {}),
    ("PUT", "/metrics/job/w2", "more 1\nother 2\n", {}),
    ("POST", "/metrics/job/w2", "more 5\n", {}),
    ("PUT", "/metrics/job/w3", "gone 1\n", {}),
    ("DELETE", "/metrics/job/w3", "", {}),
]
BODIES = [
    'z{"l.x"="b"} 1\n',
    '{"z.z"} 1\n',
    '{"z"} 1\n',
    '# HELP "z" a \\" b\n{"z",a="b"} 1\n',
    '# TYPE "z.y" gauge\n{"z.y","a.b"="b"} 1\n',
    '"z" 1\n',
    '"z"{a="b"} 1\n',
    '{"z","y"} 1\n',
    '{a="b","z"} 1\n',
    'z{"y"} 1\n',
    '{""} 1\n',
    'z{""="b"} 1\n',
    'z{l="b",l="c"} 1\n', 'z{l="\\q"} 1\n', 'z{l="b"\n} 1\n', 'z{l="b" m="c"} 1\n', 'z{l="b",} 1\n',
    "z{,} 1\n", "z{} 1\n", "z 0x10\n", "z 1_0\n", "z inf\n", "z Infinity\n", "z 1e400\n",
    "z 1 2 3\n", "z 1 2.5\n", "z\n", "# TYPE z gauge\n# TYPE z gauge\nz 1\n",
    "z 1\n# TYPE z gauge\n", "# HELP z a\n# HELP z b\nz 1\n", "z 1\n# HELP z gauge\n",
    "# TYPE z foo\nz 1\n", "# TYPE z\nz 1\n", "# TYPE z GAUGE\nz 1\n", "# HELP z\nz 1\n",
    "# HELP z \\q\nz 1\n", "# TYPE 1z gauge\nz 1\n", "  z   1\n\n\t\n# comment\n#\n", "z 1 \n",
    'z{l="b"}\n', "z{l=b} 1\n", "1z 1\n", 'a 1\nb 2\na{l="x"} 3\n',
    '# TYPE k histogram\nk_bucket{le="x"} 1\n', "# HELP z a\\\\b\\nc\nz 1\n",
    '# TYPE k histogram\nk_bucket{le="1"} -1\n', "# TYPE k histogram\nk_bucket 1\nk 5\n",
    '# TYPE k summary\nk{quantile="x"} 1\n', 'z{ l = "b" , m="c" } 1\n', "z\t1\n", 'z{"l"="b"} 1\n',
    'z{l="b"} +5\n', "z .5\n", "z 5.\n", "z 1e\n", "z:a 1\n", ':z{l="\\n\\"\\\\"} 1\n', "é 1\n",
    "# TYPE z gauge \nz 1\n", "#TYPE z gauge\nz 1\n", "# EOF\n", "z 1 # {} 1\n",
    '{l="b"} 1\n',
]  # fmt: skip


def own(series: str) -> bool:
    return series.startswith(("pushgateway_", "go_", "process_", "python_", "promhttp_"))


def pushed(running: Running) -> dict[str, float]:
    return {series: value for series, value in running.metrics().items() if not own(series)}


def same(ours_: Running, theirs_: Running) -> None:
    got, wanted = pushed(ours_), pushed(theirs_)
    # The real one says that it deletes before it does.
    for _ in range(200):
        if got.keys() == wanted.keys():
            break
        time.sleep(0.05)
        wanted = pushed(theirs_)
    assert got.keys() == wanted.keys()
    for series, value in wanted.items():
        is_time = series.startswith(("push_time_seconds", "push_failure_time_seconds"))
        if is_time:
            assert (got[series] == 0) == (value == 0), series
            assert got[series] == pytest.approx(value, abs=3600)
        else:
            assert got[series] == value or (math.isnan(value) and math.isnan(got[series])), series


def answers(running: Running, table: list[tuple[str, str, bytes | str, dict[str, str]]]) -> list:
    found = []
    for method, path, body, headers in table:
        got = running.ask(method, path, body, headers)
        moved = got.headers.get("Location") or got.headers.get("location")
        found.append((method, path, body, got.status, moved))
    return found


@pytest.mark.parametrize("flags", [(), ("--push.enable-utf8-names",)])
def test_the_same_requests_have_the_same_effect(peers: Path, flags: tuple[str, ...]) -> None:
    with ours(*flags) as left, theirs(peers, *flags) as right:
        got, wanted = answers(left, REQUESTS), answers(right, REQUESTS)
        assert got == wanted
        same(left, right)
        mine, real = (json.loads(r.ask("GET", "/api/v1/metrics").body) for r in (left, right))
        assert plain(mine) == plain(real)


def plain(answer: dict) -> dict:
    """An answer of the API in an order of its own, without times."""
    groups = {}
    for group in answer["data"]:
        key = json.dumps(group["labels"], sort_keys=True)
        for name, family in group.items():
            if name.startswith("push_"):
                for metric in family["metrics"]:
                    metric["value"] = metric["value"] != "0"
            if isinstance(family, dict) and "time_stamp" in family:
                assert family.pop("time_stamp").endswith("Z")
                for metric in family["metrics"]:
                    _plain_buckets(metric)
                family["metrics"].sort(key=lambda metric: json.dumps(metric, sort_keys=True))
        groups[key] = group
    return groups


@pytest.mark.parametrize("flags", [(), ("--push.enable-utf8-names",)])
def test_the_same_bodies_are_taken(peers: Path, flags: tuple[str, ...]) -> None:
    table = [("PUT", f"/metrics/job/b{i % 2}", body, {}) for i, body in enumerate(BODIES)]
    with ours(*flags) as left, theirs(peers, *flags) as right:
        for request in table:
            got, wanted = answers(left, [request]), answers(right, [request])
            assert got == wanted
            same(left, right)


def _plain_buckets(metric: dict) -> None:
    """Buckets as numbers; the one that says no more than the count is left out."""
    buckets = metric.get("buckets")
    if isinstance(buckets, dict):
        buckets.pop("+Inf", None)
    elif buckets is not None:
        metric["buckets"] = [[f"{float(number):.12g}" for number in row] for row in buckets]


def test_unchecked_pushes(peers: Path) -> None:
    flag = "--push.disable-consistency-check"
    table = [
        ("PUT", "/metrics/job/a", "x 3\n", {}),
        ("PUT", "/metrics/job/b", "# TYPE x gauge\nx 3\n", {}),
        ("PUT", "/metrics/job/c", "x 1\nx 2\n", {}),
        ("DELETE", "/metrics/job/b", "", {}),
    ]
    with ours(flag) as left, theirs(peers, flag) as right:
        assert answers(left, table) == answers(right, table)


def test_scrapes_in_protobuf(peers: Path) -> None:
    accept = {"Accept": PROTOBUF["Content-Type"].replace(" ", "")}

    def scraped(running: Running) -> tuple[Got, dict[str, Family]]:
        assert running.ask("PUT", "/metrics/job/pb", native_body(), PROTOBUF).status == 200
        got = running.ask("GET", "/metrics", headers=accept)
        return got, {family.name: family for family in protobuf_reader.read(got.body).families}

    with ours() as left, theirs(peers) as right:
        (got, mine), (_, real) = scraped(left), scraped(right)
    assert got.headers["content-type"].startswith(PROTOBUF["Content-Type"])
    assert mine["nat"].natives == real["nat"].natives
    assert mine["made_total"].samples == real["made_total"].samples


def test_prefixes_and_switches(peers: Path) -> None:
    flags = ["--web.route-prefix=/gate", "--web.enable-admin-api", "--web.enable-lifecycle",
             "--web.telemetry-path=/m"]  # fmt: skip
    table = [
        ("PUT", "/gate/metrics/job/a", "x 3\n", {}),
        ("PUT", "/metrics/job/a", "x 3\n", {}),
        ("PUT", "/gate/metrics/job//a", "x 3\n", {}),
        ("GET", "/gate/m", "", {}),
        ("GET", "/gate/metrics", "", {}),
        ("GET", "/gate/-/healthy", "", {}),
        ("POST", "/gate/api/v1/admin/wipe", "", {}),
        ("PUT", "/gate/api/v1/admin/wipe", "", {}),
        ("GET", "/gate/api/v1/metrics", "", {}),
        ("GET", "/gate/-/quit", "", {}),
        ("PUT", "/gate/-/quit", "", {}),
    ]
    with ours(*flags) as left, theirs(peers, *flags) as right:
        assert answers(left, table) == answers(right, table)
        assert left.process.wait(PATIENCE_S) == right.process.wait(PATIENCE_S) == 0

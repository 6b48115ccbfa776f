"""Remote write and remote read between promlab and the real Prometheus."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from promlab.model.matchers import Matcher, MatchType
from promlab.model.storage import SelectHints
from promlab.remote.read import SAMPLES, STREAMED
from promlab.remote.read_answers import REQUEST_HEADERS, read_request
from tests.real_programs import prometheus, value
from tests.server.running import Target, running, until

pytestmark = [pytest.mark.peers, pytest.mark.slow]
HISTOGRAM = """# TYPE h histogram
h_bucket{le="1"} 2
h_bucket{le="+Inf"} 5
h_count 5
h_sum 7.5
# TYPE things_total counter
things_total{kind="a"} 3
"""


def test_promlab_writes_to_prometheus(peers: Path, tmp_path: Path) -> None:
    target = Target()
    target.lines = HISTOGRAM
    flags = ("--web.enable-remote-write-receiver", "--enable-feature=native-histograms")
    both = "prometheus.WriteRequest", "io.prometheus.write.v2.Request"
    flags += tuple(f"--web.remote-write-receiver.accepted-protobuf-messages={m}" for m in both)
    with prometheus(peers, tmp_path / "real", "{}", *flags) as client:
        url = f"{str(client.base_url).rstrip(chr(47))}/api/v1/write"
        endpoints = "".join(
            f"- url: {url}\n  name: v{i + 1}\n  protobuf_message: {message}\n"
            "  send_native_histograms: true\n"
            "  queue_config: {batch_send_deadline: 1s}\n"
            f"  write_relabel_configs: [{{target_label: by, replacement: v{i + 1}}}]\n"
            for i, message in enumerate(both)
        )
        (tmp_path / "p.yml").write_text(
            "global: {scrape_interval: 1s, scrape_timeout: 1s,"
            " external_labels: {site: lab}}\n"
            "scrape_configs:\n- job_name: t\n  convert_classic_histograms_to_nhcb: true\n"
            f"  static_configs: [{{targets: ['{target.address}']}}]\n"
            f"remote_write:\n{endpoints}"
        )
        with running(tmp_path) as server:
            for by in ("v1", "v2"):
                wanted = f'{{by="{by}",site="lab",job="t"}}'
                until(lambda w=wanted: value(client, f"things_total{w}") == "3", f"{by}: a sample")
                until(lambda w=wanted: value(client, f"histogram_count(h{w})") == "5", "histogram")
                for query in (f"histogram_sum(h{wanted}) == 7.5",
                              f"histogram_fraction(0, 1, h{wanted}) == 0.4"):  # fmt: skip
                    until(lambda q=query: value(client, q), query)
            metrics = server.client.get("/metrics").text
            for line in metrics.splitlines():
                if line.startswith("prometheus_remote_storage_samples_failed_total"):
                    assert line.endswith(" 0")
            assert 'prometheus_remote_storage_samples_total{remote_name="v2"' in metrics
            # Every sample of up arrives, once.
            until(lambda: server.value("count_over_time(up{job='t'}[1m])") >= 5, "more samples")
            now_s = time.time()
            until(lambda: server.value(f"timestamp(up{{job='t'}}) > {now_s}"), "the next one")
            mine = server.value(f"count_over_time(up{{job='t'}}[1m] @ {now_s:.3f})")
            for by in ("v1", "v2"):
                query = f"count_over_time(up{{job='t',by='{by}'}}[1m] @ {now_s:.3f})"
                until(lambda q=query: value(client, q) == f"{mine:g}", f"{by}: as many")
    target.close()


def test_exemplars_reach_prometheus(peers: Path, tmp_path: Path) -> None:
    target = Target()
    target.content_type = "application/openmetrics-text; version=1.0.0"
    lines = '# TYPE things counter\nthings_total 3 # {{trace_id="abc"}} {}\n# EOF\n'
    target.lines = lines.format(0.5)
    messages = "prometheus.WriteRequest", "io.prometheus.write.v2.Request"
    accepted = [f"--web.remote-write-receiver.accepted-protobuf-messages={m}" for m in messages]
    flags = "--web.enable-remote-write-receiver", "--enable-feature=exemplar-storage", *accepted
    with prometheus(peers, tmp_path / "real", "{}", *flags) as client:
        url = f"{str(client.base_url).rstrip(chr(47))}/api/v1/write"
        endpoints = "".join(
            f"- url: {url}\n  name: v{i + 1}\n  protobuf_message: {message}\n"
            "  send_exemplars: true\n  round_robin_dns: true\n"
            "  queue_config: {batch_send_deadline: 1s}\n"
            f"  write_relabel_configs: [{{target_label: by, replacement: v{i + 1}}}]\n"
            for i, message in enumerate(messages)
        )
        (tmp_path / "p.yml").write_text(
            "global: {scrape_interval: 200ms, scrape_timeout: 200ms}\n"
            "scrape_configs:\n- job_name: t\n"
            f"  static_configs: [{{targets: ['{target.address}']}}]\n"
            f"remote_write:\n{endpoints}"
        )
        with running(tmp_path, "--enable-feature=exemplar-storage") as server:

            def told(by: str) -> list[dict[str, object]]:
                # Only those are sent that come after the sender has started.
                target.lines = lines.format(0.5 + target.scrapes)
                now = time.time()
                asked = {"query": f"things_total{{by='{by}'}}", "start": now - 600, "end": now}
                answer = client.get("/api/v1/query_exemplars", params=asked).json()
                return [each for found in answer["data"] for each in found["exemplars"]]

            for by in ("v1", "v2"):
                found = until(lambda b=by: told(b), f"{by}: an exemplar")
                assert found[0]["labels"] == {"trace_id": "abc"}
                assert str(found[0]["value"]).endswith(".5")
            sent = 'prometheus_remote_storage_exemplars_total{remote_name="v1"'
            assert sent in server.client.get("/metrics").text
    target.close()


def test_prometheus_reads_from_promlab(peers: Path, tmp_path: Path) -> None:
    target = Target()
    target.lines = HISTOGRAM
    (tmp_path / "p.yml").write_text(
        "global: {scrape_interval: 50ms, scrape_timeout: 50ms, external_labels: {site: lab}}\n"
        "scrape_configs:\n"
        + "".join(
            f"- job_name: {job}\n  convert_classic_histograms_to_nhcb: {convert}\n"
            f"  static_configs: [{{targets: ['{target.address}']}}]\n"
            for job, convert in (("floats", "false"), ("histograms", "true"))
        )
    )
    with running(tmp_path) as server:
        # More than one chunk of them.
        until(lambda: server.value("min(count_over_time(things_total[5m])) > 130"), "samples")
        config = f"remote_read: [{{url: '{server.url}/api/v1/read', read_recent: true}}]\n"
        with prometheus(peers, tmp_path / "real", config) as client:
            at_s = time.time() - 1
            for job in ("floats", "histograms"):
                for query in (
                    f"count_over_time(things_total{{job='{job}'}}[5m] @ {at_s:.3f})",
                    f"sum(max_over_time(scrape_samples_scraped{{job='{job}'}}[5m] @ {at_s:.3f}))",
                    f"sum(rate(scrape_duration_seconds{{job='{job}'}}[5m] @ {at_s:.3f}))",
                    f"count(last_over_time({{job='{job}',__name__!='h'}}[5m] @ {at_s:.3f}))",
                    f"histogram_sum(last_over_time(h{{job='{job}'}}[5m] @ {at_s:.3f}))",
                ):
                    mine = server.value(query)
                    other = value(client, query)
                    assert (other is None) == (mine is None), query
                    assert mine is not None or (job, query[:9]) == ("floats", "histogram"), query
                    if other is not None:
                        assert float(other) == pytest.approx(mine, rel=1e-12), query
            fresh = "sum(things_total{{site='{}'}})"
            until(lambda: value(client, fresh.format("lab")) == "6", "fresh samples")
            assert value(client, fresh.format("other")) is None
    target.close()


def test_promlab_reads_from_prometheus_and_from_promlab(peers: Path, tmp_path: Path) -> None:
    """What others have is answered as if it was here: floats and histograms, both forms."""
    target = Target()
    target.lines = HISTOGRAM
    scraping = (
        "global: {{scrape_interval: 50ms, scrape_timeout: 50ms,"
        " external_labels: {{site: {0}}}}}\n"
        "scrape_configs:\n- job_name: {0}\n  convert_classic_histograms_to_nhcb: true\n"
        f"  static_configs: [{{{{targets: ['{target.address}']}}}}]\n"
    )
    native = "--enable-feature=native-histograms"
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "p.yml").write_text(scraping.format("ours"))
    with (
        prometheus(peers, tmp_path / "real", scraping.format("real"), native) as real,
        running(tmp_path / "other") as ours,
    ):
        wait = "count_over_time(things_total[1m]) > 130"
        until(lambda: value(real, wait), "samples there")
        until(lambda: ours.value(wait), "samples at ours")
        ends = str(real.base_url).rstrip("/"), ours.url
        reading = "".join(
            f"- {{url: '{end}/api/v1/read', read_recent: true, name: e{i}}}\n"
            for i, end in enumerate(ends)
        )
        (tmp_path / "p.yml").write_text(
            f"remote_read:\n{reading}- {{url: 'http://127.0.0.1:1/', read_recent: true}}\n"
        )
        with running(tmp_path) as server:
            until(lambda: server.value("things_total{job='real'}") == 3, "the first answer")
            at_s = time.time() - 1
            for job, ask in (("real", lambda q: value(real, q)), ("ours", ours.value)):
                for query in (
                    f"count_over_time(things_total{{job='{job}'}}[5m] @ {at_s:.3f})",
                    f"sum(max_over_time(scrape_samples_scraped{{job='{job}'}}[5m] @ {at_s:.3f}))",
                    f"sum(rate(scrape_duration_seconds{{job='{job}'}}[5m] @ {at_s:.3f}))",
                    f"count({{job='{job}',__name__!='h'}} @ {at_s:.3f})",
                    f"histogram_sum(h{{job='{job}'}} @ {at_s:.3f})",
                ):
                    there, mine = ask(query), server.value(query)
                    assert there is not None, query
                    assert mine == pytest.approx(float(there), rel=1e-12), query
            answer = server.client.get("/api/v1/query", params={"query": "things_total"}).json()
            assert {each["metric"]["site"] for each in answer["data"]["result"]} == {"real", "ours"}
            assert answer["warnings"] == [
                'remote_read: error sending request: Post "http://127.0.0.1:1/": '
                "dial tcp 127.0.0.1:1: connect: connection refused"
            ]
            found = server.client.get("/api/v1/series", params={"match[]": "things_total"}).json()
            assert {each["site"] for each in found["data"]} == {"real", "ours"}
            metrics = server.client.get("/metrics").text
            counted = 'prometheus_remote_read_client_queries_total{remote_name="e0",'
            assert counted in metrics
    target.close()


def test_the_sample_limit_is_for_what_is_not_streamed(peers: Path, tmp_path: Path) -> None:
    target, flag = Target(), "--storage.remote.read-sample-limit=2"
    config = "global: {scrape_interval: 200ms}\nscrape_configs:\n- job_name: t\n"
    config += f"  static_configs: [{{targets: ['{target.address}']}}]\n"
    (tmp_path / "p.yml").write_text(config)
    up = [Matcher("__name__", MatchType.EQUAL, "up")]
    many = "count_over_time(up[5m]) > 2"
    with (
        running(tmp_path, flag) as server,
        prometheus(peers, tmp_path / "real", config, flag) as real,
    ):
        until(lambda: server.value(many) and value(real, many), "samples")
        for form in (SAMPLES, STREAMED):
            body = read_request(up, 0, 10**13, SelectHints(), [form])
            found, wanted = (
                each.post("/api/v1/read", content=body, headers=REQUEST_HEADERS)
                for each in (server.client, real)
            )
            kinds = [each.headers["content-type"] for each in (found, wanted)]
            assert (found.status_code, kinds[0]) == (wanted.status_code, kinds[1])
            assert wanted.status_code == (400 if form == SAMPLES else 200)
            if form == SAMPLES:
                assert found.text == wanted.text == "exceeded sample limit (2)\n"
    target.close()

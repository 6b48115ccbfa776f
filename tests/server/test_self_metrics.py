"""The server's own metrics: the names, types and labels that dashboards and alerts lean on."""

from __future__ import annotations

import re
import socket
import subprocess
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest
from running import running, until, write_config

from tests.real_programs import prometheus

NAMES = re.findall(
    r"\S+",
    """
prometheus_build_info prometheus_ready prometheus_config_last_reload_successful
prometheus_config_last_reload_success_timestamp_seconds prometheus_http_requests_total
prometheus_http_request_duration_seconds prometheus_http_response_size_bytes
prometheus_engine_queries prometheus_engine_queries_concurrent_max
prometheus_engine_query_duration_seconds prometheus_engine_query_samples_total
prometheus_engine_query_samples_read_total prometheus_engine_query_log_enabled
prometheus_engine_query_log_failures_total prometheus_target_scrape_pool_targets
prometheus_target_scrape_pools_total prometheus_target_interval_length_seconds
prometheus_target_sync_length_seconds prometheus_target_sync_failed_total
prometheus_target_metadata_cache_entries prometheus_target_scrapes_exceeded_sample_limit_total
prometheus_target_scrapes_exceeded_body_size_limit_total
prometheus_target_scrapes_sample_duplicate_timestamp_total
prometheus_target_scrapes_sample_out_of_order_total
prometheus_target_scrapes_sample_out_of_bounds_total
prometheus_target_scrape_pool_exceeded_target_limit_total
prometheus_target_scrape_pool_exceeded_label_limits_total prometheus_sd_discovered_targets
prometheus_tsdb_head_series prometheus_tsdb_head_chunks
prometheus_tsdb_head_samples_appended_total prometheus_tsdb_head_series_created_total
prometheus_tsdb_head_min_time prometheus_tsdb_head_max_time prometheus_tsdb_storage_blocks_bytes
prometheus_tsdb_lowest_timestamp_seconds prometheus_tsdb_retention_limit_seconds
prometheus_tsdb_out_of_order_samples_total prometheus_tsdb_too_old_samples_total
prometheus_tsdb_wal_corruptions_total prometheus_tsdb_wal_segment_current
prometheus_tsdb_mmap_chunk_corruptions_total promlab_tsdb_reader_chunks_damaged_total
prometheus_tsdb_wal_fsync_duration_seconds prometheus_tsdb_data_replay_duration_seconds
prometheus_tsdb_clean_start prometheus_rule_evaluations_total
prometheus_rule_evaluation_failures_total prometheus_rule_evaluation_duration_seconds
prometheus_rule_group_duration_seconds prometheus_rule_group_interval_seconds
prometheus_rule_group_last_duration_seconds
prometheus_rule_group_last_evaluation_timestamp_seconds prometheus_rule_group_iterations_total
prometheus_rule_group_iterations_missed_total prometheus_rule_group_rules
prometheus_notifications_sent_total prometheus_notifications_errors_total
prometheus_notifications_dropped_total prometheus_notifications_queue_length
prometheus_notifications_queue_capacity prometheus_notifications_alertmanagers_discovered
prometheus_notifications_latency_seconds prometheus_template_text_expansions_total
prometheus_template_text_expansion_failures_total prometheus_web_federation_errors_total
prometheus_api_notification_active_subscribers process_cpu_seconds_total
process_resident_memory_bytes process_virtual_memory_bytes process_open_fds process_max_fds
process_start_time_seconds process_virtual_memory_max_bytes
process_network_receive_bytes_total process_network_transmit_bytes_total
prometheus_api_notification_updates_sent_total prometheus_api_notification_updates_dropped_total
prometheus_remote_read_handler_queries prometheus_rule_group_last_restore_duration_seconds
prometheus_sd_failed_configs prometheus_sd_file_mtime_seconds
prometheus_sd_dns_lookups_total
prometheus_sd_dns_lookup_failures_total prometheus_sd_http_failures_total
prometheus_sd_kubernetes_events_total prometheus_sd_kubernetes_failures_total
prometheus_treecache_zookeeper_failures_total prometheus_sd_file_scan_duration_seconds
prometheus_tsdb_checkpoint_creations_total prometheus_tsdb_checkpoint_creations_failed_total
prometheus_tsdb_checkpoint_deletions_total prometheus_tsdb_checkpoint_deletions_failed_total
prometheus_tsdb_compactions_skipped_total prometheus_tsdb_head_truncations_total
prometheus_tsdb_mmap_chunk_corruptions_total prometheus_tsdb_wal_writes_failed_total
prometheus_web_federation_warnings_total
promhttp_metric_handler_requests_total promhttp_metric_handler_requests_in_flight
""",
)
# A name is the same, the meaning is too, and here a little more is told.
MORE_LABELS = {"prometheus_build_info"}
# Told apart by the type of a sample there; here all are counted together.
FEWER_LABELS = {
    "prometheus_tsdb_head_samples_appended_total",
    "prometheus_tsdb_out_of_order_samples_total",
    "prometheus_tsdb_too_old_samples_total",
}


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("server")
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        write_config(folder, "127.0.0.1:1")
        config = folder / "p.yml"
        manager = f"127.0.0.1:{nobody.getsockname()[1]}"
        config.write_text(
            config.read_text() + "- job_name: f\n  file_sd_configs: [{files: [sd.json]}]\n"
            "rule_files: [r.yml]\nalerting: {alertmanagers: "
            f"[{{static_configs: [{{targets: ['{manager}']}}]}}]}}\n"
        )
        (folder / "sd.json").write_text("[]")
        (folder / "r.yml").write_text(
            "groups: [{name: g, interval: 100ms, rules: [{alert: A, expr: vector(1), "
            "annotations: {a: '{{ $value }}'}}]}]\n"
        )
        with running(folder, "--alertmanager.drain-notification-queue-on-shutdown") as server:
            server.client.get("/api/v1/query", params={"query": "up"})
            until(lambda: server.value("ALERTS") == 1, "an alert")
            until(lambda: server.value("up") == 0, "a scrape")

            def scraped_twice() -> str:
                found = server.client.get("/metrics").text
                return found if "prometheus_target_interval_length_seconds{" in found else ""

            yield until(scraped_twice, "metrics of two scrapes")


DOCS = Path(__file__).parents[2] / "docs/reference/metrics.md"
# What there is as soon as there are endpoints of remote write and read.
_LATER = "prometheus_remote_storage_", "prometheus_remote_read_"


def _is_told_of(name: str) -> bool:
    """Whether the documentation says why a name of the real one is not there."""
    rows = [line for line in DOCS.read_text().splitlines() if line.startswith("| `")]
    told = [each for row in rows for each in re.findall("`([^`]+)`", row.split("|")[1])]
    return name.startswith(_LATER) or any(fnmatch(name, each) for each in told)


def types(text: str) -> dict[str, str]:
    return dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M))


def labels(text: str, name: str) -> set[str]:
    found = re.findall(rf"^{name}(?:_bucket|_sum|_count)?\{{(.*)\}} ", text, re.M)
    return {key for line in found for key in re.findall(r'(\w+)="', line)}


def test_every_name_is_there(text: str) -> None:
    assert set(NAMES) - set(types(text)) == set()


def test_summaries_have_quantiles(text: str) -> None:
    for name in (
        "prometheus_engine_query_duration_seconds",
        "prometheus_rule_group_duration_seconds",
    ):
        assert 'quantile="0.99"' in "".join(re.findall(rf"^{name}.*$", text, re.M))
    slices = set(re.findall(r'slice="(\w+)"', text))
    assert slices == {"inner_eval", "prepare_time", "queue_time", "result_sort"}


@pytest.mark.peers
def test_the_real_linter_finds_nothing(text: str, peers: Path) -> None:
    done = subprocess.run(
        [peers / "promtool", "check", "metrics"], input=text, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.peers
def test_types_and_labels_are_those_of_the_real_one(text: str, peers: Path, tmp_path: Path) -> None:
    config = (
        "global: {scrape_interval: 1s, evaluation_interval: 1s}\nrule_files: [r.yml]\n"
        "alerting: {alertmanagers: [{static_configs: [{targets: ['127.0.0.1:1']}]}]}\n"
        "scrape_configs: [{job_name: t, static_configs: [{targets: ['127.0.0.1:1']}],"
        " file_sd_configs: [{files: [sd.json]}]}]\n"
    )
    (tmp_path / "sd.json").write_text("[]")
    (tmp_path / "r.yml").write_text("groups: [{name: g, rules: [{alert: A, expr: vector(1)}]}]\n")
    with prometheus(peers, tmp_path, config) as client:

        def answered() -> str:
            found = client.get("/metrics").text
            return found if "prometheus_target_interval_length_seconds{" in found else ""

        theirs = until(answered, "the real one's metrics")
    mine, other = types(text), types(theirs)
    shared = [name for name in NAMES if name in other]
    assert len(shared) > 50
    assert sorted(name for name in set(other) - set(mine) if not _is_told_of(name)) == []
    assert {name: mine[name] for name in shared} == {name: other[name] for name in shared}
    for name in shared:
        own, wanted = labels(text, name), labels(theirs, name)
        if name in FEWER_LABELS:
            assert own <= wanted, name
        elif name in MORE_LABELS:
            assert own >= wanted, name
        elif wanted and own:
            assert own == wanted, name

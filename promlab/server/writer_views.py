"""What the writer tells the reader about scraping and storing, shaped as the API has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from promlab.model.durations import format_duration_ms
from promlab.server.discovery_metrics import Row, discovery_rows
from promlab.server.storage_metrics import agent_metrics, head_metrics
from promlab.server.text_metrics import SHARES, MetricText
from promlab.server.times import rfc3339

if TYPE_CHECKING:
    from promlab.scrape.manager import ScrapeManager
    from promlab.scrape.metrics import ScrapeStats
    from promlab.scrape.status import TargetStatus
    from promlab.server.writer import Writer
    from promlab.tsdb.head import Head


def targets(manager: ScrapeManager) -> dict[str, Any]:
    """Targets as /targets shows them."""
    dropped = [
        {"discoveredLabels": dict(target.discovered_labels), "scrapePool": target.scrape_pool}
        for target in manager.dropped_targets()
    ]
    return {
        "active": [_target(status) for status in manager.targets()],
        "dropped": dropped,
        "dropped_counts": manager.dropped_counts(),
    }


def _target(status: TargetStatus) -> dict[str, Any]:
    return {
        "discoveredLabels": dict(status.discovered_labels),
        "labels": dict(status.labels),
        "scrapePool": status.scrape_pool,
        "scrapeUrl": status.scrape_url,
        "globalUrl": status.global_url,
        "lastError": status.last_error,
        "lastScrape": rfc3339(status.last_scrape_ms / 1000),
        "lastScrapeDuration": status.last_scrape_duration_s,
        "health": status.health,
        "scrapeInterval": format_duration_ms(status.scrape_interval_ms),
        "scrapeTimeout": format_duration_ms(status.scrape_timeout_ms),
    }


def metadata(manager: ScrapeManager, metric: str) -> list[dict[str, Any]]:
    """Of each target: its labels, and name, type, help and unit of its metrics (or of one)."""
    found = []
    for target in manager.metadata():
        known = target.metadata
        metrics = [
            (name, m.type.value, m.help, m.unit)
            for name, m in known.items()
            if metric in ("", name)
        ]
        found.append({"labels": dict(target.labels), "metrics": metrics})
    return found


def head_stats(head: Head) -> dict[str, int]:
    """`headStats` of /status/tsdb."""
    stats = head.stats()
    return {
        "numSeries": stats.series,
        "numLabelPairs": len(head.symbols),
        "chunkCount": stats.chunks,
        "minTime": stats.min_time if stats.min_time is not None else 2**63 - 1,
        "maxTime": stats.max_time if stats.max_time is not None else -(2**63),
    }


def metrics(writer: Writer) -> str:
    """The writer's part of /metrics."""
    out = MetricText()
    out.gauge(
        "prometheus_config_last_reload_successful",
        "Whether the last reload of the configuration succeeded.",
        int(writer.reload_successful),
    )
    out.gauge(
        "prometheus_config_last_reload_success_timestamp_seconds",
        "When the configuration was last loaded.",
        writer.reloaded_s,
    )
    out.gauge(
        "promlab_tsdb_replay_progress_ratio",
        "How much of the log has been read since the start; 1: the data directory is open.",
        writer.progress.share,
    )
    head, manager = writer.head, writer.manager
    if head is not None:
        of_storage = agent_metrics if writer.settings.agent else head_metrics
        of_storage(out, head, writer.commits.failures)
        name = "prometheus_tsdb_wal_fsync_duration_seconds"
        out.windows(name, "Times of commits to the log.", "", {"": writer.commits.took_s})
    if manager is not None:
        _scrape_metrics(out, manager.stats)
        _metadata_metrics(out, manager)
    return out.text()


def discovery(manager: ScrapeManager | None) -> list[Row]:
    """What service discovery counts."""
    if manager is None:
        return []
    found = manager.stats.discovered_targets
    return discovery_rows(manager.discovery_stats, "scrape", found)


def _metadata_metrics(out: MetricText, manager: ScrapeManager) -> None:
    entries: dict[str, float] = dict.fromkeys(manager.pools, 0)
    for target in manager.metadata():
        entries[target.scrape_pool] += len(target.metadata)
    out.labelled("prometheus_target_metadata_cache_entries", "gauge",
                 "Metrics of which type and help are known.", "scrape_job", entries)  # fmt: skip


def _scrape_metrics(out: MetricText, stats: ScrapeStats) -> None:
    prefix = "prometheus_target_"
    counters: dict[str, tuple[str, float]] = {
        "scrape_pools_total": ("Scrape pools made.", stats.pools),
        "scrape_pools_failed_total": ("Scrape pools that failed.", stats.pools_failed),
        "scrape_pool_reloads_total": ("Reloads of scrape pools.", stats.pool_reloads),
        "scrape_pool_exceeded_target_limit_total": (
            "Times a pool had too many targets.",
            stats.exceeded_target_limit,
        ),
        "scrape_pool_exceeded_label_limits_total": (
            "Times a pool exceeded label limits.",
            stats.exceeded_label_limits,
        ),
        "scrapes_exceeded_sample_limit_total": (
            "Scrapes with too many samples.",
            stats.exceeded_sample_limit,
        ),
        "scrapes_exceeded_body_size_limit_total": (
            "Scrapes with a body too large.",
            stats.exceeded_body_size_limit,
        ),
        "scrapes_sample_duplicate_timestamp_total": (
            "Samples refused: another value at the same time.",
            stats.sample_duplicate,
        ),
        "scrapes_sample_out_of_order_total": (
            "Samples refused: out of order.",
            stats.sample_out_of_order,
        ),
        "scrapes_sample_out_of_bounds_total": (
            "Samples refused: too old or too new.",
            stats.sample_out_of_bounds,
        ),
        "scrapes_exemplar_out_of_order_total": (
            "Exemplars refused: out of order.",
            stats.exemplar_out_of_order,
        ),
        "scrapes_exceeded_native_histogram_bucket_limit_total": (
            "Scrapes with a native histogram of too many buckets.",
            stats.exceeded_bucket_limit,
        ),
    }
    out.counters(prefix, counters)
    own: dict[str, tuple[str, float]] = {
        "scrapes_total": ("Scrapes.", stats.scrapes),
        "scrapes_failed_total": ("Scrapes that failed.", stats.scrapes_failed),
        "scrapes_missed_total": ("Scrapes left out: the one before still ran.",
                                 stats.scrapes_missed),
        "scrapes_cut_to_sample_limit_total": (
            "Scrapes of whose changed lines only as many as allowed are stored.",
            stats.cut_to_sample_limit,
        ),
        "layout_changes_total": ("Scrapes whose lines changed.", stats.layout_changes),
        "commit_failures_total": ("Commits that failed after a scrape.", stats.commit_failures),
    }  # fmt: skip
    out.counters("promlab_target_", own)
    _by_job(out, stats)


def _by_job(out: MetricText, stats: ScrapeStats) -> None:
    prefix = "prometheus_target_"
    out.labelled(prefix + "scrape_pool_targets", "gauge", "Targets of a pool.",
                 "scrape_job", stats.pool_targets)  # fmt: skip
    out.labelled(prefix + "scrape_pool_target_limit", "gauge", "Most targets of a pool.",
                 "scrape_job", stats.pool_target_limit)  # fmt: skip
    out.labelled(prefix + "scrape_pool_sync_total", "counter", "Syncs of a pool.",
                 "scrape_job", stats.pool_syncs)  # fmt: skip
    out.labelled(prefix + "sync_failed_total", "counter", "Targets that can't be scraped.",
                 "scrape_job", stats.sync_failed)  # fmt: skip
    out.windows(prefix + "sync_length_seconds", "Times of syncs of a pool.",
                "scrape_job", stats.sync_s, SHARES)  # fmt: skip
    out.windows(prefix + "interval_length_seconds", "Times between two scrapes.",
                "interval", stats.interval_s, SHARES)  # fmt: skip

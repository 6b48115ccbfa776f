"""Counters of scraping, by the names that /metrics gives them."""

from __future__ import annotations

from dataclasses import dataclass, field

from promlab.model.quantiles import Window
from promlab.scrape.refusals import Refusals


@dataclass(slots=True)
class ScrapeStats:
    """Plain numbers; each field's comment is the metric that it feeds."""

    # prometheus_target_scrape_pools_total
    pools: int = 0
    # prometheus_target_scrape_pools_failed_total
    pools_failed: int = 0
    # prometheus_target_scrape_pool_reloads_total
    pool_reloads: int = 0
    # prometheus_target_scrape_pool_sync_total{scrape_job}
    pool_syncs: dict[str, int] = field(default_factory=dict)
    # prometheus_target_scrape_pool_targets{scrape_job}
    pool_targets: dict[str, int] = field(default_factory=dict)
    # prometheus_target_scrape_pool_target_limit{scrape_job}
    pool_target_limit: dict[str, int] = field(default_factory=dict)
    # prometheus_target_sync_failed_total{scrape_job}
    sync_failed: dict[str, int] = field(default_factory=dict)
    # prometheus_target_sync_length_seconds{scrape_job}
    sync_s: dict[str, Window] = field(default_factory=dict)
    # prometheus_sd_discovered_targets{config,name="scrape"}
    discovered_targets: dict[str, int] = field(default_factory=dict)
    # prometheus_target_scrape_pool_exceeded_target_limit_total
    exceeded_target_limit: int = 0
    # prometheus_target_scrape_pool_exceeded_label_limits_total
    exceeded_label_limits: int = 0
    # prometheus_target_scrapes_exceeded_sample_limit_total
    exceeded_sample_limit: int = 0
    # prometheus_target_scrapes_exceeded_body_size_limit_total
    exceeded_body_size_limit: int = 0
    # prometheus_target_scrapes_sample_duplicate_timestamp_total
    sample_duplicate: int = 0
    # prometheus_target_scrapes_sample_out_of_order_total
    sample_out_of_order: int = 0
    # prometheus_target_scrapes_sample_out_of_bounds_total
    sample_out_of_bounds: int = 0
    # prometheus_target_scrapes_exemplar_out_of_order_total
    exemplar_out_of_order: int = 0
    # prometheus_target_scrapes_exceeded_native_histogram_bucket_limit_total
    exceeded_bucket_limit: int = 0
    # promlab_target_scrapes_cut_to_sample_limit_total: layouts of which only a part is stored
    cut_to_sample_limit: int = 0
    # prometheus_target_interval_length_seconds{interval}
    interval_s: dict[str, Window] = field(default_factory=dict)
    # promlab_target_scrapes_total, ..._failed_total: all scrapes, and those with up 0
    scrapes: int = 0
    scrapes_failed: int = 0
    # promlab_target_scrapes_missed_total: the scrape before still ran when one was due
    scrapes_missed: int = 0
    # promlab_target_layout_changes_total: bodies that were not just new values
    layout_changes: int = 0
    # promlab_target_commit_failures_total
    commit_failures: int = 0
    # in the log: samples that storage did not take
    refusals: Refusals = field(default_factory=Refusals)

    def observe_interval(self, name: str, seconds: float) -> None:
        """Count the time between two scrapes of a target."""
        window = self.interval_s.get(name)
        if window is None:
            window = self.interval_s[name] = Window()
        window.add(seconds)

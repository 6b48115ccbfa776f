"""Scrape configs: what to scrape, how, and what to do with what comes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, ClassVar

from promlab.config import kinds
from promlab.config.discovery_sections import DiscoverySections
from promlab.config.document import At
from promlab.config.global_ import GlobalConfig
from promlab.config.http_client import HttpClientConfig
from promlab.config.limits import DEFAULT_PROTOCOLS, PROTOCOLS, Limits, protocol, protocols
from promlab.config.relabel import RelabelConfig
from promlab.config.section import Section, inline, opt, record, sections


@record
class ScrapeConfig(Section):
    """One job. After `settled` no field is left to `global`."""

    required: ClassVar[tuple[str, ...]] = ("job_name",)
    job_name: str = opt(kinds.string, "", always=True)
    honor_labels: bool = opt(kinds.boolean, False)
    honor_timestamps: bool = opt(kinds.boolean, True, always=True)
    track_timestamps_staleness: bool = opt(kinds.boolean, False, always=True)
    params: Mapping[str, tuple[str, ...]] = opt(kinds.map_of(kinds.string, kinds.strings), {})
    scrape_interval_ms: int = opt(kinds.duration, 0, key="scrape_interval")
    scrape_timeout_ms: int = opt(kinds.duration, 0, key="scrape_timeout")
    scrape_protocols: tuple[str, ...] = opt(protocols, ())
    fallback_scrape_protocol: str = opt(protocol, "")
    metrics_path: str = opt(kinds.string, "/metrics", always=True)
    scheme: str = opt(kinds.string, "http", always=True)
    enable_compression: bool = opt(kinds.boolean, True, always=True)
    native_histogram_bucket_limit: int = opt(kinds.unsigned, 0)
    native_histogram_min_bucket_factor: float = opt(kinds.number, 0.0)
    limits: Limits = inline(Limits)
    http: HttpClientConfig = inline(HttpClientConfig)
    discovery: DiscoverySections = inline(DiscoverySections)
    relabel_configs: tuple[RelabelConfig, ...] = opt(
        sections(RelabelConfig, "empty or null target relabeling rule in scrape config"), ()
    )
    metric_relabel_configs: tuple[RelabelConfig, ...] = opt(
        sections(RelabelConfig, "empty or null metric relabeling rule in scrape config"), ()
    )

    def check(self, at: At) -> None:
        """A job has a name."""
        if not self.job_name:
            at.get("job_name").fail("job_name is empty")

    def settled(self, base: GlobalConfig, at: At) -> ScrapeConfig:
        """The same with what it leaves to `global` filled in. Raises ConfigError."""
        interval_ms = self.scrape_interval_ms or base.scrape_interval_ms
        timeout_ms = self.scrape_timeout_ms or min(base.scrape_timeout_ms, interval_ms)
        if timeout_ms > interval_ms:
            at.get("scrape_timeout").fail(
                "scrape timeout greater than scrape interval "
                f'for scrape config with job name "{self.job_name}"'
            )
        limits = settled_limits(self.limits, base.limits)
        default = PROTOCOLS if limits.scrape_native_histograms else DEFAULT_PROTOCOLS
        if limits.metric_name_validation_scheme == "legacy" and (
            limits.metric_name_escaping_scheme == "allow-utf-8"
        ):
            at.get("metric_name_escaping_scheme").fail(
                "utf8 metric names requested but validation scheme is legacy"
            )
        return replace(
            self,
            scrape_interval_ms=interval_ms,
            scrape_timeout_ms=timeout_ms,
            scrape_protocols=self.scrape_protocols or base.scrape_protocols or default,
            limits=limits,
        )


def settled_limits(own: Limits, base: Limits) -> Limits:
    """Own limits where they are set, those of `base` elsewhere, defaults where neither is."""
    chosen: dict[str, Any] = {}
    for each in fields(Limits):
        value = getattr(own, each.name)
        # False is a choice; 0 and "" are not.
        chosen[each.name] = value if value or value is False else getattr(base, each.name)
    chosen["metric_name_validation_scheme"] = chosen["metric_name_validation_scheme"] or "utf8"
    if not chosen["metric_name_escaping_scheme"]:
        utf8 = chosen["metric_name_validation_scheme"] == "utf8"
        chosen["metric_name_escaping_scheme"] = "allow-utf-8" if utf8 else "underscores"
    if not own.metric_name_escaping_scheme and own.metric_name_validation_scheme == "legacy":
        chosen["metric_name_escaping_scheme"] = "underscores"
    return Limits(**chosen)

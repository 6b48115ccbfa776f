"""Alertmanagers come from any mechanism, as targets do."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from fake_api import serving

from promlab.config import load_text
from promlab.discovery import Discovery, DiscoveryStats, Providers, TargetGroup
from promlab.rules.notifier import Notifier
from promlab.server.discovery_metrics import discovery_metrics, discovery_rows
from promlab.transport.session import HttpClient


async def test_alertmanagers_from_a_server() -> None:
    with serving({"GET /am": [{"targets": ["am1:9093", "am2:9093"]}]}) as api:
        config = load_text(
            "alerting: {alertmanagers: [{path_prefix: /am, http_sd_configs: "
            f"[{{url: '{api.base}/am'}}]}}]}}"
        )
        notifier = Notifier(lambda am: HttpClient(am.http, {}), drain_on_stop=False)
        notifier.apply(config)
        providers, found = Providers(DiscoveryStats()), asyncio.Event()

        def update(groups: Sequence[TargetGroup]) -> None:
            notifier.update_targets(
                0, [labels for group in groups for labels in group.label_sets()]
            )
            found.set()

        section = config.alerting.alertmanagers[0].discovery
        discovery = Discovery(providers.of(section, "config-0"), update, providers.stats)
        discovery.start()
        async with asyncio.timeout(240):
            await found.wait()
        assert sorted(notifier.active_urls) == [
            "http://am1:9093/am/api/v2/alerts",
            "http://am2:9093/am/api/v2/alerts",
        ]
        await discovery.stop()
        await providers.sweep()
        await notifier.stop()
        text = discovery_metrics(
            [
                *discovery_rows(providers.stats, "notify", {"config-0": 2}),
                *discovery_rows(DiscoveryStats(), "scrape", {"a": 1}),
            ]
        ).decode()
        assert text.count("# TYPE prometheus_sd_discovered_targets gauge") == 1
        for line in (
            'prometheus_sd_discovered_targets{config="config-0",name="notify"} 2',
            'prometheus_sd_discovered_targets{config="a",name="scrape"} 1',
            'prometheus_sd_refresh_failures_total{config="config-0",mechanism="http"} 0',
            'prometheus_sd_refresh_duration_seconds_count{config="config-0",mechanism="http"} 1',
        ):
            assert line in text.splitlines()

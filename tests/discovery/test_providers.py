"""Providers: one for all jobs with the same section, kept while anyone listens."""

from __future__ import annotations

from collections.abc import Sequence

from fake_api import serving

from promlab.config import load_text
from promlab.discovery import Discovery, DiscoveryStats, Providers, TargetGroup


async def test_jobs_with_the_same_section_ask_once_and_a_reload_asks_nothing() -> None:
    with serving({"GET /sd": [{"targets": ["a:1"]}]}) as api:
        section = f"http_sd_configs: [{{url: '{api.base}/sd'}}]"
        text = f"scrape_configs: [{{job_name: a, {section}}}, {{job_name: b, {section}}}]"
        stats = DiscoveryStats()
        providers = Providers(stats)
        found: dict[str, list[str]] = {}

        def started(name: str, sections: object) -> Discovery:
            import asyncio

            first = asyncio.Event()

            def update(groups: Sequence[TargetGroup]) -> None:
                found[name] = [labels["__address__"] for g in groups for labels in g.label_sets()]
                first.set()

            made = Discovery(providers.of(sections, name), update, stats)  # type: ignore[arg-type]
            made.first = first  # type: ignore[attr-defined]
            made.start()
            return made

        running = [started(job.job_name, job.discovery) for job in load_text(text).jobs]
        for each in running:
            await each.first.wait()  # type: ignore[attr-defined]
        assert found == {"a": ["a:1"], "b": ["a:1"]}
        assert len(api.seen) == 1

        # The job is set up anew before the old one ends, as a reload does it.
        await running[0].stop()
        found.clear()
        again = started("a", load_text(text).jobs[0].discovery)
        await providers.sweep()
        assert found == {"a": ["a:1"]}
        assert len(api.seen) == 1

        for each in (running[1], again):
            await each.stop()
        await providers.sweep()
        last = started("c", load_text(text).jobs[0].discovery)
        await last.first.wait()  # type: ignore[attr-defined]
        assert len(api.seen) == 2, "a new provider asks again"
        await last.stop()
        await providers.sweep()

"""Reloads: by themselves, one wrong one after the other, and what goes on meanwhile."""

from __future__ import annotations

from pathlib import Path

from running import Target, running, until

JOB = "- job_name: {}\n  static_configs: [{{targets: ['{}']}}]\n"


def test_changed_files_are_taken_over_and_unchanged_jobs_miss_no_scrape(tmp_path: Path) -> None:
    steady, late = Target(), Target()
    head = (
        "global: {scrape_interval: 1s, scrape_timeout: 1s}\n"
        "scrape_config_files: [more.yml]\nscrape_configs:\n"
    )
    config = tmp_path / "p.yml"
    config.write_text(head + JOB.format("steady", steady.address))
    flags = ["--config.auto-reload", "--config.auto-reload-interval=100ms"]
    with running(tmp_path, *flags) as server:
        until(lambda: server.value('up{job="steady"}') == 1, "a sample")
        start = server.value("vector(time())")
        for wrong in ("scrape_configs: {", "global: {scrape_interval: -1s}"):
            config.write_text(wrong)

            def failed() -> bool:
                metrics = server.client.get("/metrics").text
                return "prometheus_config_last_reload_successful 0" in metrics

            until(failed, "a failed reload")
            until(lambda: server.value('up{job="steady"}') == 1, "the steady job")
        # An imported file that changes counts as the configuration itself.
        config.write_text(head + JOB.format("steady", steady.address))
        (tmp_path / "more.yml").write_text("scrape_configs:\n" + JOB.format("late", late.address))
        until(lambda: server.value('up{job="late"}') == 1, "the imported job")
        (tmp_path / "more.yml").write_text("scrape_configs: []\n")
        pools = "/api/v1/scrape_pools"
        gone = {"scrapePools": ["steady"]}
        until(lambda: server.client.get(pools).json()["data"] == gone, "the job's end")
        metrics = server.client.get("/metrics").text
        assert "prometheus_target_scrape_pool_reloads_total 0" in metrics
        # A busy machine may leave out a tick, and counts it; a reload leaves out none.
        missed = float(metrics.split("\npromlab_target_scrapes_missed_total ")[1].split()[0])
        end = server.value("vector(time())")
        assert start is not None
        assert end is not None
        window = f"[{round(end - start) + 1}s] @ {end}"
        scrapes = server.value(f'count_over_time(up{{job="steady"}}{window})')
        assert (scrapes or 0) + missed >= end - start - 2
    steady.close()
    late.close()

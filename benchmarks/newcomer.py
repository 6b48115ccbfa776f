"""A target that comes with a million new series among fifty others: who misses a scrape?

    python -m benchmarks newcomer

Prints, for this server and the real Prometheus: scrapes of the others that failed or were missed,
how long the large scrape took, CPU-seconds meanwhile, and memory after it.
"""

from __future__ import annotations

import http.client
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.tools import PROMLAB, need_load_tools

OTHERS, SERIES, NEW = 50, 1_000, 1_000_000
WATCH_S = 60
_UP = 'up{job="fleet"}[%ds]'
_SCRAPED = 'max_over_time(scrape_duration_seconds{job="big"}[2m])'


def config(small: Any, big: Any | None = None) -> str:
    """The others each second, and the newcomer every half minute once it is there."""
    from fleet import target_ip

    def job(name: str, interval: str, addresses: list[str]) -> str:
        return (
            f"- job_name: {name}\n  scrape_interval: {interval}\n  scrape_timeout: {interval}\n"
            f"  static_configs: [{{targets: [{', '.join(addresses)}]}}]\n"
        )

    text = "scrape_configs:\n"
    text += job("fleet", "1s", [f'"{target_ip(i)}:{small.port}"' for i in range(OTHERS)])
    if big is not None:
        text += job("big", "30s", [f'"{target_ip(0)}:{big.port}"'])
    return text


def lost_in(samples: list[tuple[float, str]], begin: float, end: float) -> int:
    """Scrapes of one target that failed, and those of which there is no trace.

    A sample at the edge of what is looked at may be in or out, as its scrape was early or late.
    """
    failed = sum(value != "1" for _, value in samples)
    times = [begin, *(when for when, _ in samples), end]
    gaps = (later - earlier for earlier, later in pairwise(times))
    return failed + sum(round(gap) - 1 for gap in gaps if gap > 1)


def measure(spec: str, small: Any, big: Any) -> str:
    """One row of the table."""
    from servers import Server

    server = Server(spec, config(small), extra=("--web.enable-lifecycle",))
    try:
        time.sleep(12)  # Prometheus begins after five seconds
        Path(server.config).write_text(config(small, big))
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        connection.request("POST", "/-/reload")
        connection.getresponse().read()
        begin, cpu = time.time(), server.cpu()
        time.sleep(WATCH_S)
        end, cpu = time.time(), server.cpu() - cpu
        memory = server.mem()["pss"] >> 20
        time.sleep(6)
        window = int(end - begin)
        found = server.query(_UP % window, end)
        lost = sum(lost_in(one["values"], end - window, end) for one in found)
        lost += (OTHERS - len(found)) * window
        took, series = server.scalar(_SCRAPED), server.scalar('count({job="big"})')
        return f"| {server.name} | {lost} | {took:.2f} | {cpu:.1f} | {memory} | {series:.0f} |"
    finally:
        server.stop()
        server.clean()


def main() -> None:
    """Print the table."""
    need_load_tools()
    from ingest import Fleet

    small, big = Fleet(OTHERS, SERIES, 60), Fleet(1, NEW, 2)
    try:
        print("| server | others' scrapes lost | longest scrape s | CPU s | PSS MB | series |")
        print("|---|---|---|---|---|---|")
        for spec in (PROMLAB, "prometheus"):
            print(measure(spec, small, big), flush=True)
    finally:
        small.stop()
        big.stop()

"""200 clients that ask all kinds of things while 100,000 samples/s come in.

Beside the real Prometheus under the same load. Each client asks, reads the answer, and thinks
for a second on average, as people and dashboards do. What counts: no missed scrape, no error
but documented limits, and how long the slowest hundredth of the answers took.
$PROMLAB_LOAD_S seconds (60).
"""

from __future__ import annotations

import asyncio
import importlib
import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any
from urllib.request import urlopen

import aiohttp

from benchmarks.tools import PROMLAB, need_load_tools

CLIENTS = 200
TARGETS, SERIES = 100, 1000
WINDOW_S = float(os.environ.get("PROMLAB_LOAD_S", "60"))
WARM_UP_S = 20.0
METRIC = "node_cpu_seconds_total"

# Path, parameters (None: filled from the clock), and how often of each hundred.
MIX: list[tuple[int, str, dict[str, Any]]] = [
    (20, "query", {"query": "sum(up)"}),
    (
        15,
        "query",
        {"query": f'sum by (mode) (rate({METRIC}{{instance="127.0.0.1:{{port}}"}}[1m]))'},
    ),
    (15, "query_range", {"query": f'rate({METRIC}{{mode="idle",cpu="0"}}[1m])'}),
    (10, "query_range", {"query": f'sum by (mode) (rate({METRIC}{{mode="idle"}}[1m]))'}),
    (5, "query", {"query": f'topk(5, rate({METRIC}{{mode="user"}}[1m]))'}),
    (10, "label/__name__/values", {}),
    (5, "labels", {"match[]": "up"}),
    (5, "series", {"match[]": "up"}),
    (5, "targets", {"state": "active"}),
    (5, "rules", {}),
    (5, "status/tsdb", {}),
]


def requests(seed: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """An endless mix, the same for each server."""
    chosen = random.Random(seed)
    weights = [weight for weight, _, _ in MIX]
    while True:
        _, path, given = chosen.choices(MIX, weights)[0]
        parameters = dict(given)
        if path == "query_range":
            now = time.time()
            parameters |= {"start": now - 300, "end": now, "step": 15}
        yield path, parameters


async def one_client(
    session: aiohttp.ClientSession, base: str, seed: int, end: float, took: list[float], bad: Any
) -> None:
    thinking = random.Random(-seed)
    await asyncio.sleep(thinking.random())
    for path, parameters in requests(seed):
        if time.monotonic() >= end:
            return
        started = time.perf_counter()
        try:
            async with session.get(f"{base}/api/v1/{path}", params=parameters) as answer:
                body = await answer.read()
            if answer.status != 200:
                bad[f"{answer.status} {body[:80]!r}"] += 1
        except (aiohttp.ClientError, TimeoutError) as error:
            bad[type(error).__name__] += 1
        took.append(time.perf_counter() - started)
        await asyncio.sleep(thinking.expovariate(1.0))


async def ask_all(port: int) -> tuple[list[float], Any]:
    took, bad = list[float](), Counter[str]()
    timeout = aiohttp.ClientTimeout(total=120)
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), timeout=timeout
    ) as session:
        end = time.monotonic() + WINDOW_S
        base = f"http://127.0.0.1:{port}"
        clients = [one_client(session, base, i, end, took, bad) for i in range(1, CLIENTS + 1)]
        await asyncio.gather(*clients)
    return took, bad


def wait_until_ready(port: int) -> None:
    """Kernels may have to be compiled first."""
    for _ in range(1200):
        try:
            if urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=5).status == 200:
                return
        except OSError:
            pass
        time.sleep(0.25)
    raise SystemExit("the server does not get ready")


def measure(ingest: Any, servers: Any, spec: str) -> tuple[str, float]:
    """A line about one server, and its p99 in seconds."""
    fleet = ingest.Fleet(TARGETS, SERIES, 60)
    server = servers.Server(spec, ingest.config(fleet, TARGETS, 1))
    try:
        wait_until_ready(server.port)
        time.sleep(WARM_UP_S)
        before = fleet.stats()
        took, bad = asyncio.run(ask_all(server.port))
        after = fleet.stats()
        time.sleep(3)
        window = max(1, int(after["time"] - before["time"]) - 1)
        ups = int(server.scalar(f"sum(sum_over_time(up[{window}s]))", after["time"]))
        missed = max(0, TARGETS * window - ups)
        took.sort()
        p50, p99 = took[len(took) // 2], took[len(took) * 99 // 100]
        line = f"{len(took)} requests, p50 {1e3 * p50:.1f} ms, p99 {1e3 * p99:.1f} ms, "
        line += f"{missed} of {TARGETS * window} scrapes missed, errors: {dict(bad) or 'none'}"
        return line, p99
    finally:
        server.stop()
        server.clean()
        fleet.stop()


def main() -> None:
    need_load_tools()
    ingest, servers = importlib.import_module("ingest"), importlib.import_module("servers")
    found = {}
    for spec in ("prometheus", PROMLAB):
        name = spec.partition("=")[0]
        line, found[name] = measure(ingest, servers, spec)
        print(f"{name}: {line}", flush=True)
    print(f"p99, promlab / prometheus: {found['promlab'] / found['prometheus']:.2f}")

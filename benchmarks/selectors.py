"""Bare selectors read from blocks: few series for long, many for a short time.

Both servers take the same samples by remote write, make a snapshot of them, and are started
anew on that: nothing is in their heads, and blocks are joined until no more come. Medians over
HTTP and CPU, of raw samples (an instant query for a range vector) and of a range query at a
step of a minute: asked again and again, and of another series each time, which nobody has read
before.
"""

from __future__ import annotations

import http.client
import importlib
import json
import shlex
import statistics
import sys
import time
import urllib.parse
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.tools import need_load_tools

STEP_S = 15
PER_REQUEST = 40  # samples of a series
# Metric, series, hours.
AGAIN = (("bench_one", 1, 24), ("bench_some", 2_000, 6), ("bench_many", 20_000, 1))
ROUNDS = 7
FIRST, FIRST_HOURS = "bench_first", 24
PANEL = 20  # series of a panel
# Label that is asked for, the first of its values, and how many.
FIRSTS = (("slot", 0, 100), ("panel", 11, 18))
SIZES = (*AGAIN, (FIRST, 1_000, FIRST_HOURS))
QUIET_S = 70.0
FLAGS = (
    "--config.file={config} --web.listen-address=127.0.0.1:{port} --log.level=error "
    "--web.enable-remote-write-receiver --web.enable-admin-api --storage.tsdb.retention.time=90d "
    "--storage.tsdb.path="
)


def main() -> None:
    need_load_tools()
    servers, queries = map(importlib.import_module, ("servers", "queries"))
    programs = {
        "prometheus": shlex.quote(servers.peer("prometheus")),
        "promlab": f"{shlex.quote(sys.executable)} -m promlab serve",
    }
    end = int(time.time()) // 60 * 60
    loaded = [servers.Server(f"{name}={run} {FLAGS}{{data}}") for name, run in programs.items()]
    try:
        load(loaded, queries, end)
        folders = [f"{server.data}/snapshots/{snapshot(server)}" for server in loaded]
        for server in loaded:
            server.stop()
        again = [
            servers.Server(f"{name}={run} {FLAGS}{shlex.quote(folder)}")
            for (name, run), folder in zip(programs.items(), folders, strict=True)
        ]
        try:
            wait_for_compactions(folders)
            for metric, series, hours in AGAIN:
                asked = [metric] * (ROUNDS + 1)
                title = f"{metric}, {series:,} series, {hours} h"
                compare(again, title, asked, asked, hours, end)
            for label, first, count in FIRSTS:
                others = [f'{FIRST}{{{label}="{first + i}"}}' for i in range(2 * count + 2)]
                title = f"another {label} each time, {FIRST_HOURS} h"
                compare(again, title, others[::2], others[1::2], FIRST_HOURS, end)
        finally:
            for server in again:
                server.stop()
                server.clean()
    finally:
        for server in loaded:
            server.stop()
            server.clean()


def load(servers: list[Any], queries: Any, end: int) -> None:
    """Gauges with three digits that change now and then, in the order of their times."""
    dice = np.random.default_rng(3)
    parts = []
    for metric, series, hours in SIZES:
        labels = [
            queries.labels_pb(
                {
                    "__name__": metric,
                    "instance": f"i-{i % 100}",
                    "panel": str(i // PANEL),
                    "slot": str(i),
                }
            )
            for i in range(series)
        ]
        count = hours * 3600 // STEP_S
        walk = np.cumsum(dice.integers(-3, 4, (series, count), dtype=np.int16), axis=1)
        parts.append((labels, 500.0 + walk))
    most = max(values.shape[1] for _, values in parts)
    for first in range(0, most, PER_REQUEST):
        t_s = end - STEP_S * (most - 1 - np.arange(first, min(first + PER_REQUEST, most)))
        for labels, values in parts:
            at = first - (most - values.shape[1])
            if at < 0:
                continue
            for row in range(0, len(labels), 2000):
                some = values[row : row + 2000, at : at + PER_REQUEST]
                body = queries.write_request(labels[row : row + 2000], t_s * 1000, some)
                for server in servers:
                    ask(server, "POST", "/api/v1/write", body)


def snapshot(server: Any) -> str:
    """The name of a folder with all samples in blocks."""
    answer = json.loads(ask(server, "POST", "/api/v1/admin/tsdb/snapshot"))
    name: str = answer["data"]["name"]
    return name


def wait_for_compactions(folders: list[str]) -> None:
    """Until no folder's blocks have changed for a while."""
    before: list[set[str]] = []
    last = started = time.monotonic()
    while time.monotonic() - last < QUIET_S and time.monotonic() - started < 10 * QUIET_S:
        time.sleep(1)
        now = [{path.parent.name for path in Path(f).glob("*/meta.json")} for f in folders]
        if now != before:
            before, last = now, time.monotonic()
    print("blocks:", *map(len, before), flush=True)


def compare(
    servers: list[Any], title: str, raw: list[str], graph: list[str], hours: int, end: int
) -> None:
    """Ask all servers for each selector in turn, print medians and ratios.

    The first selector of a list opens the blocks.
    """
    over = {"start": end - hours * 3600, "end": end, "step": 60}
    for kind, selectors in (("raw", raw), ("graph", graph)):
        took: dict[str, list[float]] = {server.name: [] for server in servers}
        cpu_s = dict.fromkeys(took, 0.0)
        for turn, selector in enumerate(selectors):
            if kind == "raw":
                path, asked = "query", {"query": f"{selector}[{hours}h]", "time": end}
            else:
                path, asked = "query_range", {"query": selector, **over}
            url = f"/api/v1/{path}?{urllib.parse.urlencode(asked)}"
            for server in servers:
                before, started = server.cpu(), time.perf_counter()
                ask(server, "GET", url)
                if turn:
                    took[server.name].append(time.perf_counter() - started)
                    cpu_s[server.name] += server.cpu() - before
        theirs, ours = (statistics.median(took[name]) * 1e3 for name in ("prometheus", "promlab"))
        cpu = cpu_s["promlab"] / max(cpu_s["prometheus"], 1e-9)
        print(
            f"{title + ', ' + kind:38} prometheus {theirs:9.2f} ms  promlab {ours:9.2f} ms  "
            f"ratio {ours / theirs:.2f}  of CPU {cpu:.2f}",
            flush=True,
        )


def ask(server: Any, method: str, path: str, body: bytes | None = None) -> bytes:
    """The body of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=300)
    headers = {"Accept-Encoding": "identity"}
    if body is not None:
        headers |= {"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy"}
        headers["X-Prometheus-Remote-Write-Version"] = "0.1.0"
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    found = answer.read()
    connection.close()
    if answer.status // 100 != 2:
        sys.exit(f"{server.name}: HTTP {answer.status} {found[:300]!r}")
    return found


if __name__ == "__main__":
    main()

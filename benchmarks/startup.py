"""Start-up: import time, time to ready, idle memory of each process, beside Prometheus."""

from __future__ import annotations

import importlib
import statistics
import subprocess
import sys
import time
from typing import Any

from benchmarks.tools import PROMLAB, need_load_tools

STATEMENTS = ("pass", "import promlab", "import promlab.client", "import promlab.magics")


def seconds_to_run(statement: str) -> float:
    """Median wall time of a fresh interpreter that runs one statement."""
    took = []
    for _ in range(7):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", statement], check=True)
        took.append(time.perf_counter() - started)
    return statistics.median(took)


def idle_memory(servers: Any, pid: int) -> list[tuple[str, int, int]]:
    """Command, resident and proportional bytes of each process of a tree."""
    rows = []
    for process in servers.tree(pid):
        with open(f"/proc/{process}/cmdline", "rb") as file:
            command = file.read().replace(b"\0", b" ").decode(errors="replace")
        sizes = {"Rss": 0, "Pss": 0}
        with open(f"/proc/{process}/smaps_rollup") as file:
            for line in file:
                key, _, rest = line.partition(":")
                if key in sizes:
                    sizes[key] = int(rest.split()[0]) * 1024
        rows.append((command[:100], sizes["Rss"], sizes["Pss"]))
    return rows


def main() -> None:
    base = seconds_to_run(STATEMENTS[0])
    for statement in STATEMENTS[1:]:
        print(
            f"{statement}: {seconds_to_run(statement) - base:.3f} s beyond Python's own {base:.3f}"
        )
    need_load_tools()
    servers = importlib.import_module("servers")
    for spec in ("prometheus", PROMLAB):
        ready = []
        for attempt in range(5):
            server = servers.Server(spec)
            ready.append(server.ready_s)
            if attempt == 4:
                time.sleep(5)
                for command, rss, pss in idle_memory(servers, server.pid):
                    print(
                        f"  {rss >> 20:4d} MB resident, {pss >> 20:4d} MB proportional: {command}"
                    )
            server.stop()
            server.clean()
        print(f"{server.name}: ready after {statistics.median(ready):.2f} s (median of 5)")

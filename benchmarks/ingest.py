"""Scraping: CPU, memory, missed scrapes and disk, beside Prometheus in one run."""

from __future__ import annotations

import json
import statistics
import tempfile
from collections import defaultdict
from pathlib import Path

from benchmarks.tools import PROMLAB, run_load_tool

FIGURES = ("cpu_s_per_M", "missed_pct", "pss_mb", "kb_per_series", "disk_bytes_per_sample")


def compare(targets: int, series: int, *, rounds: int = 3, seconds: int = 20) -> None:
    """Alternate the servers on the same fleet and print medians and ratios."""
    with tempfile.TemporaryDirectory() as folder:
        rows_file = Path(folder) / "rows.json"
        run_load_tool(
            "ingest.py",
            f"--servers=prometheus,{PROMLAB}",
            f"--targets={targets}",
            f"--series={series}",
            f"--rounds={rounds}",
            f"--seconds={seconds}",
            "--warm=15",
            f"--json={rows_file}",
        )
        rows = [json.loads(line) for line in rows_file.read_text().splitlines()]
    medians: dict[str, dict[str, float]] = defaultdict(dict)
    for server in ("prometheus", "promlab"):
        for figure in FIGURES:
            found = [row[figure] for row in rows if row["server"] == server]
            medians[server][figure] = statistics.median(found)
    print(f"\n{targets} targets x {series} series, medians of {rounds} rounds")
    print("| figure | Prometheus | promlab | ratio |\n|---|---|---|---|")
    for figure in FIGURES:
        theirs, ours = medians["prometheus"][figure], medians["promlab"][figure]
        ratio = f"{ours / theirs:.2f}" if theirs else "-"
        print(f"| {figure} | {theirs:g} | {ours:g} | {ratio} |", flush=True)


def main() -> None:
    compare(100, 1000)
    compare(40, 10_000)

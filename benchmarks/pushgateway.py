"""A scrape of a gateway with 1,000 groups, and pushing them, beside the real Pushgateway.

Each group has 10 series. Runs are interleaved; latency is the median of what a client sees
over a kept connection, CPU is what the gateway's process used meanwhile.
"""

from __future__ import annotations

import http.client
import re
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from benchmarks.tools import SHARED

GROUPS, ROUNDS, SCRAPES = 1_000, 5, 20
BODY = "".join(f"# TYPE m{i} gauge\nm{i} {i}\n" for i in range(10))


@contextmanager
def gateway(command: list[str]) -> Iterator[tuple[psutil.Process, http.client.HTTPConnection]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with subprocess.Popen(
        [*command, f"--web.listen-address=127.0.0.1:{port}", "--persistence.file="],
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            while True:
                try:
                    ask(connection, "GET", "/-/ready")
                    break
                except OSError:
                    connection.close()
                    time.sleep(0.05)
            yield psutil.Process(process.pid), connection
        finally:
            process.kill()


def ask(connection: http.client.HTTPConnection, method: str, path: str, body: str = "") -> bytes:
    connection.request(method, path, body.encode())
    answer = connection.getresponse()
    found = answer.read()
    assert answer.status == 200, (path, answer.status, found[:200])
    return found


def cpu_s(process: psutil.Process) -> float:
    used = process.cpu_times()
    return float(used.user + used.system)


def main() -> None:
    found = subprocess.run(
        [SHARED / "tools" / "peers"], capture_output=True, text=True, check=True
    ).stdout.split()[-1]
    real = [str(Path(found) / "prometheus-pushgateway")]
    ours = [sys.executable, "-m", "promlab", "pushgateway"]
    with gateway(ours) as first, gateway(real) as second:
        gateways = {"promlab": first, "real": second}
        pushes, scrapes, cpu = {}, {name: [] for name in gateways}, {}
        for name, (process, connection) in gateways.items():
            before, started = cpu_s(process), time.perf_counter()
            for i in range(GROUPS):
                ask(connection, "PUT", f"/metrics/job/load/instance/i{i}", BODY)
            pushes[name] = (time.perf_counter() - started, cpu_s(process) - before)
            cpu[name] = 0.0
        for _ in range(ROUNDS):
            for name, (process, connection) in gateways.items():
                before = cpu_s(process)
                for i in range(SCRAPES):
                    ask(connection, "PUT", f"/metrics/job/load/instance/i{i}", BODY)
                    started = time.perf_counter()
                    body = ask(connection, "GET", "/metrics")
                    scrapes[name].append(time.perf_counter() - started)
                    assert len(re.findall(rb"(?m)^m0\{", body)) == GROUPS
                cpu[name] += cpu_s(process) - before
        print("| gateway | scrape, median | push + scrape, CPU | 1,000 pushes | CPU | memory |")
        print("|---|---|---|---|---|---|")
        for name, (process, _) in gateways.items():
            each = cpu[name] / (ROUNDS * SCRAPES) * 1000
            print(
                f"| {name} | {statistics.median(scrapes[name]) * 1000:.1f} ms | {each:.1f} ms "
                f"| {pushes[name][0]:.2f} s | {pushes[name][1]:.2f} s "
                f"| {process.memory_info().rss / 1e6:.0f} MB |"
            )
        ratio = statistics.median(scrapes["promlab"]) / statistics.median(scrapes["real"])
        print(f"\nA scrape takes {ratio:.2f} times as long as the real one's.")

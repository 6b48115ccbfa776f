"""CPU time of an Alertmanager: 10,000 alerts in 500 groups, received, grouped, first notified.

Runs are interleaved; what is printed is the median of each and their ratio. CPU seconds of the
Alertmanager's process alone, from ready to the last first notification.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import psutil

from benchmarks.tools import SHARED

ALERTS, GROUPS, BATCH, RUNS = 10_000, 500, 256, 3

CONFIG = """
route: {receiver: a, group_by: [group], group_wait: 3s, group_interval: 5m,
  routes: [{receiver: a, matchers: ['severity=~"critical|warning"'], routes: [
    {receiver: a, matchers: ['team=~"team-[0-4]"']}]}]}
inhibit_rules:
- {source_matchers: ['severity="critical"'], target_matchers: ['severity="info"'], equal: [group]}
receivers: [{name: a, webhook_configs: [{url: "http://127.0.0.1:PORT/"}]}]
"""


def alerts() -> list[dict[str, object]]:
    return [
        {
            "labels": {
                "alertname": f"Alert{i % 50}", "group": f"g{i % GROUPS}", "job": "node",
                "instance": f"host-{i}.example.org:9100", "team": f"team-{i % 10}",
                "severity": ("critical", "warning", "info")[i % 3], "cluster": "eu-west-1",
            },
            "annotations": {
                "summary": f"Something is wrong with host-{i}.example.org:9100",
                "description": "A longer text, with some numbers in it: 42 of 43 for 5 minutes.",
            },
            "generatorURL": "http://prometheus.example.org/graph?g0.expr=up+%3D%3D+0&g0.tab=1",
        }
        for i in range(ALERTS)
    ]  # fmt: skip


class Sink:
    """A webhook that counts alerts, on this process's loop."""

    def __init__(self) -> None:
        self.alerts = self.notifications = 0

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    int(line.split(b":")[1])
                    for line in head.split(b"\r\n")
                    if line.lower().startswith(b"content-length:")
                )
                body = await reader.readexactly(length)
                self.notifications += 1
                self.alerts += len(json.loads(body)["alerts"])
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            writer.close()


async def run(command: list[str], folder: Path) -> float:
    sink = Sink()
    server = await asyncio.start_server(sink.handle, "127.0.0.1", 0, backlog=1024)
    port = server.sockets[0].getsockname()[1]
    config = folder / "am.yml"
    config.write_text(CONFIG.replace("PORT", str(port)))
    web = port + 1
    process = subprocess.Popen(  # noqa: ASYNC220  (at once, and before anything is measured)
        [*command, f"--config.file={config}", f"--storage.path={folder}/data",
         f"--web.listen-address=127.0.0.1:{web}", "--cluster.listen-address="],
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        url = f"http://127.0.0.1:{web}"
        while True:
            try:
                await asyncio.to_thread(urllib.request.urlopen, f"{url}/-/ready")
                break
            except OSError:
                await asyncio.sleep(0.05)
        watched = psutil.Process(process.pid)
        before = sum(watched.cpu_times()[:2])
        found = alerts()
        for i in range(0, len(found), BATCH):
            body = json.dumps(found[i : i + BATCH]).encode()
            request = urllib.request.Request(
                f"{url}/api/v2/alerts", body, {"Content-Type": "application/json"}
            )
            await asyncio.to_thread(urllib.request.urlopen, request)
        # Alerts that come while others of their group are under way are in the next flush.
        deadline = time.monotonic() + 60
        while sink.notifications < GROUPS and time.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        used = sum(watched.cpu_times()[:2]) - before
        memory = watched.memory_info().rss / 1e6
        print(f"  {used:.2f} s CPU, {memory:.0f} MB, {sink.notifications} notifications, "
              f"{sink.alerts} alerts", flush=True)  # fmt: skip
        return used
    finally:
        process.terminate()
        process.wait()
        server.close()


def main() -> None:
    commands = {"promlab": [sys.executable, "-m", "promlab", "alertmanager"]}
    peers = SHARED / "tools" / "peers"
    if peers.exists():
        done = subprocess.run([peers], capture_output=True, text=True, check=True)
        folder = Path(done.stdout.strip().splitlines()[-1])
        commands["real"] = [str(folder / "prometheus-alertmanager")]
    used: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(RUNS):
        for name, command in commands.items():
            print(name)
            with tempfile.TemporaryDirectory() as folder_name:
                used[name].append(asyncio.run(run(command, Path(folder_name))))
    for name, seconds in used.items():
        print(f"{name}: median {statistics.median(seconds):.2f} s CPU")
    if "real" in used:
        ratio = statistics.median(used["promlab"]) / statistics.median(used["real"])
        print(f"ratio: {ratio:.2f}")

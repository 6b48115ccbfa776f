"""A real Prometheus scrapes the Pushgateway and every exporter, and promtool likes what it gets."""

from __future__ import annotations

import contextlib
import http.server
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx
import pytest
from notebook_server import free_port, until

from promlab import lifeline
from promlab.cli.exporter import KINDS
from tests.real_programs import prometheus

pytestmark = pytest.mark.peers

SQL = """\
database: sqlite:///{path}
queries:
  - {{name: shop_orders, help: Orders by state., sql: "SELECT state, n FROM orders", values: [n]}}
"""
JSON = """\
modules:
  default:
    metrics: [{name: shop_desk_open, help: Desks., path: '{.desks}', valuetype: gauge}]
"""
JOB = """\
- job_name: {name}
  honor_labels: true
  metrics_path: {path}
  params: {params}
  static_configs: [{{targets: ['{address}']}}]
"""
# Those whose names are their own, not another exporter's with its faults.
OWN_NAMES = ("pushgateway", "sql", "json", "jupyter", "from-frame", "process")


class Desks(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "12")
        self.end_headers()
        self.wfile.write(b'{"desks": 7}')

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def desks() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Desks) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture
def gateway() -> Iterator[str]:
    url = f"http://127.0.0.1:{free_port()}/metrics"
    command = [sys.executable, "-m", "promlab", "pushgateway"]
    flag = f"--web.listen-address={urlsplit(url).netloc}"
    process = lifeline.spawn([*command, flag], stderr=subprocess.DEVNULL)

    def pushed() -> bool:
        body = "# HELP backup_seconds How long.\n# TYPE backup_seconds gauge\nbackup_seconds 5\n"
        with contextlib.suppress(httpx.HTTPError):
            return httpx.put(f"{url}/job/backup", content=body).status_code == 200
        return False

    until(pushed)
    yield url
    process.terminate()
    process.wait(240)
    lifeline.release(process)


@pytest.fixture
def urls(run_kind: Callable[..., str], tmp_path: Path, gateway: str, desks: str) -> dict[str, str]:
    """What Prometheus scrapes, by name."""
    with contextlib.closing(sqlite3.connect(tmp_path / "shop.db")) as db, db:
        db.execute("CREATE TABLE orders (state TEXT, n INT)")
        db.executemany("INSERT INTO orders VALUES (?, ?)", [("new", 3), ("sent", 4)])
    files = {
        "sql.yml": SQL.format(path=tmp_path / "shop.db"),
        "json.yml": JSON,
        "frame.csv": "room,temperature_celsius\nhall,21.5\nattic,30\n",
        "stat.csv": "# pxname,svname,status,scur\nshop,FRONTEND,OPEN,3\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    flags = {
        "sql": [f"--config.file={tmp_path / 'sql.yml'}"],
        "json": [f"--config.file={tmp_path / 'json.yml'}"],
        "haproxy": [f"--haproxy.scrape-uri=file:{tmp_path / 'stat.csv'}"],
        "process": ["--process.name=python"],
        "jupyter": ["--jupyter.url=http://127.0.0.1:1"],
        "from-frame": [str(tmp_path / "frame.csv")],
    }
    found = {kind: run_kind(kind, *flags.get(kind, [])) for kind in KINDS}
    for kind in ("blackbox", "json"):
        found[kind] = f"{found[kind].replace('/metrics', '/probe')}?{urlencode({'target': desks})}"
    return {**found, "pushgateway": gateway}


def config(urls: dict[str, str]) -> str:
    jobs = ""
    for name, url in urls.items():
        parts = urlsplit(url)
        pairs = [pair.partition("=") for pair in parts.query.split("&") if pair]
        params = {key: [httpx.QueryParams(parts.query)[key]] for key, _, _ in pairs}
        jobs += JOB.format(name=name, path=parts.path, params=params, address=parts.netloc)
    return f"global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs:\n{jobs}"


def values(client: httpx.Client, query: str) -> dict[str, float]:
    found: dict[str, Any] = client.get("/api/v1/query", params={"query": query}).json()
    return {s["metric"].get("job", ""): float(s["value"][1]) for s in found["data"]["result"]}


def assert_promtool_finds_nothing(peers: Path, name: str, url: str) -> None:
    done = subprocess.run(
        [peers / "promtool", "check", "metrics"],
        input=httpx.get(url, timeout=240).content,
        capture_output=True,
    )
    assert (name, done.returncode, done.stdout + done.stderr) == (name, 0, b"")


def test_all_are_up_and_promtool_finds_nothing(
    peers: Path, urls: dict[str, str], tmp_path: Path
) -> None:
    with prometheus(peers, tmp_path / "real", config(urls)) as real:
        up = dict.fromkeys(urls, 1.0)
        until(lambda: values(real, "max_over_time(up[1m])") == up)
        until(lambda: values(real, "backup_seconds") == {"backup": 5.0})
        assert values(real, "shop_desk_open") == {"json": 7.0}
        assert values(real, "sum by (job) (shop_orders)") == {"sql": 7.0}
        assert values(real, "probe_success") == {"blackbox": 1.0}
        assert values(real, "jupyter_up") == {"jupyter": 0.0}
        assert values(real, "count by (job) ({room!=''})") == {"from-frame": 2.0}
        counted = values(real, "max_over_time(scrape_samples_scraped[1m])")
    assert set(counted) == set(urls)
    assert counted["json"] == 1
    assert counted["node"] > 200
    assert all(n >= 2 for name, n in counted.items() if name != "json")
    for name in OWN_NAMES:
        assert_promtool_finds_nothing(peers, name, urls[name])

"""The checklist against the real Prometheus: what it says must be what the list says."""

from __future__ import annotations

import json
import threading
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import exposition_checklist as checklist
import pytest

from tests import real_programs
from tests.patience import PATIENCE_S, until

TEXT = "text/plain; version=0.0.4"
OPENMETRICS = "application/openmetrics-text; version=1.0.0"
Case = tuple[str, bytes, bool, list[dict[str, str]] | None]  # type, body, good, series
OWN = {
    "up",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "scrape_samples_post_metric_relabeling",
    "scrape_series_added",
}


def cases() -> list[Case]:
    found: list[Case] = []
    found += [(TEXT, body, True, series) for body, series in checklist.TEXT_ACCEPTED]
    found += [(TEXT, body, False, None) for body in checklist.TEXT_REFUSED]
    end = b"# EOF\n"
    found += [(OPENMETRICS, body + end, True, s) for body, s in checklist.OPENMETRICS_ACCEPTED]
    found += [(OPENMETRICS, body + end, False, None) for body in checklist.OPENMETRICS_REFUSED]
    found += [(OPENMETRICS, body, good, None) for body, good in checklist.OPENMETRICS_ENDS]
    for token, value in checklist.NUMBERS:
        found.append((TEXT, f"a {token}\n".encode(), value is not None, None))
    for written, stored in checklist.BOUNDS:
        body = f'# TYPE a histogram\na{{le="{written}"}} 1\n'.encode()
        found.append((TEXT, body, True, [{"__name__": "a", "le": stored}]))
    return found


@contextmanager
def targets(bodies: list[Case]) -> Iterator[int]:
    """A server that answers /<i> with body i."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            kind, body, _, _ = bodies[int(self.path[1:])]
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 512
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            pass  # the scraper hangs up when it ends

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def prometheus(peers: Path, folder: Path, port: int, n: int) -> Iterator[str]:
    """A real server that scrapes n paths of a port; its base URL."""
    labels = [{"case": str(i), "__metrics_path__": f"/{i}"} for i in range(n)]
    groups = [{"targets": [f"127.0.0.1:{port}"], "labels": some} for some in labels]
    jobs = [{"job_name": "j", "static_configs": groups}]
    timing = {"scrape_interval": "1s", "scrape_timeout": "1s"}
    config = json.dumps({"global": timing, "scrape_configs": jobs})
    with real_programs.prometheus(peers, folder, config) as client:
        yield f"{client.base_url}/api/v1/"


def get(base: str, path: str, **query: str) -> Any:
    url = base + path + ("?" + urllib.parse.urlencode(query) if query else "")
    with urllib.request.urlopen(url, timeout=PATIENCE_S) as answer:
        return json.load(answer)["data"]


def scraped(base: str, n: int) -> list[dict[str, Any]]:
    """The targets, once each has been scraped."""

    def known() -> list[dict[str, Any]]:
        found = get(base, "targets", state="active")["activeTargets"]
        return found if all(target["health"] != "unknown" for target in found) else []

    return until(known, f"scrapes of {n} targets")


@pytest.mark.peers
@pytest.mark.slow
def test_the_checklist_is_what_prometheus_does(peers: Path, tmp_path: Path) -> None:
    table = cases()
    with (
        targets(table) as port,
        prometheus(peers, tmp_path, port, len(table)) as base,
    ):
        errors = {int(t["labels"]["case"]): t["lastError"] for t in scraped(base, len(table))}
        series: dict[int, list[dict[str, str]]] = {}
        for labels in get(base, "series", **{"match[]": '{case!=""}'}):
            if labels["__name__"] not in OWN:
                case = int(labels.pop("case"))
                kept = {k: v for k, v in labels.items() if k not in ("job", "instance")}
                series.setdefault(case, []).append(kept)
    for i, (kind, body, good, expected) in enumerate(table):
        assert (errors[i] == "") == good, (kind, body, errors[i])
        if expected is not None:
            assert sorted(map(str, series.get(i, []))) == sorted(map(str, expected)), body

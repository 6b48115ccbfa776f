"""The real Prometheus and ours send to the same receivers, good and bad, and count the same."""

from __future__ import annotations

import re
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "server"))  # its helpers

from running import Target, running

from tests import real_programs
from tests.patience import until

pytestmark = [pytest.mark.slow, pytest.mark.peers]

QUEUES = {
    "good": "",
    "slow": "",  # takes its time
    "broken": "",  # 500 to all
    "flaky": "",  # 500 to every other one
    "picky": "",  # 400 to all
    "busy": "",  # 429 to all
    "patient": "retry_on_http_429: true",
    "later": "",  # 503, and when to come again
}
SLOW_S = 0.5
STATUS = {"broken": 500, "picky": 400, "busy": 429, "patient": 429, "later": 503}
NAME = re.compile(r"prometheus_remote_storage_(\w+)\{([^}]*)\} (\S+)")
Counted = dict[tuple[str, str], float]  # by metric and endpoint


@pytest.fixture
def receivers() -> Iterator[str]:
    asked: dict[str, int] = {}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            name = self.path.rpartition("/")[2]
            asked[self.path] = asked.get(self.path, 0) + 1
            status = STATUS.get(name, 204)
            if name == "slow":
                time.sleep(SLOW_S)
            if name == "flaky" and asked[self.path] % 2:
                status = 500
            self.send_response(status)
            if name == "later":
                self.send_header("Retry-After", "1")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def config(target: Target, receivers: str, who: str) -> str:
    queue = "batch_send_deadline: 300ms, min_backoff: 50ms, max_backoff: 200ms"
    text = "global: {scrape_interval: 500ms}\nscrape_configs:\n"
    text += f"- {{job_name: t, static_configs: [{{targets: ['{target.address}']}}]}}\n"
    text += "remote_write:\n"
    for name, more in QUEUES.items():
        options = f"{queue}, {more}" if more else queue
        text += f"- {{url: '{receivers}/{who}/{name}', name: {name}, "
        text += "write_relabel_configs: [{source_labels: [__name__], regex: level, action: drop}], "
        text += f"queue_config: {{{options}}}}}\n"
    return text


def counted(client: httpx.Client) -> Counted:
    found: Counted = {}
    for name, labels, value in NAME.findall(client.get("/metrics").text):
        if name.endswith("_bucket"):
            continue
        endpoint = re.search(r'remote_name="(\w+)"', labels)
        reason = re.search(r'reason="(\w+)"', labels)
        assert endpoint is not None
        key = f"{name}/{reason[1]}" if reason else name
        found[key, endpoint[1]] = float(value)
    return found


def settled(client: httpx.Client) -> Counted | None:
    """The counts, once each endpoint has been asked some times and some scrapes came since."""
    found = counted(client)
    asked = [found.get(("sent_batch_duration_seconds_count", name), 0.0) for name in QUEUES]
    return found if min(asked) >= 5 and found.get(("samples_pending", "broken"), 0) > 20 else None


def shape(found: Counted) -> dict[tuple[str, str], bool]:
    """Which counts are there, and which of them count anything."""
    moment = ("_pending", "shards_desired")  # nothing may wait just now
    return {
        (name, endpoint): value > 0
        for (name, endpoint), value in found.items()
        if endpoint in QUEUES and not name.endswith(moment)
    }


def test_both_count_the_same(peers: Path, tmp_path: Path, receivers: str) -> None:
    target = Target()
    (tmp_path / "p.yml").write_text(config(target, receivers, "ours"))
    theirs = tmp_path / "theirs"
    with running(tmp_path) as server:
        with real_programs.prometheus(peers, theirs, config(target, receivers, "theirs")) as real:
            wanted = until(lambda: settled(real), "the real one's counts")
        found = until(lambda: settled(server.client), "our counts")
    target.close()
    ours, expected = shape(found), shape(wanted)
    more = {name for name, _ in ours.keys() - expected.keys()}
    assert more <= {"queue_highest_timestamp_seconds"}  # newer versions of it have that one
    assert {key: ours.get(key) for key in expected} == expected
    sent = "samples_total", "good"
    dropped = "samples_dropped_total/dropped_series", "good"
    for counts in (found, wanted):
        # Of eight samples of a scrape one is dropped; a stale one may have come since.
        assert 5 < counts[sent] / counts[dropped] < 9
        assert counts["samples_failed_total", "picky"] == counts["samples_total", "picky"]
        assert counts["samples_failed_total", "busy"] > 0
        assert counts["samples_total", "broken"] - counts["samples_retried_total", "broken"] >= 0

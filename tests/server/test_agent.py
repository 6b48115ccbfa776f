"""An agent: what it answers, beside the real one; and that nothing is lost on the way."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cramjam
import httpx
import pytest
from running import PATIENCE_S, Target, running, until

from tests import real_programs

sys.path.insert(0, str(Path(__file__).parent.parent / "remote"))

from written import read_request

pytestmark = pytest.mark.slow

FLAGS = ["--agent", "--web.enable-lifecycle", "--web.enable-remote-write-receiver"]


class Receiver:
    """Takes remote write while it is `open`; before that it is not there for anybody."""

    def __init__(self) -> None:
        self.samples: list[tuple[dict[str, str], int, float]] = []
        self.open = False
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if receiver.open:
                    whole = bytes(cramjam.snappy.decompress_raw(body))
                    receiver.samples += [
                        (labels, t_ms, value) for labels, t_ms, value in read_request(whole)
                    ]
                self.send_response(204 if receiver.open else 503)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/w"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def values(self, name: str) -> set[float]:
        return {value for labels, _, value in self.samples if labels["__name__"] == name}

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Counting(Target):
    """A target whose `n` is another one at each scrape."""

    def said(self) -> str:
        return f"n {self.scrapes}\n"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()
    yield found
    found.close()


def configure(folder: Path, target: Target, url: str) -> None:
    queue = "batch_send_deadline: 100ms, min_backoff: 50ms, max_backoff: 200ms"
    (folder / "p.yml").write_text(
        "global: {scrape_interval: 200ms, scrape_timeout: 200ms, external_labels: {a: b}}\n"
        f"scrape_configs: [{{job_name: t, static_configs: [{{targets: ['{target.address}']}}]}}]\n"
        f"remote_write: [{{name: w, url: '{url}', queue_config: {{{queue}}}}}]\n"
    )


def stored(client: httpx.Client) -> float:
    """Samples that the agent has taken."""
    name = 'prometheus_agent_samples_appended_total{type="float"} '
    return float(client.get("/metrics").text.partition(name)[2].split()[0])


def test_nothing_is_lost_by_a_kill_before_the_receiver_was_ever_there(
    tmp_path: Path, receiver: Receiver
) -> None:
    target = Counting()
    configure(tmp_path, target, receiver.url)
    with running(tmp_path, *FLAGS) as server:
        until(lambda: stored(server.client) > 60, "some scrapes")
        before = target.scrapes
        server.process.kill()
        server.process.wait(PATIENCE_S)
    receiver.open = True
    with running(tmp_path, *FLAGS):
        # Of the last scrape before the kill nothing may have been committed.
        until(
            lambda: receiver.values("n") >= {float(i) for i in range(1, before)},
            "all that was scraped",
        )
        until(lambda: max(receiver.values("n")) > before + 2, "what is scraped now")
    target.close()


def test_a_kill_of_the_sender_loses_nothing(tmp_path: Path, receiver: Receiver) -> None:
    target = Counting()
    configure(tmp_path, target, receiver.url)
    receiver.open = True
    with running(tmp_path, *FLAGS) as server:
        until(lambda: len(receiver.values("n")) > 2, "some samples")
        for _ in range(2):
            child = server.child("reader")
            assert child is not None
            child.kill()
            child.wait(PATIENCE_S)
            until(lambda was=child.pid: server.child("reader") not in (None, was), "another one")
            server.ready()
        last = target.scrapes
        until(lambda: receiver.values("n") >= {float(i) for i in range(1, last)}, "all of them")
    target.close()


ASKED = [
    *(("GET", f"/api/v1/{path}") for path in (
        "query?query=up", "query", "query_range", "query_exemplars", "format_query?query=up",
        "parse_query?query=up", "labels", "label/job/values", "series?match[]=up",
        "targets?state=dropped", "metadata?metric=none", "scrape_pools", "alertmanagers", "rules",
        "alerts", "status/tsdb", "status/walreplay", "notifications", "read", "write", "nothing",
    )),
    *(("POST", f"/api/v1/{path}") for path in (
        "query", "query_range", "series", "write", "admin/tsdb/snapshot",
        "admin/tsdb/delete_series",
    )),
    ("DELETE", "/api/v1/series"),
    ("PUT", "/api/v1/admin/tsdb/clean_tombstones"),
    ("OPTIONS", "/api/v1/query"),
    *(("GET", path) for path in (
        "/", "/query", "/alerts", "/rules", "/tsdb-status", "/federate", "/federate?match[]=up",
        "/-/healthy", "/-/ready", "/-/reload", "/user/x",
    )),
    ("POST", "/-/reload"),
]  # fmt: skip
PAGES = ["/agent", "/targets", "/service-discovery", "/status", "/flags", "/config"]


@pytest.mark.peers
def test_the_real_agent_answers_the_same(peers: Path, tmp_path: Path, receiver: Receiver) -> None:
    target = Counting()
    configure(tmp_path, target, receiver.url)
    theirs = tmp_path / "theirs"
    command = [peers / "prometheus", f"--config.file={tmp_path}/p.yml"]
    command += [f"--storage.agent.path={theirs}", *FLAGS]
    with (
        running(tmp_path, *FLAGS) as server,
        real_programs.listening(*command, log=tmp_path / "their.log") as real,
        httpx.Client(base_url=real.url, timeout=PATIENCE_S) as client,
    ):
        for each in (client, server.client):
            until(lambda each=each: stored(each) > 0, "a scrape")
        for method, path in ASKED:
            wanted, found = (each.request(method, path) for each in (client, server.client))
            assert (found.status_code, found.text) == (wanted.status_code, wanted.text), path
            assert found.headers.get("location") == wanted.headers.get("location")
        for path in PAGES:
            assert server.client.get(path).status_code == client.get(path).status_code == 200
        storage, shown = ((each.get("/metrics").text) for each in (client, server.client))
        names = re.compile(r"^# TYPE (prometheus_agent_\S+ \w+)$", re.M)
        assert set(names.findall(shown)) == set(names.findall(storage)) != set()
        for each in (client, server.client):
            state = each.get("/api/v1/status/runtimeinfo").json()["data"]
            assert state["storageRetention"] == ""
    target.close()

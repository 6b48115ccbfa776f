"""Statistics of HAProxy: of a real one where it is installed, and of tables made up here."""

from __future__ import annotations

import http.server
import os
import shutil
import socket
import subprocess
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from made_up_machine import parsed
from notebook_server import until

from promlab.errors import ConfigError, ScrapeError
from promlab.exporters.families import render
from promlab.exporters.haproxy.command import HAProxyExporter, make
from promlab.exporters.haproxy.fields import is_up
from promlab.exporters.haproxy.source import source_of

CONFIG = """\
global
  stats socket {socket} mode 600 level operator
defaults
  mode http
  timeout connect 1s
  timeout client 5s
  timeout server 5s
frontend shop
  bind fd@{front}
  default_backend pages
backend pages
  server one 127.0.0.1:{back} check inter 200
  server two 127.0.0.1:{closed} check inter 200
frontend numbers
  bind fd@{stats}
  stats enable
  stats uri /
  stats auth me:secret
"""


class Quiet(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def haproxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A HAProxy with a server that is up and one that is down, after some requests."""
    found = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail("haproxy is not installed (required where CI=true)")
        pytest.skip("needs haproxy (Debian: apt-get install haproxy)")
    folder = tmp_path_factory.mktemp("haproxy")
    back = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    threading.Thread(target=back.serve_forever, daemon=True).start()
    # Bound here and handed on, so that nobody takes their ports in between.
    front, stats, closed = (socket.socket() for _ in range(3))
    for each in (front, stats, closed):
        each.bind(("127.0.0.1", 0))
    path = folder / "haproxy.cfg"
    path.write_text(
        CONFIG.format(
            socket=folder / "s",
            back=back.server_port,
            closed=_port(closed),
            front=front.fileno(),
            stats=stats.fileno(),
        )
    )
    passed = (front.fileno(), stats.fileno())
    process = subprocess.Popen(
        [found, "-f", path, "-db"], stderr=subprocess.DEVNULL, pass_fds=passed
    )
    try:
        until(lambda: _answers(f"http://127.0.0.1:{_port(front)}/"))
        unix = f"unix:{folder / 's'}"
        exporter = HAProxyExporter(source_of(unix, 5, verify=True))
        down = 'haproxy_server_up{backend="pages",server="two"} 0'
        until(lambda: down in render(exporter.collect()).decode())
        yield {"unix": unix, "http": f"http://me:secret@127.0.0.1:{_port(stats)}/;csv"}
    finally:
        process.kill()
        process.wait()
        back.shutdown()
        back.server_close()
        for each in (front, stats, closed):
            each.close()


def _port(bound: socket.socket) -> int:
    return int(bound.getsockname()[1])


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url) as answer:
            return bool(answer.read() == b"ok")
    except OSError:
        return False


@pytest.mark.parametrize("way", ["unix", "http"])
def test_a_real_haproxy(haproxy: dict[str, str], way: str, run_kind: Callable[..., str]) -> None:
    url = run_kind("haproxy", f"--haproxy.scrape-uri={haproxy[way]}")
    with urllib.request.urlopen(url) as answer:
        found = parsed(answer.read().decode())
    pages = ("backend", "pages")
    assert found["haproxy_up", ()] == 1
    assert found["haproxy_server_up", (pages, ("server", "one"))] == 1
    assert found["haproxy_server_up", (pages, ("server", "two"))] == 0
    assert found["haproxy_backend_current_server", (pages,)] == 1
    assert found["haproxy_frontend_http_requests_total", (("frontend", "shop"),)] >= 1
    assert found["haproxy_backend_http_responses_total", (pages, ("code", "2xx"))] >= 1
    assert found["haproxy_server_check_failures_total", (pages, ("server", "two"))] >= 1
    assert found["haproxy_frontend_bytes_in_total", (("frontend", "shop"),)] > 0
    assert found["haproxy_frontend_connections_total", (("frontend", "shop"),)] >= 1
    has_version = any(name == "haproxy_version_info" for name, _ in found)
    assert has_version == (way == "unix")


@pytest.mark.peers
def test_promtool_finds_nothing(haproxy: dict[str, str], peers: Path) -> None:
    text = render(HAProxyExporter(source_of(haproxy["unix"], 5, verify=True)).collect())
    done = subprocess.run([peers / "promtool", "check", "metrics"], input=text, capture_output=True)
    assert (done.stdout, done.stderr) == (b"", b"")


def test_a_wrong_password_is_down(haproxy: dict[str, str]) -> None:
    exporter = HAProxyExporter(source_of(haproxy["http"].replace("secret", "x"), 5, verify=True))
    assert b"haproxy_up 0\n" in render(exporter.collect())


HEADER = (
    "# pxname,svname,qcur,qmax,scur,smax,slim,stot,bin,bout,dreq,dresp,ereq,econ,eresp,wretr,"
    "wredis,status,weight,act,bck,chkfail,chkdown,lastchg,downtime,qlimit,pid,iid,sid,throttle,"
    "lbtot,tracked,type,rate,rate_lim,rate_max,check_status,check_code,check_duration"
)


def row(svname: str, status: str, kind: int, scur: str = "5") -> str:
    cells = [""] * 39
    cells[0], cells[1], cells[4], cells[17], cells[32], cells[38] = (
        'a"b', svname, scur, status, str(kind), "250",
    )  # fmt: skip
    return ",".join('"' + c.replace('"', '""') + '"' if '"' in c else c for c in cells)


def test_tables_with_odd_rows() -> None:
    table = "\n".join(
        [HEADER, row("FRONTEND", "OPEN", 0), row("s1", "UP 1/3", 2), row("s2", "MAINT", 2),
         row("s3", "UP", 2, "many"), "short,row", row("x", "", 3), ""]
    )  # fmt: skip
    exporter = HAProxyExporter(
        lambda command: table if command == "show stat" else "",
        server_fields=frozenset({4, 17, 38}),
        without_states=frozenset({"MAINT"}),
    )
    text = render(exporter.collect()).decode()
    assert 'haproxy_frontend_current_sessions{frontend="a\\"b"} 5' in text
    assert 'haproxy_server_up{backend="a\\"b",server="s1"} 1' in text
    assert 'haproxy_server_check_duration_seconds{backend="a\\"b",server="s1"} 0.25' in text
    assert "s2" not in text
    assert "haproxy_exporter_csv_parse_failures_total 2" in text
    assert "haproxy_frontend_up" not in text


def test_an_answer_of_something_else() -> None:
    exporter = HAProxyExporter(lambda _: "<html>")
    assert b"haproxy_up 0\n" in render(exporter.collect())


@pytest.mark.parametrize(
    ("status", "up"),
    [("UP", 1), ("UP 2/3", 1), ("no check", 1), ("DRAIN", 1), ("DOWN 1/2", 0), ("MAINT", 0),
     ("NOLB", 0), ("OPEN", 1), ("UPSIDE", 0)],
)  # fmt: skip
def test_states(status: str, up: float) -> None:
    assert is_up(status) == up


def test_bad_flags(tmp_path: Path) -> None:
    flags = {
        "haproxy.scrape-uri": "http://x/;csv", "haproxy.ssl-verify": True, "haproxy.timeout": "5s",
        "haproxy.server-metric-fields": "", "haproxy.server-exclude-states": "",
    }  # fmt: skip
    for name, value, message in (
        ("haproxy.scrape-uri", "gopher://x", "is none of"),
        ("haproxy.timeout", "long", "--haproxy.timeout: not a valid"),
        ("haproxy.server-metric-fields", "2,999", "'999' is no column of servers"),
    ):
        with pytest.raises(ConfigError, match=message):
            make({**flags, name: value})
    with pytest.raises(ScrapeError, match="No such file"):
        source_of(f"file:{tmp_path}/none", 1, verify=True)("show stat")
    with pytest.raises(ScrapeError, match="can't be asked"):
        source_of(f"unix:{tmp_path}/none", 1, verify=True)("show stat")

"""The exporter over HTTP, as a process and as a server in this one."""

from __future__ import annotations

import gzip
import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from made_up_machine import machine, parsed

from promlab.errors import AddressInUse, ConfigError, ServerError
from promlab.exporters.families import Family, gauge
from promlab.exporters.node.exporter import BadScrape, NodeExporter
from promlab.exporters.serving import MetricsServer, parse_address


@contextmanager
def serving(server: MetricsServer) -> Iterator[http.client.HTTPConnection]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    url = urlsplit(server.url)
    connection = http.client.HTTPConnection(str(url.hostname), url.port or 0, timeout=240)
    try:
        yield connection
    finally:
        connection.close()
        server.shutdown()
        thread.join()
        server.server_close()


def get(
    connection: http.client.HTTPConnection, path: str, **headers: str
) -> tuple[int, http.client.HTTPMessage, bytes]:
    connection.request("GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()})
    answer = connection.getresponse()
    return answer.status, answer.headers, answer.read()


def node(**options: bool) -> MetricsServer:
    return MetricsServer(("127.0.0.1", 0), NodeExporter(machine(), **options).collect)


def test_pages() -> None:
    with serving(node()) as connection:
        status, headers, body = get(connection, "/metrics")
        assert status == 200
        assert (
            headers["Content-Type"]
            == "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"
        )
        assert parsed(body.decode())[("node_load1", ())] == 0.25
        status, headers, packed = get(connection, "/metrics", Accept_Encoding="br, gzip;q=0.5")
        assert headers["Content-Encoding"] == "gzip"
        assert parsed(gzip.decompress(packed).decode()).keys() == parsed(body.decode()).keys()
        _, headers, _ = get(connection, "/metrics", Accept_Encoding="gzip;q=0, identity")
        assert "Content-Encoding" not in headers
        status, headers, page = get(connection, "/")
        assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
        assert b'href="/metrics"' in page
        assert get(connection, "/nothing")[0] == 404
        connection.request("HEAD", "/metrics")
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (200, b"")
        connection.request("POST", "/metrics", body=b"x")
        assert connection.getresponse().status == 405


@pytest.mark.parametrize(
    ("query", "wanted", "unwanted"),
    [
        ("collect[]=cpu&collect[]=loadavg", {"cpu", "loadavg"}, {"stat"}),
        ("exclude%5B%5D=cpu", {"loadavg", "stat"}, {"cpu"}),
        ("", {"cpu", "stat"}, set()),
    ],
)
def test_collectors_are_chosen_by_url(query: str, wanted: set[str], unwanted: set[str]) -> None:
    with serving(node()) as connection:
        _, _, body = get(connection, f"/metrics?{query}")
    ran = {
        dict(labels)["collector"]
        for name, labels in parsed(body.decode())
        if name == "node_scrape_collector_success"
    }
    assert wanted <= ran
    assert not unwanted & ran
    assert (b"node_load1 " in body) == ("loadavg" in ran)


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("collect[]=nonsense", b"missing collector: nonsense"),
        ("exclude[]=", b"missing collector: "),
        ("collect[]=cpu&exclude[]=stat", b"can't be combined"),
        ("collect[]=os", b"disabled collector: os"),
    ],
)
def test_bad_choices_are_refused(query: str, text: bytes) -> None:
    exporter = NodeExporter(machine(), ["cpu", "stat"])
    with serving(MetricsServer(("127.0.0.1", 0), exporter.collect)) as connection:
        status, _, body = get(connection, f"/metrics?{query}")
    assert status == 400
    assert text in body


def test_a_failing_collector_does_not_take_the_page_with_it(tmp_path: Path) -> None:
    host = machine()
    host.procfs = str(tmp_path)
    (tmp_path / "loadavg").write_text("what is this?")
    with serving(MetricsServer(("127.0.0.1", 0), NodeExporter(host).collect)) as connection:
        status, _, body = get(connection, "/metrics")
    found = parsed(body.decode())
    assert status == 200
    assert found[("node_scrape_collector_success", (("collector", "loadavg"),))] == 0
    assert found[("node_scrape_collector_success", (("collector", "cpu"),))] == 0
    assert found[("node_scrape_collector_success", (("collector", "netclass"),))] == 1


def test_scrapes_at_a_time_are_bounded() -> None:
    entered, leave = threading.Event(), threading.Event()

    def slow(_: Mapping[str, Sequence[str]]) -> list[Family]:
        entered.set()
        leave.wait()
        return [gauge("a", "Help.", 1)]

    server = MetricsServer(("127.0.0.1", 0), slow, max_requests=1)
    with serving(server) as first:
        first.request("GET", "/metrics")
        assert entered.wait(240)
        second = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=240)
        assert get(second, "/metrics")[0] == 503
        second.close()
        leave.set()
        assert first.getresponse().read().endswith(b"\na 1\n")


def test_a_defect_is_an_internal_error_without_details() -> None:
    def broken(_: Mapping[str, Sequence[str]]) -> list[Family]:
        raise RuntimeError("private detail")

    with serving(MetricsServer(("127.0.0.1", 0), broken)) as connection:
        status, _, body = get(connection, "/metrics")
    assert status == 500
    assert b"private" not in body


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (":9100", ("", 9100)),
        ("localhost:80", ("localhost", 80)),
        ("127.0.0.1", ("127.0.0.1", 9100)),
        ("[::1]:0", ("::1", 0)),
        ("[::1]", ("::1", 9100)),
    ],
)
def test_addresses(text: str, address: tuple[str, int]) -> None:
    assert parse_address(text, 9100) == address


@pytest.mark.parametrize("text", ["a:b", "a:99999", "a:-1", "a:"])
def test_bad_addresses(text: str) -> None:
    with pytest.raises(ConfigError, match="write host:port"):
        parse_address(text, 9100)


def test_unknown_names_and_taken_ports_say_so() -> None:
    with pytest.raises(ConfigError, match="no collector 'x'"):
        NodeExporter(machine(), ["x"])
    with pytest.raises(BadScrape):
        NodeExporter(machine(), ["cpu"]).collect({"collect[]": ["x"]})
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(AddressInUse, match="already in use"):
            MetricsServer(("127.0.0.1", taken.getsockname()[1]), NodeExporter(machine()).collect)
    with pytest.raises(ServerError, match="can't listen on"):
        MetricsServer(("192.0.2.1", 0), NodeExporter(machine()).collect)


def test_the_command_serves_what_its_flags_ask_for(
    run_exporter: Callable[..., str], tmp_path: Path
) -> None:
    (tmp_path / "a.prom").write_text("from_a_file 5\n")
    url = run_exporter(
        "--collector.disable-defaults",
        "--collector.loadavg",
        "--collector.textfile",
        f"--collector.textfile.directory={tmp_path}",
        "--web.telemetry-path=/numbers",
        "--web.disable-exporter-metrics",
    )
    assert url.endswith("/numbers")
    with urllib.request.urlopen(url) as answer:
        found = parsed(answer.read().decode())
    assert found[("from_a_file", ())] == 5
    ran = {dict(labels).get("collector") for _, labels in found} - {None}
    assert ran == {"loadavg", "textfile"}
    assert not any(name.startswith("process_") for name, _ in found)


def test_a_collector_can_be_switched_off(run_exporter: Callable[..., str]) -> None:
    with urllib.request.urlopen(run_exporter("--no-collector.cpu")) as answer:
        found = parsed(answer.read().decode())
    names = {name for name, _ in found}
    assert "node_cpu_seconds_total" not in names
    assert {"node_time_seconds", "process_cpu_seconds_total", "node_exporter_build_info"} <= names


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        (["--web.listen-address=nowhere:x"], "write host:port"),
        (["--web.telemetry-path=metrics"], "must be a path"),
        (["--collector.netdev.device-exclude=("], "--collector.netdev.device-exclude"),
        (["--collector.nonsense"], "unrecognized arguments"),
    ],
)
def test_bad_flags_end_in_one_line(flags: list[str], text: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "promlab", "exporter", "node", *flags],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1  # as the real exporter's
    assert text in done.stderr
    assert "Traceback" not in done.stderr


def test_it_ends_with_its_parent() -> None:
    """Its parent is killed, and runs no clean-up: it ends all the same."""
    program = (
        "import sys\nfrom promlab import lifeline\n"
        "child = lifeline.spawn([sys.executable, '-m', 'promlab', 'exporter', 'node',"
        " '--web.listen-address=127.0.0.1:0'])\n"
        "print(child.pid, flush=True)\nchild.wait()\n"
    )
    reading, writing = os.pipe()
    parent = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=writing
    )
    os.close(writing)
    assert parent.stdout is not None
    parent.stdout.readline()
    with open(reading, "rb") as said:
        assert b"listening on" in said.readline()
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        said.read()  # ends when the last process that holds stderr has ended
    parent.stdout.close()

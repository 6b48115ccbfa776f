"""/debug/pprof/*: profiles of the server's processes, as promtool and pprof read them."""

from __future__ import annotations

import subprocess
import tarfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from pprof_reader import read_profile
from running import Running, running, write_config

from promlab.server import profiling
from promlab.server.pprof_format import Frame, Profile, StackCount, as_text, encode
from tests.patience import until

ALL = ("profile", "fgprof", "heap", "allocs", "goroutine", "threadcreate", "block", "mutex")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("pprof")
    write_config(folder)
    with running(folder) as found:
        yield found


def get(server: Running, path: str, status: int = 200) -> bytes:
    answer = server.client.get(f"/debug/pprof/{path}")
    assert answer.status_code == status, answer.text
    return answer.content


def test_a_profile_is_what_was_counted() -> None:
    inner, outer = Frame("f", "a.py", 3), Frame("g", "b.py", 7)
    counts = [
        StackCount((inner, outer), {"thread": "t"}, [2, 5_000_000_000]),
        StackCount((outer,), {}, [1, 0]),
    ]
    kinds = [("samples", "count"), ("cpu", "nanoseconds")]
    found = read_profile(encode(Profile(kinds, counts, 1, 2, 3)))
    assert found.kinds == kinds
    assert found.samples == [
        (["f", "g"], {"thread": "t"}, [2, 5_000_000_000]), (["g"], {}, [1, 0]),
    ]  # fmt: skip
    assert (found.duration_ns, found.files) == (2, {"a.py", "b.py"})
    assert "#\tf\ta.py:3" in as_text("title", counts)


def test_cpu_time_goes_to_where_it_was_spent() -> None:
    over = threading.Event()

    def busy() -> None:
        while not over.is_set():
            pass

    threads = [threading.Thread(target=busy), threading.Thread(target=over.wait)]
    for thread in threads:
        thread.start()
    try:
        counts = until(lambda: profiling.Sampler("p").run(0.3), "a sample")
    finally:
        over.set()
        for thread in threads:
            thread.join()
    spent = {c.labels["thread"]: 0 for c in counts}
    for count in counts:
        spent[count.labels["thread"]] += count.values[1]
    idle = spent.pop(threads[1].name, 0)
    assert spent[threads[0].name] > 10 * idle
    assert any(frame.function.endswith("busy") for c in counts for frame in c.stack)


@pytest.mark.parametrize("name", ALL)
def test_every_profile_can_be_read(server: Running, name: str) -> None:
    found = read_profile(get(server, f"{name}?seconds=0.2"))
    processes = {labels["process"] for _, labels, _ in found.samples}
    if name in ("goroutine", "heap", "fgprof"):
        assert {"reader", "writer"} <= processes
        assert all(values[0] > 0 for _, _, values in found.samples)
    if name in ("block", "mutex"):
        assert not found.samples


def test_one_profile_at_a_time(server: Running) -> None:
    """Two ask again and again: each gets a profile, unless the other's is being made."""
    over = threading.Event()

    def ask(seconds: float) -> httpx.Response:
        return server.client.get(f"/debug/pprof/profile?seconds={seconds}")

    def keep_asking() -> list[httpx.Response]:
        answers = [ask(0.5)]
        while not over.is_set() or answers[-1].status_code != 200:
            answers.append(ask(0.5))
        return answers

    with ThreadPoolExecutor(1) as pool:
        long = pool.submit(keep_asking)
        try:
            refused = until(
                lambda: (answer := ask(0.01)).status_code == 500 and answer, "one to be refused"
            )
        finally:
            over.set()
        assert "already in use" in refused.text
        assert read_profile(long.result()[-1].content).duration_ns > 0.4e9


def test_what_is_no_profile(server: Running) -> None:
    assert b"promlab\0serve\0" in get(server, "cmdline")
    assert get(server, "symbol") == b"num_symbols: 1\n"
    assert b'href="heap?debug=1"' in get(server, "")
    assert get(server, "goroutine?debug=1").startswith(b"goroutine profile: total ")
    assert get(server, "nothing", 404) == b"Unknown profile\n"
    assert b"no execution traces: ask for" in get(server, "trace?seconds=1", 501)


@contextmanager
def in_a_hurry(server: Running) -> Iterator[str]:
    """The server behind a relay to which half a minute is a second."""

    class Relay(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = server.client.get(self.path.replace("seconds=30", "seconds=1"))
            self.send_response(answer.status_code)
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        def log_message(self, *args: Any) -> None:
            pass

    relay = ThreadingHTTPServer(("127.0.0.1", 0), Relay)
    thread = threading.Thread(target=relay.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{relay.server_port}"
    finally:
        relay.shutdown()
        thread.join()
        relay.server_close()


@pytest.mark.peers
def test_promtool_collects_everything(server: Running, peers: Path, tmp_path: Path) -> None:
    with in_a_hurry(server) as url:
        command = [str(peers / "promtool"), "debug", "all", url]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with tarfile.open(tmp_path / "debug.tar.gz") as archive:
        names = set(archive.getnames())
    assert names == {
        "cpu.pb", "heap.pb", "goroutine.pb", "block.pb", "mutex.pb", "threadcreate.pb", "trace.pb",
        "metrics.txt",
    }  # fmt: skip

"""`promlab push metrics` to a real promlab and a real Prometheus, beside promtool."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from promlab.cli import main
from tests.real_programs import prometheus
from tests.server.running import Running, running, until

METRICS = """\
# TYPE backup_seconds gauge
backup_seconds{{disk="a\\"b"}} 12.5
backup_old 7 {old_ms}
# TYPE h histogram
h_bucket{{le="0.5"}} 1
h_bucket{{le="+Inf"}} 2
h_sum 3
h_count 2
"""
QUERY = '{job="nightly"}'
FLAG = "--web.enable-remote-write-receiver"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("push")
    (folder / "p.yml").write_text("{}")
    with running(folder, FLAG) as started:
        yield started


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "backup.prom"
    path.write_text(METRICS.format(old_ms=int(time.time() * 1000) - 60_000))
    return path


def answer(client: httpx.Client, at_s: float) -> list[tuple[dict[str, str], str]]:
    parameters: dict[str, str | float] = {"query": QUERY, "time": at_s}
    found = client.get("/api/v1/query", params=parameters).json()["data"]["result"]
    rows = [(series["metric"], series["value"][1]) for series in found]
    return sorted(rows, key=str)


def write_url(client: httpx.Client) -> str:
    return str(client.base_url).rstrip("/") + "/api/v1/write"


@pytest.mark.peers
def test_both_answer_the_same(
    server: Running, peers: Path, tmp_path: Path, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with prometheus(peers, tmp_path / "real", "{}", FLAG) as real:
        for client in (server.client, real):
            flags = ["--label=job=nightly", "--label=site=lab", write_url(client), str(file)]
            assert main(["push", "metrics", *flags]) == 0
            said = capsys.readouterr()
            done = subprocess.run(
                [peers / "promtool", "push", "metrics", *flags], capture_output=True, text=True
            )
            assert (said.out, said.err) == (done.stdout, done.stderr)
        at_s = time.time() + 1
        until(lambda: len(answer(server.client, at_s)) == 6, "all series")
        assert answer(server.client, at_s) == answer(real, at_s)
        names = {labels["__name__"] for labels, _ in answer(real, at_s)}
        assert names == {"backup_seconds", "backup_old", "h_bucket", "h_sum", "h_count"}
        assert all(labels["site"] == "lab" for labels, _ in answer(real, at_s))


def test_standard_input(server: Running) -> None:
    command = [sys.executable, "-m", "promlab", "push", "metrics", write_url(server.client)]
    done = subprocess.run(command, input=b"from_input 1\n", capture_output=True)
    assert done.returncode == 0
    assert done.stdout == b"Parsing standard input\n  SUCCESS: metrics pushed to remote write.\n"
    until(lambda: server.value('from_input{job="promtool"}') == 1, "the sample")


def test_what_fails_is_told_and_takes_nothing_with_it(
    server: Running, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = file.with_name("bad.prom")
    bad.write_text("bad{ 1\n")
    url = write_url(server.client)
    assert main(["push", "metrics", url, str(bad), f"{file}.missing", str(file)]) == 1
    said = capsys.readouterr()
    first, second = said.err.splitlines()
    assert "line 1" in first
    assert second.endswith("can't be read: No such file or directory")
    assert said.out.endswith(f"  SUCCESS: metrics file {file} pushed to remote write.\n")
    for wrong, reason in (
        (f"{url}/nowhere", "server returned HTTP status 404 Not Found"),
        ("http://127.0.0.1:1/", "no answer from http://127.0.0.1:1/"),
        ("nowhere", "is not an address"),
    ):
        assert main(["push", "metrics", wrong, str(file)]) == 1
        assert capsys.readouterr().err.startswith("  FAILED: ")
        assert main(["push", "metrics", wrong, str(file)]) == 1
        assert reason in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flag", "reason"),
    [("--label=job", "is not NAME=VALUE"), ("--timeout=long", "--timeout")],
)
def test_bad_flags(flag: str, reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["push", "metrics", flag, "http://127.0.0.1:1/"]) == 1
    assert reason in capsys.readouterr().err

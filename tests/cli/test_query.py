"""`promlab query`, `check healthy` and `debug` against a real server, beside promtool."""

from __future__ import annotations

import json
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from promlab.cli import main
from promlab.cli.query.output import metric_text
from tests.server.running import Running, Target, running, until, write_config


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder, target = tmp_path_factory.mktemp("query"), Target()
    write_config(folder, target.address)
    with running(folder) as started:
        until(lambda: started.value("count_over_time(level[1m])"), "a sample")
        yield started
    target.close()


QUERIES = [
    ("instant", "{url}", "level * 2"),
    ("instant", "-o", "json", "{url}", "count(level)"),
    (
        "instant",
        "--time={now}",
        "{url}",
        "vector(1) or label_replace(vector(2), 'a', '\"', '', '')",
    ),
    ("range", "--start={now}", "--end={later}", "--step=1s", "{url}", "vector(3)"),
    ("range", "-o", "json", "--start={now}", "--end={later}", "--step=15s", "{url}", "vector(3)"),
    ("series", "--match=level", "--match=things_total", "{url}"),
    ("series", "-o", "json", "--match=level", "{url}"),
    ("labels", "{url}", "__name__"),
    ("labels", "-o", "json", "--match=level", "{url}", "job"),
]


@pytest.mark.peers
@pytest.mark.parametrize("command", QUERIES, ids=" ".join)
def test_prints_what_promtool_prints(
    peers: Path, server: Running, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    now = int(time.time())
    words = {"url": server.url, "now": now, "later": now + 30}
    filled = [each.format(**words) if "{" in each else each for each in command]
    theirs = subprocess.run([peers / "promtool", "query", *filled], capture_output=True, text=True)
    assert theirs.returncode == 0, theirs.stderr
    assert main(["query", *filled]) == 0
    ours, wanted = capsys.readouterr().out.strip(), theirs.stdout.strip()
    if not any("{now}" in each for each in command):
        ours, wanted = (text.partition("@[")[0] for text in (ours, wanted))
    if "json" in command and "instant" in command:
        ours, wanted = (text.partition('"value":[')[0] for text in (ours, wanted))
    assert ours
    assert ours == wanted


def test_a_bad_query_is_one_line(server: Running, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["query", "instant", server.url, "sum("]) == 1
    assert "bad_data" in capsys.readouterr().err


def test_nobody_there_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["query", "instant", "http://127.0.0.1:1", "up"]) == 1
    assert main(["check", "healthy", "--url=http://127.0.0.1:1"]) == 1
    assert main(["query", "instant", "nonsense", "up"]) == 1
    shown = capsys.readouterr().err.strip().splitlines()
    assert len(shown) == 3
    assert "no answer from http://127.0.0.1:1" in shown[0]
    assert "'nonsense/api/v1/query' is not an address" in shown[2]


def test_a_server_says_that_it_is_well(server: Running, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "healthy", f"--url={server.url}"]) == 0
    assert main(["check", "ready", f"--url={server.url}"]) == 0
    assert capsys.readouterr().err.count("SUCCESS") == 2


def test_debug_makes_an_archive(server: Running, tmp_path: Path) -> None:
    file = tmp_path / "debug.tar.gz"
    assert main(["debug", "all", f"--output={file}", server.url]) == 0
    with tarfile.open(file) as archive:
        names = archive.getnames()
        member = archive.extractfile("targets.json")
        assert member is not None
        targets = json.load(member)
    assert "metrics.txt" in names
    assert targets["data"]["activeTargets"][0]["labels"]["job"] == "t"


def test_labels_send_nothing_to_the_terminal() -> None:
    assert metric_text({"__name__": "a", "b": "\x1b[31m"}) == 'a{b="\\x1b[31m"}'
    assert "\x1b" not in metric_text({"__name__": "\x1b[2Jx"})

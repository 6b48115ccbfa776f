"""`promlab tsdb import` by remote read, and blocks from rules, from servers that run."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from write_bodies import Histogram, Series, compressed, headers, version_1

from promlab.cli import main
from promlab.cli.http import client as client_of
from promlab.cli.tsdb.import_remote import _HEADERS, _Reader
from promlab.model.histograms import HistogramTable
from promlab.remote.read import SAMPLES, STREAMED
from promlab.stored.opening import DataFrames
from promlab.stored.selectors import matchers_of
from tests.real_programs import prometheus
from tests.server.running import running

FLAGS = ["--web.enable-remote-write-receiver", "--enable-feature=native-histograms"]
CONFIG = "global: {scrape_interval: 1h}\n"
NOW_MS = int(time.time()) // 60 * 60_000
STEP_MS = 15_000
N = 400  # over more than an hour and a half: two stretches
TIMES = [NOW_MS - STEP_MS * (N - i) for i in range(N)]
VALUES = {f"m{k}": [float(i * i % (k + 7)) / 8 for i in range(N)] for k in range(5)}

HISTOGRAMS = {
    t: Histogram(schema=1, count=4 + i, sum=i / 2, zero_count=1 + i, positive={0: 1, i % 3 + 1: 2})
    for i, t in enumerate(TIMES[:9])
}


@pytest.fixture(scope="module", params=["promlab", pytest.param("real", marks=pytest.mark.peers)])
def server(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of a server that has VALUES."""
    folder = tmp_path_factory.mktemp("source")
    if request.param == "real":
        peers = request.getfixturevalue("peers")
        with prometheus(peers, folder, CONFIG, *FLAGS) as client:
            yield filled(client)
    else:
        (folder / "p.yml").write_text(CONFIG)
        with running(folder, *FLAGS) as own:
            yield filled(own.client)


def filled(client: httpx.Client) -> httpx.Client:
    # In one request: of a later one the oldest samples would be out of bounds.
    series = [
        Series(
            {"__name__": name, "job": "x"}, [(t, v, 0) for t, v in zip(TIMES, values, strict=True)]
        )
        for name, values in VALUES.items()
    ]
    series.append(Series({"__name__": "h", "job": "y"}, [(t, HISTOGRAMS[t], 0) for t in TIMES[:9]]))
    body = compressed(version_1(series))
    answer = client.post("/api/v1/write", content=body, headers=headers())
    assert answer.status_code in (200, 204), answer.text
    return client


def url(client: httpx.Client) -> str:
    return str(client.base_url).rstrip("/")


def stored(folder: Path) -> dict[tuple[tuple[str, str], ...], list[tuple[int, float]]]:
    with DataFrames(folder) as reader:
        batch = reader.select([], 0, 2**60)
    found = {}
    for i in range(batch.n):
        t_ms, values = batch.series(i)
        key = tuple(batch.labels.row(i).items())
        found[key] = list(zip(t_ms.tolist(), values.tolist(), strict=True))
    return found


def test_everything_comes_over(server: httpx.Client, tmp_path: Path) -> None:
    out = tmp_path / "d"
    since = f"--min-time={NOW_MS - 8 * 3_600_000}"
    address = f"{url(server)}/api/v1/read"
    assert main(["tsdb", "import", since, "--label=site=b", address, str(out)]) == 0
    found = stored(out)
    for name, values in VALUES.items():
        key = (("__name__", name), ("job", "x"), ("site", "b"))
        assert found.pop(key) == list(zip(TIMES, values, strict=True))
    # What the server says of itself may be there too, from after the samples were sent.
    assert all(dict(key)["__name__"] not in VALUES for key in found)


def test_native_histograms_come_over(
    server: httpx.Client, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, address = tmp_path / "d", f"{url(server)}/api/v1/read"
    assert main(["tsdb", "import", "--match=h", address, str(out)]) == 0
    assert "left out" not in capsys.readouterr().err
    with DataFrames(out) as reader:
        batch = reader.select([], 0, 2**60)
    assert batch.labels.row(0) == {"__name__": "h", "job": "y"}
    t_ms, _ = batch.series(0)
    assert t_ms.tolist() == TIMES[:9]
    assert batch.histograms is not None
    table, rows = batch.histograms.table, batch.histograms.index
    for t, row in zip(TIMES[:9], rows.tolist(), strict=True):
        sent = HISTOGRAMS[t]
        assert table.count[row] == sent.count
        assert table.sum[row] == sent.sum
        assert table.zero_count[row] == sent.zero_count
        assert dict(_buckets(table, row)) == sent.positive


def _buckets(table: HistogramTable, row: int) -> Iterator[tuple[int, float]]:
    positive = table.positive
    at = slice(int(positive.offsets[row]), int(positive.offsets[row + 1]))
    yield from zip(positive.indices[at].tolist(), positive.counts[at].tolist(), strict=True)


@pytest.mark.peers
def test_a_folder_says_what_promtool_leaves_out(
    peers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with prometheus(peers, tmp_path, CONFIG, *FLAGS) as client:
        filled(client)
    out = tmp_path / "d"
    tool = f"--promtool={peers / 'promtool'}"
    assert main(["tsdb", "import", tool, str(tmp_path / "data"), str(out)]) == 0
    # Not all nine: of a log, promtool begins to print where a head would begin.
    assert re.search(r"left out: \d native histograms", capsys.readouterr().err)
    names = {dict(key)["__name__"] for key in stored(out)}
    assert set(VALUES) <= names
    assert "h" not in names


def test_selected_series_of_a_range(server: httpx.Client, tmp_path: Path) -> None:
    out, address = tmp_path / "d", f"{url(server)}/api/v1/read"
    range_ = [f"--min-time={TIMES[100]}", f"--max-time={TIMES[200]}"]
    chosen = ["--match=m1", '--match={__name__=~"m[34]"}']
    assert main(["tsdb", "import", *range_, *chosen, address, str(out)]) == 0
    assert {dict(key)["__name__"]: samples for key, samples in stored(out).items()} == {
        name: list(zip(TIMES[100:201], VALUES[name][100:201], strict=True))
        for name in ("m1", "m3", "m4")
    }


def test_what_is_not_there(
    server: httpx.Client, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, address = str(tmp_path / "d"), f"{url(server)}/api/v1/read"
    assert main(["tsdb", "import", "--match=nothing", address, out]) == 0
    assert "has no samples" in capsys.readouterr().err
    assert main(["tsdb", "import", f"{url(server)}/api/v1/nowhere", out]) != 0
    assert "answered 404" in capsys.readouterr().err
    assert main(["tsdb", "import", f"{url(server)}/api/v1/status/buildinfo", out]) != 0
    assert "answered 405" in capsys.readouterr().err
    assert main(["tsdb", "import", "http://127.0.0.1:1/api/v1/read", out]) != 0
    assert "no answer from" in capsys.readouterr().err
    wrong = ["--min-time=10", "--max-time=5"]
    assert main(["tsdb", "import", *wrong, address, out]) != 0
    assert "--min-time is after --max-time" in capsys.readouterr().err


def test_blocks_from_rules(server: httpx.Client, tmp_path: Path) -> None:
    rules = tmp_path / "r.yml"
    rules.write_text(
        "groups:\n- name: a\n  interval: 30s\n  rules:\n"
        "  - {record: 'all:sum', expr: 'sum({__name__=~\"m.\"})', labels: {kind: backfilled}}\n"
        "  - {alert: never, expr: 'm1 > 1'}\n"
    )
    out = tmp_path / "d"
    start, end = TIMES[10] / 1000, TIMES[-10] / 1000
    command = ["tsdb", "create-blocks-from", "rules", f"--url={url(server)}", f"--start={start}"]
    assert main([*command, f"--end={end}", f"--output-dir={out}", str(rules)]) == 0
    (found,) = stored(out).items()
    assert found[0] == (("__name__", "all:sum"), ("kind", "backfilled"))
    assert len(found[1]) == (N - 20) // 2 + (TIMES[10] % 30_000 == 0)
    for t_ms, value in found[1]:
        at = (t_ms - TIMES[0]) // STEP_MS
        assert value == pytest.approx(sum(values[at] for values in VALUES.values()))


def test_rules_without_a_server(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rules = tmp_path / "r.yml"
    rules.write_text("groups: [{name: a, rules: [{record: 'a:b', expr: '1'}]}]\n")
    command = ["tsdb", "create-blocks-from", "rules", "--start=1700000000", "--end=1700000060"]
    out = f"--output-dir={tmp_path / 'd'}"
    assert main([*command, "--url=http://127.0.0.1:1", out, str(rules)]) != 0
    assert "no answer from" in capsys.readouterr().err


def test_both_forms_of_answers_say_the_same(server: httpx.Client) -> None:
    with client_of("", _HEADERS) as http:
        reader = _Reader(http, f"{url(server)}/api/v1/read")
        for form in (STREAMED, SAMPLES):
            found = reader._asked(matchers_of('{job="x"}'), TIMES[0], TIMES[-1], (form,))
            by_name: dict[str, list[tuple[int, float]]] = {}
            for row, t_ms, value in zip(
                found.series.tolist(), found.t_ms.tolist(), found.values.tolist(), strict=True
            ):
                name = found.labels.row(row)["__name__"]
                by_name.setdefault(name, []).append((t_ms, value))
            wanted = {name: list(zip(TIMES, own, strict=True)) for name, own in VALUES.items()}
            assert {name: sorted(samples) for name, samples in by_name.items()} == wanted

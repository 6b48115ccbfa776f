"""Tables as metrics, from memory and from files that change."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
import urllib.request
from pathlib import Path

import pandas as pd
import polars as pl
import pytest

from promlab.errors import ConfigError
from promlab.exporters.families import render
from promlab.exporters.from_frame.command import WatchedTable
from promlab.exporters.from_frame.frames import Shape, families_of_frame


def text(frame: object, **shape: object) -> list[str]:
    found = render(families_of_frame(frame, Shape(**shape))).decode().splitlines()  # type: ignore[arg-type]
    return [line for line in found if not line.startswith("# HELP")]


def test_columns_by_their_types() -> None:
    when = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    frame = pl.DataFrame(
        {
            "Host name": ["a", "b"],
            "kind": pl.Series(["x", None], dtype=pl.Categorical),
            "Size (B)": [1, None],
            "ok": [True, False],
            "seen": [when, None],
            "runs_total": [5.0, float("nan")],
            "list": [[1], [2]],
        }
    )
    assert text(frame, prefix="t_") == [
        "# TYPE t_ok gauge", 't_ok{Host_name="a",kind="x"} 1', 't_ok{Host_name="b"} 0',
        "# TYPE t_runs_total counter", 't_runs_total{Host_name="a",kind="x"} 5',
        't_runs_total{Host_name="b"} NaN',
        "# TYPE t_seen gauge", 't_seen{Host_name="a",kind="x"} 1.7672256e+09',
        "# TYPE t_size__b_ gauge", 't_size__b_{Host_name="a",kind="x"} 1',
    ]  # fmt: skip


def test_chosen_columns_and_long_tables() -> None:
    frame = pl.DataFrame({"year": [2025, 2026], "n": [1, 2], "what": ["a", "b"]})
    assert text(frame, values=["n"], labels=["year"])[1:] == [
        'n{year="2025"} 1',
        'n{year="2026"} 2',
    ]
    long = text(frame.drop("year"), metric="what")
    assert long == ["# TYPE a gauge", "a 1", "# TYPE b gauge", "b 2"]


def test_pandas_with_an_index() -> None:
    frame = pd.DataFrame({"n": [1, 2]}, index=pd.Index(["a", "b"], name="host"))
    assert text(frame)[1:] == ['n{host="a"} 1', 'n{host="b"} 2']


@pytest.mark.parametrize(
    ("frame", "shape", "message"),
    [
        ({"a": ["x"]}, {}, "no column of numbers"),
        ({"n": [1, 2]}, {}, r"two rows of n have the same labels \(no labels\)"),
        ({"n": [1]}, {"values": ["m"]}, "no column 'm': there are n"),
        ({"n": [1], "m": [1], "k": ["a"]}, {"metric": "k"}, "one column of values, not n, m"),
        ({"n": [1], "a b": ["x"], "a_b": ["y"]}, {}, "two columns would be one label"),
    ],
)
def test_tables_that_are_refused(frame: dict, shape: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        families_of_frame(pl.DataFrame(frame), Shape(**shape))


def test_a_file_that_changes(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("host,n\na,1\n")
    watched = WatchedTable(path, Shape())
    assert b'n{host="a"} 1\n' in render(watched.report())
    pl.DataFrame({"host": ["b"], "n": [22]}).write_csv(path)
    assert b'n{host="b"} 22\n' in render(watched.report())
    path.unlink()
    kept = render(watched.report())
    assert b'n{host="b"} 22\n' in kept
    assert b"frame_file_read_success{" in kept
    assert watched.report()[-2].samples[0][2] == 0


def test_formats(tmp_path: Path) -> None:
    frame = pl.DataFrame({"host": ["a"], "n": [1]})
    frame.write_parquet(tmp_path / "t.parquet")
    frame.write_ndjson(tmp_path / "t.ndjson")
    frame.write_ipc(tmp_path / "t.arrow")
    frame.write_json(tmp_path / "t.json")
    frame.write_csv(tmp_path / "t.tsv", separator="\t")
    for path in tmp_path.iterdir():
        assert b'n{host="a"} 1' in render(WatchedTable(path, Shape()).families())
    broken = tmp_path / "b.parquet"
    broken.write_text("no")
    with pytest.raises(ConfigError, match="the table can't be read"):
        WatchedTable(broken, Shape()).families()
    with pytest.raises(ConfigError, match="not a table by its name"):
        WatchedTable(Path(__file__), Shape()).families()


def test_the_command(tmp_path: Path, run_kind: object) -> None:
    path = tmp_path / "table.csv"
    path.write_text("host,n\na,1\n")
    url = run_kind("from-frame", str(path), "--prefix=x_")  # type: ignore[operator]
    with urllib.request.urlopen(url) as answer:
        assert b'x_n{host="a"} 1' in answer.read()
    command = [sys.executable, "-m", "promlab", "exporter", "from-frame", str(tmp_path / "no.csv")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert "no.csv: No such file or directory" in done.stderr

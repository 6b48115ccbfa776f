"""SQL queries as metrics, on a real SQLite database."""

from __future__ import annotations

import contextlib
import sqlite3
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from promlab.errors import ConfigError
from promlab.exporters.families import render
from promlab.exporters.sql.command import SQLExporter, load, make

FILE = """\
database: sqlite:///{path}
queries:
  - name: shop_orders
    help: Orders by state.
    sql: SELECT state, count(*) AS n FROM orders GROUP BY state
    values: [n]
    static_labels: {{shop: "a\\"b"}}
  - name: shop
    sql: SELECT sum(price) AS price, max(price) AS most, NULL AS missing FROM orders
    values: [price, most, missing]
  - {{name: broken, sql: SELECT nowhere FROM orders, values: [x]}}
  - {{name: twins, sql: SELECT price FROM orders, values: [price]}}
  - {{name: texts, sql: "SELECT 'x' AS x", values: [x]}}
  - {{name: kept, sql: SELECT count(*) AS n FROM orders, values: [n], min_interval: 1h}}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    with contextlib.closing(sqlite3.connect(tmp_path / "shop.db")) as db, db:
        db.execute("CREATE TABLE orders (state TEXT, price REAL)")
        db.executemany("INSERT INTO orders VALUES (?, ?)", [("new", 1.5), ("new", 2), ("sent", 4)])
    path = tmp_path / "sql.yml"
    path.write_text(FILE.format(path=tmp_path / "shop.db"))
    return path


def test_queries(file: Path) -> None:
    found = load(str(file))
    exporter = SQLExporter(found.database, found.queries)
    text = render(exporter.collect()).decode()
    assert 'shop_orders{shop="a\\"b",state="new"} 2' in text
    assert "shop_price 7.5" in text
    assert "shop_most 4" in text
    assert "shop_missing " not in text
    for name in ("broken", "twins", "texts"):
        assert f'sql_query_success{{query="{name}"}} 0' in text
        assert f'sql_query_failures_total{{query="{name}"}} 1' in text
    with contextlib.closing(sqlite3.connect(file.parent / "shop.db")) as db, db:
        db.execute("INSERT INTO orders VALUES ('new', 1)")
    text = render(exporter.collect()).decode()
    assert 'state="new"} 3' in text
    assert "\nkept 3\n" in text  # what it was an hour ago at most


def test_the_command(file: Path, run_kind: Callable[..., str]) -> None:
    with urllib.request.urlopen(run_kind("sql", f"--config.file={file}")) as answer:
        assert b"shop_price 7.5" in answer.read()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("queries: [{name: a, sql: x, values: []}]", r"queries\[0\]: values name no column"),
        ("queries: [{name: a b, sql: x, values: [n]}]", "'a b' is no name"),
        ("queries: [{name: a, sql: x, values: [n], type: x}]", r"queries\[0\].type: gauge or"),
        ("queries: [{name: a, sql: x, values: [n], min_interval: x}]", "min_interval"),
        ("queries: [{nam: a}]", "nam"),
        ("queries: [", "not YAML"),
        ("queries: []", "database: names no database"),
        ("{queries: [], database: 'nonsense://x'}", "no such database"),
    ],
)
def test_files_that_are_refused(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "sql.yml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        make({"config.file": str(path), "config.database": ""})

"""`promlab exporter sql`: a file of queries, each run at a scrape or from time to time.

database: sqlite:///shop.db          # an SQLAlchemy URL; $NAME takes it from the environment
queries:
  - name: shop_orders
    help: Orders by state.
    sql: SELECT state, count(*) AS n FROM orders GROUP BY state
    values: [n]                      # columns of numbers; labels are all others
    type: gauge
    min_interval: 30s
"""

from __future__ import annotations

import logging
import math
import os
import threading
import time
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import yaml

from promlab.errors import ConfigError, PromlabError, ScrapeError
from promlab.exporters.families import Family, counter, gauge, plain_name
from promlab.exporters.served import Flags, Served
from promlab.model.durations import parse_duration_ms

logger = logging.getLogger(__name__)

PORT = 9399
FLAGS: Flags = {
    "config.file": ("sql.yml", "file with the database and its queries (sql.yml)"),
    "config.database": ("", "URL of the database, instead of the file's"),
}
_MAX_ROWS = 100_000


class Query(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One query and what its columns mean."""

    name: str
    sql: str
    values: tuple[str, ...]
    help: str = "Result of a query."
    type: str = "gauge"
    labels: tuple[str, ...] | None = None  # None: every column that is no value
    static_labels: dict[str, str] = {}
    min_interval: str = "0s"

    @property
    def min_interval_s(self) -> float:
        """For how long a result is good."""
        return parse_duration_ms(self.min_interval) / 1000


class _File(msgspec.Struct, forbid_unknown_fields=True):
    queries: tuple[Query, ...]
    database: str = ""


def load(path: str) -> _File:
    """The queries of a file. Raises ConfigError."""
    try:
        document = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        found = msgspec.convert(document, _File)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(getattr(error, "strerror", None) or str(error), path=path) from None
    except yaml.YAMLError as error:
        raise ConfigError(f"not YAML: {error}", path=path) from None
    except msgspec.ValidationError as error:
        raise ConfigError(str(error), path=path) from None
    for i, query in enumerate(found.queries):
        where = f"queries[{i}]"
        if query.type not in ("gauge", "counter"):
            raise ConfigError("gauge or counter", path=path, field=f"{where}.type")
        if not query.values or plain_name(query.name) != query.name:
            what = "values name no column" if not query.values else f"{query.name!r} is no name"
            raise ConfigError(what, path=path, field=where)
        try:
            parse_duration_ms(query.min_interval)
        except ValueError as error:
            raise ConfigError(str(error), path=path, field=f"{where}.min_interval") from None
    return found


def make(flags: Mapping[str, Any]) -> Served:
    """The exporter by its flags. Raises ConfigError."""
    found = load(flags["config.file"])
    url = flags["config.database"] or found.database
    if not url:
        raise ConfigError("names no database", path=flags["config.file"], field="database")
    exporter = SQLExporter(os.path.expandvars(url), found.queries)
    return Served("SQL exporter", lambda _: exporter.collect())


class SQLExporter:
    """Asks a database. One query that fails takes no other with it."""

    def __init__(self, url: str, queries: tuple[Query, ...]) -> None:
        try:
            import sqlalchemy
        except ImportError:
            raise ConfigError(
                "the SQL exporter needs SQLAlchemy: pip install 'promlab[exporters]'"
            ) from None
        try:
            self._engine = sqlalchemy.create_engine(url, pool_pre_ping=True)
        except (sqlalchemy.exc.ArgumentError, sqlalchemy.exc.NoSuchModuleError) as error:
            raise ConfigError(f"no such database: {error}", field="database") from None
        except ImportError as error:
            raise ConfigError(f"the database's driver is missing: {error}") from None
        self._queries = queries
        self._kept: dict[str, tuple[float, list[Family]]] = {}
        self._failures: dict[str, int] = {query.name: 0 for query in queries}
        self._lock = threading.Lock()

    def collect(self) -> list[Family]:
        """Families of all queries, and how they went."""
        found: dict[str, Family] = {}
        success = gauge("sql_query_success", "Whether a query succeeded.")
        took = gauge("sql_query_duration_seconds", "How long a query took.")
        failed = counter("sql_query_failures_total", "Queries that failed.")
        with self._lock:
            for query in self._queries:
                labels, started = {"query": query.name}, time.monotonic()
                try:
                    for family in self._families(query):
                        known = found.setdefault(
                            family.name, Family(family.name, family.type, family.help)
                        )
                        known.samples += family.samples
                    success.add(1, labels)
                except PromlabError as error:
                    logger.error("query %s failed: %s", query.name, error)
                    self._failures[query.name] += 1
                    success.add(0, labels)
                took.add(time.monotonic() - started, labels)
                failed.add(self._failures[query.name], labels)
        return [*found.values(), success, took, failed]

    def _families(self, query: Query) -> list[Family]:
        kept_s, kept = self._kept.get(query.name, (-math.inf, []))
        if time.monotonic() - kept_s < query.min_interval_s:
            return kept
        families = self._ask(query)
        self._kept[query.name] = (time.monotonic(), families)
        return families

    def _ask(self, query: Query) -> list[Family]:
        import sqlalchemy

        try:
            with self._engine.connect() as connection:
                result = connection.execute(sqlalchemy.text(query.sql))
                columns = list(result.keys())
                rows = result.fetchmany(_MAX_ROWS + 1)
        except sqlalchemy.exc.SQLAlchemyError as error:
            raise ScrapeError(str(getattr(error, "orig", None) or error)) from None
        if len(rows) > _MAX_ROWS:
            raise ScrapeError(f"the result has more than {_MAX_ROWS:,} rows")
        wanted = query.labels
        labels = [c for c in columns if c not in query.values] if wanted is None else list(wanted)
        missing = [c for c in (*query.values, *labels) if c not in columns]
        if missing:
            raise ScrapeError(f"no column {missing[0]!r}: there are {', '.join(columns)}")
        one = len(query.values) == 1
        made = []
        for value in query.values:
            family = Family(
                query.name if one else f"{query.name}_{plain_name(value)}", query.type, query.help
            )
            _add_rows(
                family, query, [dict(zip(columns, row, strict=True)) for row in rows], value, labels
            )
            made.append(family)
        return made


def _add_rows(
    family: Family, query: Query, rows: list[dict[str, Any]], value: str, labels: list[str]
) -> None:
    seen = set()
    for row in rows:
        number = row[value]
        if number is None:  # no value, no sample
            continue
        if not isinstance(number, int | float | Decimal):
            raise ScrapeError(f"the column {value!r} holds {number!r}, which is no number")
        named = {
            plain_name(name).replace(":", "_"): "" if row[name] is None else str(row[name])
            for name in labels
        }
        found = dict(sorted({**query.static_labels, **named}.items()))
        key = tuple(found.items())
        if key in seen:
            raise ScrapeError(f"two rows have the same labels {found}: add a column, or GROUP BY")
        seen.add(key)
        family.add(float(number), found)

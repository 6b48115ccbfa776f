"""`promlab exporter haproxy`: flags, and what a scrape of HAProxy gives."""

from __future__ import annotations

import csv
import io
import logging
import threading
from collections.abc import Iterator, Mapping
from typing import Any

from promlab.errors import ConfigError, ScrapeError
from promlab.exporters.families import Family, counter, gauge, info
from promlab.exporters.haproxy.fields import FIELDS, KINDS, SERVER, Field, is_up
from promlab.exporters.haproxy.source import Fetch, source_of
from promlab.exporters.served import Flags, Served
from promlab.model.durations import parse_duration_ms

logger = logging.getLogger(__name__)

PORT = 9101
LEAST_FIELDS = 33
FLAGS: Flags = {
    "haproxy.scrape-uri": (
        "http://localhost/;csv",
        "where the statistics are: http://…/;csv, unix:/path, tcp://host:port, file:/path",
    ),
    "haproxy.ssl-verify": (True, "check the certificate of an https address"),
    "haproxy.timeout": ("5s", "how long to wait for HAProxy (5s)"),
    "haproxy.server-metric-fields": ("", "numbers of the columns to export of servers: 2,3,17"),
    "haproxy.server-exclude-states": ("", "leave out servers in these states: MAINT,no check"),
}


def make(flags: Mapping[str, Any]) -> Served:
    """The exporter by its flags. Raises ConfigError."""
    try:
        timeout_s = parse_duration_ms(flags["haproxy.timeout"]) / 1000
    except ValueError as error:
        raise ConfigError(str(error), field="--haproxy.timeout") from None
    uri, verify = flags["haproxy.scrape-uri"], flags["haproxy.ssl-verify"]
    exporter = HAProxyExporter(
        source_of(uri, timeout_s, verify=verify),
        server_fields=_chosen(flags["haproxy.server-metric-fields"]),
        without_states=frozenset(filter(None, flags["haproxy.server-exclude-states"].split(","))),
    )
    return Served("HAProxy exporter", lambda _: exporter.collect())


def _chosen(text: str) -> frozenset[int] | None:
    if not text:
        return None
    known = {field.number for field in FIELDS if SERVER in field.kinds}
    parts = [part.strip() for part in text.split(",")]
    bad = [part for part in parts if not part.isdecimal() or int(part) not in known]
    if bad:
        numbers = ", ".join(map(str, sorted(known)))
        raise ConfigError(
            f"{bad[0]!r} is no column of servers: there are {numbers}",
            field="--haproxy.server-metric-fields",
        )
    return frozenset(map(int, parts))


class HAProxyExporter:
    """Asks HAProxy at each scrape."""

    def __init__(
        self,
        fetch: Fetch,
        *,
        server_fields: frozenset[int] | None = None,
        without_states: frozenset[str] = frozenset(),
    ) -> None:
        self._fetch, self._server_fields, self._without = fetch, server_fields, without_states
        self._lock = threading.Lock()
        self._scrapes = self._bad_rows = 0

    def collect(self) -> list[Family]:
        """The families of HAProxy, and how the scrape went."""
        with self._lock:
            self._scrapes += 1
            up = gauge("haproxy_up", "Whether the last scrape of HAProxy succeeded.")
            try:
                found = [*self._rows(self._fetch("show stat")), *_infos(self._fetch("show info"))]
                up.add(1)
            except ScrapeError as error:
                logger.error("can't scrape HAProxy: %s", error)
                found = []
                up.add(0)
            scrapes = "Scrapes of HAProxy."
            bad = "Rows that could not be read."
            return [
                up,
                *found,
                counter("haproxy_exporter_scrapes_total", scrapes, self._scrapes),
                counter("haproxy_exporter_csv_parse_failures_total", bad, self._bad_rows),
            ]

    def _rows(self, text: str) -> list[Family]:
        if not text.startswith("# "):
            raise ScrapeError("the answer is no table of statistics: it has no header")
        rows = csv.reader(io.StringIO(text[2:]))
        at = {name: i for i, name in enumerate(next(rows))}
        families: dict[str, Family] = {}
        for row in rows:
            if not row:
                continue
            if len(row) < LEAST_FIELDS:
                self._bad_rows += 1
                continue
            self._row(row, at, families)
        return list(families.values())

    def _row(self, row: list[str], at: Mapping[str, int], families: dict[str, Family]) -> None:
        kind = KINDS.get(row[at["type"]] if "type" in at else "")
        status = row[at["status"]] if "status" in at else ""
        if kind is None or (kind == SERVER and status.split(" ")[0] in self._without):
            return
        if kind == SERVER and status in self._without:
            return
        labels = {kind: row[0]} if kind != SERVER else {"backend": row[0], "server": row[1]}
        for field in FIELDS:
            column = at.get(field.column, len(row))
            if kind not in field.kinds or column >= len(row) or not row[column]:
                continue
            chosen = self._server_fields if kind == SERVER else None
            if chosen is not None and field.number not in chosen:
                continue
            value = self._value(field, row[column])
            if value is not None:
                name = f"haproxy_{kind}_{field.name}"
                family = families.setdefault(name, Family(name, field.type, field.help))
                family.add(value, {"code": field.code, **labels} if field.code else labels)

    def _value(self, field: Field, text: str) -> float | None:
        if field.column == "status":
            return is_up(text)
        try:
            return int(text) / field.per
        except ValueError:
            self._bad_rows += 1
            return None


def _infos(text: str) -> Iterator[Family]:
    """What `show info` adds: version, and how idle the process is."""
    found = dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)
    if "Version" in found:
        labels = {"release_date": found.get("Release_date", ""), "version": found["Version"]}
        yield info("haproxy_version_info", "HAProxy's version.", labels)
    idle = found.get("Idle_pct", "")
    if idle.isdecimal():
        help_ = "How much of its time HAProxy waits."
        yield gauge("haproxy_process_idle_time_percent", help_, int(idle))

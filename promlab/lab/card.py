"""What a lab looks like in a notebook: one glance instead of five API calls."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from promlab.client.tables import number, printable
from promlab.errors import PromlabError
from promlab.model.durations import format_duration_ms

if TYPE_CHECKING:
    from promlab.lab.session import Lab

_RATE = "sum(rate(prometheus_tsdb_head_samples_appended_total[1m]))"
_SERIES = "sum(prometheus_tsdb_head_series)"


def browser_url(url: str) -> str:
    """Where a browser reaches a server of this machine: through the hub's proxy, if any."""
    prefix = os.environ.get("JUPYTERHUB_SERVICE_PREFIX", "")
    port = urlsplit(url).port
    return f"{prefix.rstrip('/')}/proxy/{port}/" if prefix and port else f"{url}/"


def facts(lab: Lab) -> list[tuple[str, str]]:
    """Name and text of each line of the card; the server's own figures if it answers."""
    failure = lab.failure()
    if failure is not None:
        return [("state", "not running"), ("last error", str(failure))]
    age = format_duration_ms(int(time.monotonic() - lab.started) * 1000)
    found = [("address", lab.url), ("state", "ready" if lab.is_ready else "starting")]
    if lab.is_ready:
        found += _answers(lab)
    where = str(lab.data_path) if lab.data_path else "temporary, removed at the end"
    found += [("uptime", age), ("WAL", _size(wal_bytes(lab))), ("data", where)]
    if lab.detached:
        found.append(("detached", "goes on when the kernel ends"))
    return found


def text_card(lab: Lab) -> str:
    """The card as plain text."""
    rows = facts(lab)
    width = max(len(name) for name, _ in rows)
    lines = [f"  {name:<{width}}  {printable(text, 400)}" for name, text in rows]
    return "\n".join([f"promlab · {lab.name}", *lines])


def html_card(lab: Lab) -> str:
    """The card as an accessible HTML table."""
    rows = []
    for name, text in facts(lab):
        shown = escape(printable(text, 400))
        if name == "address":
            link = escape(browser_url(lab.url), quote=True)
            shown = f'<a href="{link}" target="_blank" rel="noopener">{shown}</a>'
        rows.append(f'<tr><th scope="row">{escape(name)}</th><td>{shown}</td></tr>')
    title = escape(f"promlab · {printable(lab.name)}")
    return f"<table><caption>{title}</caption><tbody>{''.join(rows)}</tbody></table>"


def wal_bytes(lab: Lab) -> int:
    """Size of the write-ahead log on disk."""
    root = (lab.data_path or lab._folder / "data") / "wal"
    return sum(_file_size(path) for path in root.rglob("*")) if root.is_dir() else 0


class TargetTable(Sequence[dict[str, Any]]):
    """Targets as the server describes them; a readable table in a notebook."""

    _COLUMNS = ("job", "instance", "health", "last scrape", "took", "last error")

    def __init__(self, targets: list[dict[str, Any]]) -> None:
        self._targets = targets

    def __len__(self) -> int:
        return len(self._targets)

    def __getitem__(self, i: Any) -> Any:
        return self._targets[i]

    def __repr__(self) -> str:
        rows = [self._COLUMNS, *map(_target_row, self._targets)]
        widths = [max(len(row[c]) for row in rows) for c in range(len(self._COLUMNS))]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        )

    def _repr_html_(self) -> str:
        head = "".join(f'<th scope="col">{name}</th>' for name in self._COLUMNS)
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in _target_row(target)) + "</tr>"
            for target in self._targets
        )
        caption = f"<caption>{len(self)} targets</caption>"
        return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


class LogLines(list[str]):
    """Lines of a log, shown as such."""

    def __repr__(self) -> str:
        return "\n".join(printable(line, 2_000) for line in self) or "nothing was logged"


def _target_row(target: dict[str, Any]) -> tuple[str, ...]:
    labels = target.get("labels") or {}
    took = float(target.get("lastScrapeDuration") or 0.0)
    cells = (
        str(labels.get("job", "")),
        str(labels.get("instance", "")),
        str(target.get("health", "")),
        str(target.get("lastScrape", ""))[:19],
        f"{took * 1000:.1f} ms",
        str(target.get("lastError", "")),
    )
    return tuple(printable(cell, 80) for cell in cells)


def _answers(lab: Lab) -> list[tuple[str, str]]:
    """Figures that only the server knows; a dash where it does not answer."""
    with ThreadPoolExecutor(3) as pool:
        targets = pool.submit(_targets, lab)
        series, rate = (pool.submit(_figure, lab, expr) for expr in (_SERIES, _RATE))
    return [*targets.result(), ("series", series.result()), ("samples/s", rate.result())]


def _targets(lab: Lab) -> list[tuple[str, str]]:
    try:
        found = lab.client.targets()
    except PromlabError as error:
        return [("targets", "–"), ("last error", str(error))]
    up = sum(target.get("health") == "up" for target in found)
    down = sum(target.get("health") == "down" for target in found)
    errors = [str(target["lastError"]) for target in found if target.get("lastError")]
    waiting = len(found) - up - down
    shown = f"{up} up, {down} down" + (f", {waiting} not scraped yet" if waiting else "")
    return [("targets", shown), ("last error", errors[0] if errors else "none")]


def _figure(lab: Lab, expr: str) -> str:
    try:
        found = lab.client.query(expr)
    except PromlabError:
        return "–"
    values: Sequence[float] = getattr(found, "values", ())
    return number(round(float(values[0]), 1)) if len(values) else "–"


def _size(n: int) -> str:
    for unit in ("B", "kB", "MB"):
        if n < 1000:
            return f"{n:.0f} {unit}"
        n //= 1000
    return f"{n} GB"


def _file_size(path: Path) -> int:
    try:
        return path.stat().st_size if path.is_file() else 0
    except OSError:
        return 0

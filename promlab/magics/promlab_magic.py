"""`%promlab`: the server, its targets and its metrics from a cell."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Sequence
from html import escape
from typing import Any

from IPython.core.magic import Magics, line_magic, magics_class, no_var_expand

from promlab.client.tables import printable
from promlab.lab.session import running
from promlab.magics.connection import Cache, Connection
from promlab.magics.options import UsageError
from promlab.model.labels import METRIC_NAME

VERBS = {
    "start": "start this kernel's server, if it does not run",
    "status": "the server's card: address, targets, series, samples/s, WAL",
    "targets": "what is scraped, and how that goes",
    "metrics": "metrics with type and help; a glob narrows: %promlab metrics node_*",
    "labels": "labels of a metric and how many values each has: %promlab labels up",
    "use": "ask another server from now on: %promlab use http://localhost:9090 (or a variable)",
    "logs": "last lines that the server wrote; a number says how many",
    "open": "a link to the server's page",
    "stop": "stop this kernel's server",
}
_MAX_ROWS = 200


class Listing:
    """Rows with a heading, as text and as an escaped HTML table."""

    def __init__(
        self, caption: str, columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]
    ) -> None:
        more = f" ({_MAX_ROWS} of {len(rows):,} shown)" if len(rows) > _MAX_ROWS else ""
        self.caption, self.columns = caption + more, columns
        self.rows = [tuple(printable(cell, 200) for cell in row) for row in rows[:_MAX_ROWS]]

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        rows = [self.columns, *self.rows]
        widths = [max(len(row[c]) for row in rows) for c in range(len(self.columns))]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ]
        return "\n".join([self.caption, *lines])

    def _repr_html_(self) -> str:
        head = "".join(f'<th scope="col">{escape(name)}</th>' for name in self.columns)
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>"
            for row in self.rows
        )
        caption = f"<caption>{escape(self.caption)}</caption>"
        return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


class Link:
    """The address of a server's page."""

    def __init__(self, url: str) -> None:
        from promlab.lab.card import browser_url

        self.url = browser_url(url)

    def __repr__(self) -> str:
        return self.url

    def _repr_html_(self) -> str:
        url = escape(self.url, quote=True)
        return f'<a href="{url}" target="_blank" rel="noopener">{url}</a>'


@magics_class
class PromlabMagic(Magics):  # type: ignore[misc]  # IPython's stubs are not read here
    """Verbs for the server."""

    def __init__(self, shell: Any, connection: Connection, cache: Cache) -> None:
        super().__init__(shell=shell)
        self.connection, self.cache = connection, cache

    @no_var_expand  # type: ignore[untyped-decorator]  # IPython's stubs are not read here
    @line_magic  # type: ignore[untyped-decorator]  # as above
    def promlab(self, line: str) -> Any:
        """The server of this notebook; the verbs are listed below."""
        verb, _, rest = line.strip().partition(" ")
        verb = verb or "status"
        if verb not in VERBS:
            near = difflib.get_close_matches(verb, VERBS, n=1)
            known = f"did you mean {near[0]}?" if near else f"there are {', '.join(VERBS)}"
            raise UsageError(f"%promlab {printable(verb)} is not known: {known}")
        return getattr(self, f"_{verb}")(rest.strip())

    promlab.__doc__ = "The server of this notebook.\n\n" + "\n".join(
        f"  %promlab {verb:<9}{text}" for verb, text in VERBS.items()
    )

    def _start(self, _: str) -> Any:
        return self.connection.lab()

    def _status(self, _: str) -> Any:
        if self.connection.is_elsewhere:
            client = self.connection.client()
            rows = [(str(key), str(value)) for key, value in client.status().items()]
            return Listing(client.url, ("name", "value"), rows)
        lab = running()
        if lab is None:
            return Listing("no server runs: %promlab start, or run a %%promql cell", ("state",), [])
        return lab

    def _targets(self, _: str) -> Any:
        from promlab.lab.card import TargetTable

        return TargetTable(self.connection.client().targets())

    def _metrics(self, pattern: str) -> Any:
        client = self.connection.client()
        described = client.metadata()
        names = client.label_values(METRIC_NAME)
        shown = fnmatch.filter(names, pattern or "*")
        rows = []
        for name in shown:
            first = (described.get(name) or described.get(family(name)) or [{}])[0]
            rows.append((name, first.get("type", ""), first.get("unit", ""), first.get("help", "")))
        return Listing(f"{len(shown):,} metrics", ("metric", "type", "unit", "help"), rows)

    def _labels(self, metric: str) -> Any:
        client = self.connection.client()
        if not metric:
            found = [(name,) for name in client.labels()]
            return Listing(f"{len(found)} labels", ("label",), found)
        series = client.series(metric)
        values: dict[str, set[str]] = {}
        for labels in series:
            for name, value in labels.items():
                values.setdefault(name, set()).add(value)
        rows = [
            (name, str(len(found)), ", ".join(sorted(found)[:5]) + ("…" if len(found) > 5 else ""))
            for name, found in sorted(values.items())
        ]
        caption = f"{metric}: {len(series):,} series"
        return Listing(caption, ("label", "values", "for instance"), rows)

    def _use(self, url: str) -> Any:
        named = self.shell.user_ns.get(url, url)  # a client, a lab, or a text with the address
        url = str(getattr(named, "url", named))
        if hasattr(named, "now_ms"):  # a world with a clock answers by itself
            self.connection.use(url, named)
            return named
        self.connection.use("" if url in ("", "lab") else url)
        return Link(self.connection.client().url)

    def _logs(self, count: str) -> Any:
        if count and not count.isdecimal():
            raise UsageError(f"%promlab logs takes a number of lines, not {printable(count)!r}")
        lab = running()
        return lab.logs(int(count or 50)) if lab else None

    def _open(self, _: str) -> Any:
        return Link(self.connection.client().url)

    def _stop(self, _: str) -> None:
        lab = running()
        if lab is not None:
            lab.stop()


def family(name: str) -> str:
    """The metric family that a sample of a histogram or summary belongs to."""
    for suffix in ("_bucket", "_count", "_sum", "_total", "_created"):
        if name.endswith(suffix):
            return name.removesuffix(suffix)
    return name

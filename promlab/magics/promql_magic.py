"""`%promql` and `%%promql`: PromQL in a cell.

    %%promql --last 1h                       r = %promql --last 15m up
    sum by (mode) (rate(node_cpu_seconds_total[1m]))

The cell shows a live graph of the last 15 minutes; the line gives back the result object.
"""

from __future__ import annotations

from typing import Any

import traitlets
from IPython.core.getipython import get_ipython
from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand

from promlab.client import RangeVector, Result
from promlab.client.times import now_ms, to_ms
from promlab.magics.connection import Cache, Connection, clock_ms
from promlab.magics.evaluate import Window, drawable, instant, over_time, window_of
from promlab.magics.options import OPTIONS, Options, UsageError, split
from promlab.magics.query_text import is_blank, prepare

_NOW_MS = 30_000  # a window that ends this close to now is shown live


@magics_class
class PromQLMagic(Magics):  # type: ignore[misc]  # IPython's stubs are not read here
    """PromQL in a notebook; `%config PromQLMagic` lists what can be set."""

    result = traitlets.Enum(
        ("auto", "polars", "pandas"),
        "auto",
        help="What %promql gives back: the result object (auto), or a frame of it.",
    ).tag(config=True)

    def __init__(self, shell: Any, connection: Connection, cache: Cache) -> None:
        super().__init__(shell=shell, parent=shell)
        self.connection, self.cache = connection, cache

    @no_var_expand  # type: ignore[untyped-decorator]  # IPython's stubs are not read here
    @line_cell_magic  # type: ignore[untyped-decorator]  # as above
    def promql(self, line: str, cell: str | None = None) -> Any:
        """Evaluate PromQL; the options are listed below."""
        options = split(line)
        text = options.query if cell is None else _joined(options.query, cell)
        query, silent = prepare(text, self.shell.user_ns)
        if is_blank(query):
            raise UsageError("there is no query: write PromQL after %promql or under %%promql")
        client = self.connection.client(options.url)
        if cell is None:
            found, window = self._line(query, options, client)
            made = _shown_as(found, options.form or str(self.result))
            silent = silent or bool(options.target)
        else:
            found, window = self._cell(query, options, client)
            made = found
            if not silent:
                self._show(found, window, options, client)
        if options.target:
            form = options.form if options.form in ("polars", "pandas") else ""
            self.shell.user_ns[options.target] = _shown_as(found, form) if form else found
        if cell is not None and not silent:
            self.shell.displayhook.update_user_ns(found)  # `_` is the result
        return None if silent or cell is not None else made

    promql.__doc__ = (
        "Evaluate PromQL.\n\n"
        + "\n".join(f"  --{name:<11} {text}" for name, text in OPTIONS.items())
        + (
            "\n\nOptions lead; what follows is PromQL, verbatim. `name << query` assigns the"
            "\nresult, {{x}} stands for the Python variable x, and a trailing ; shows nothing."
            "\n\n  %promql up                          the result object"
            "\n  %promql --last 1h rate(x[1m])       samples of the last hour"
            "\n  %%promql --as table                 the cell's query as a table"
        )
    )

    def _line(self, query: str, options: Options, client: Any) -> tuple[Result, Window | None]:
        if not options.is_range:
            return instant(client, query, options), None
        window = window_of(options, client, self.cache)
        return over_time(client, query, window), window

    def _cell(self, query: str, options: Options, client: Any) -> tuple[Result, Window | None]:
        wants_table = options.form == "table" and not options.is_range
        if options.at or wants_table:
            return instant(client, query, options), None
        window = window_of(options, client, self.cache)
        found = over_time(client, query, window)
        if isinstance(found, RangeVector) and found.step_ms and options.form in ("", "chart"):
            fitting = drawable(client, query, window, found)
            if fitting.step_ms != window.step_ms:
                note = f"a step of {fitting.step_ms / 1000:g} s, so that all of it can be drawn"
                window = window._replace(step_ms=fitting.step_ms, note=note)
            return fitting, window
        return found, window

    def _show(self, found: Result, window: Window | None, options: Options, client: Any) -> None:
        from IPython.display import display

        from promlab.magics import show

        if options.form in ("polars", "pandas"):
            display(show.as_form(found, options.form))
        elif (
            not isinstance(found, RangeVector)
            or options.form == "table"
            or (
                # An empty graph of a server that has only just started will fill.
                not found and (options.url or not self.connection.is_young)
            )
        ):
            show.show_table(found)
        elif window is None or not found.step_ms or not _has_widgets():
            show.show_graph(found)
        else:
            ends = to_ms(options.end or None, clock_ms(client))
            is_now = options.at == "" and abs(now_ms() - ends) < _NOW_MS
            show.show_live(client, found, window, live=options.live, is_now=is_now)


def _joined(rest: str, cell: str) -> str:
    """A query may begin on the magic's own line."""
    return f"{rest}\n{cell}" if rest.strip() else cell


def _shown_as(found: Result, form: str) -> Any:
    from promlab.magics.show import as_form

    return found if form in ("", "auto", "table") else as_form(found, form)


def _has_widgets() -> bool:
    """Whether a kernel is there that a front end can hold a widget of."""
    shell = get_ipython()
    if shell is None or not hasattr(shell, "kernel"):
        return False
    try:
        import anywidget  # noqa: F401 - is it there?
        import vl_convert  # noqa: F401 - is it there?
    except ImportError:
        return False
    return True

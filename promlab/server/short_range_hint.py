"""A hint beside an empty answer: a range of the query holds fewer samples than its function needs.

It goes into a header of promlab's own, so that the answer stays Prometheus's. Looked for only
where a query gave nothing, at most once a minute for the same text, and never at the price of
many samples.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TYPE_CHECKING

from promlab.errors import PromlabError
from promlab.model.storage import SelectHints
from promlab.promql.ast import Expr
from promlab.promql.result import InstantVector, Matrix, Value
from promlab.promql.short_ranges import Window, advice, spacing_ms, windows_of_two
from promlab.server.sources import ApiScope

if TYPE_CHECKING:
    from promlab.server.context import Context

HEADER = b"x-promlab-hint"
_KEPT = 512
_FRESH_S = 60.0
_SAMPLES = 100_000  # of all series that are looked at
_BACK_MS = 600_000
_PATIENCE_S = 1.0
_MOST_WINDOWS = 4
_OF_SERIES = InstantVector, Matrix


class ShortRangeHints:
    """Hints by query, as long as they are fresh."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, tuple[float, str]] = OrderedDict()

    def known(self, text: str) -> str | None:
        """What was said of this query a moment ago; None if nobody has looked."""
        looked_s, hint = self._known.get(text, (0.0, ""))
        return hint if time.monotonic() - looked_s < _FRESH_S and looked_s else None

    def look(self, context: Context, text: str, expr: Expr, end_ms: int) -> str:
        """What there is to say of a query that gave nothing; looks at what is stored."""
        hint = ""
        for window in list(windows_of_two(expr))[:_MOST_WINDOWS]:
            hint = hint or advice(window, _spacing_ms(context, window, end_ms))
        return self.keep(text, hint)

    def keep(self, text: str, hint: str) -> str:
        """Remember what there is to say of a query."""
        self._known[text] = time.monotonic(), hint
        self._known.move_to_end(text)
        while len(self._known) > _KEPT:
            self._known.popitem(last=False)
        return hint


def is_empty(value: Value) -> bool:
    """Whether a query gave nothing: a short range may be why."""
    return isinstance(value, _OF_SERIES) and not value.labels.n


def may_be_short(expr: Expr) -> bool:
    """Whether a query has a range that can be too short."""
    return next(iter(windows_of_two(expr)), None) is not None


def header(hint: str) -> list[tuple[bytes, bytes]]:
    """The header, where there is a hint; names of metrics come from outside."""
    if not hint:
        return []
    plain = "".join(char if char.isprintable() else " " for char in hint)
    return [(HEADER, plain.encode("ascii", "backslashreplace"))]


def _spacing_ms(context: Context, window: Window, end_ms: int) -> int:
    selector = window.selector
    if selector.at is not None or selector.offset:
        return 0
    back_ms = max(_BACK_MS, 4 * window.range_ms)
    scope = ApiScope(context.stored(), time.monotonic() + _PATIENCE_S)
    hints = SelectHints(max_samples=_SAMPLES)
    try:
        batch = context.within(scope).select(selector.matchers, end_ms - back_ms, end_ms, hints)
    except PromlabError:
        return 0
    return spacing_ms(batch.series(0)[0]) if batch.n else 0

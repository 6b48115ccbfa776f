"""Exemplars of OpenMetrics: the trace, or other labels, behind one sample.

They are few and mostly unread, so they are decoded one by one, when asked for.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from promlab.exposition.strings import read_float, unescape

_LABEL = re.compile(r'(?:"((?:\\.|[^"\\])*)"|([A-Za-z_][A-Za-z0-9_]*))="((?:\\.|[^"\\])*)",?')


class Exemplar(NamedTuple):
    """An example behind the sample of `row`; `t_ms` is None where it says no time."""

    row: int
    labels: dict[str, str]
    value: float
    t_ms: int | None


def read_exemplar(row: int, text: str) -> Exemplar:
    """The exemplar in `text`, whose syntax `scan_kernels` has checked.

    `text` begins with its `{`. Raises ValueError for a number out of range.
    """
    labels, at = {}, 1
    while found := _LABEL.match(text, at):
        name = found[2] or unescape(found[1])
        labels[name] = unescape(found[3])
        at = found.end()
    numbers = text[at + 2 :].split()
    t_ms = milliseconds(numbers[1]) if len(numbers) > 1 else None
    return Exemplar(row, labels, read_float(numbers[0]), t_ms)


def milliseconds(token: str) -> int:
    """A time in seconds, as OpenMetrics writes it, in ms: what is beyond 64 bits is cut."""
    return int(max(min(read_float(token) * 1000, 9.2e18), -9.2e18))

"""Labels of scraped series: those of the target, metric relabelling, and limits.

Everything here works on a whole layout at once, and only when a layout is new.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from promlab.config.limits import Limits
from promlab.config.relabelling import relabel
from promlab.config.scrape import ScrapeConfig
from promlab.errors import ScrapeError
from promlab.model.labels import METRIC_NAME, Codes, LabelTable

Rows = npt.NDArray[np.int64]
EXPORTED = "exported_"
_LEGACY_METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LEGACY_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


class LabelLimitExceeded(ScrapeError):
    """A series has more or longer labels than it may."""


def final_labels(
    table: LabelTable, target: Mapping[str, str], job: ScrapeConfig
) -> tuple[LabelTable, Rows]:
    """Labels as they are stored, and for each row its row in `table`."""
    merged = _honored(table, target) if job.honor_labels else _renamed(table, target)
    return relabel(merged, job.metric_relabel_configs)


def _constant(table: LabelTable, text: str) -> Codes:
    return np.full(table.n, table.symbols.code(text), np.uint32)


def _honored(table: LabelTable, target: Mapping[str, str]) -> LabelTable:
    """The target's labels where the series itself does not mention them."""
    for name, text in target.items():
        own = table.column(name)
        table = table.replace(name, np.where(own != 0, own, table.symbols.code(text)))
    return table


def _renamed(table: LabelTable, target: Mapping[str, str]) -> LabelTable:
    """The target's labels everywhere; what stood there before gets the name `exported_x`."""
    conflicts = {name: codes for name in target if (codes := table.column(name)).any()}
    for name, text in target.items():
        table = table.replace(name, _constant(table, text))
    for name in sorted(conflicts, key=len):
        codes, renamed = conflicts[name], name
        waiting = codes != 0
        while waiting.any():
            renamed = EXPORTED + renamed
            there = table.column(renamed)
            fits = waiting & (there == 0)
            table = table.replace(renamed, np.where(fits, codes, there))
            waiting &= ~fits
    return table


def check_names(table: LabelTable, scheme: str) -> None:
    """Every series has a name, and names are valid. Raises ScrapeError."""
    names = table.column(METRIC_NAME)
    if table.n and not names.all():
        raise ScrapeError("missing metric name (__name__ label)")
    if scheme != "legacy":
        return
    for text in table.symbols.texts(np.unique(names)):
        if _LEGACY_METRIC.fullmatch(text) is None:
            raise ScrapeError(f"invalid metric name {text[:50]!r}: the scheme is legacy")
    for name, codes in table.columns.items():
        if codes.any() and _LEGACY_LABEL.fullmatch(name) is None:
            raise ScrapeError(f"invalid label name {name[:50]!r}: the scheme is legacy")


def check_limits(table: LabelTable, limits: Limits) -> None:
    """No series has more or longer labels than allowed. Raises LabelLimitExceeded."""
    if table.n == 0:
        return
    if limits.label_limit:
        counts = np.zeros(table.n, np.int64)
        for codes in table.columns.values():
            counts += codes != 0
        row = int(counts.argmax())
        if counts[row] > limits.label_limit:
            raise LabelLimitExceeded(
                f"label_limit exceeded (metric: {_metric(table, row)}, "
                f"number of labels: {counts[row]}, limit: {limits.label_limit})"
            )
    for name, codes in table.columns.items():
        _check_lengths(table, name, codes, limits)


def _check_lengths(table: LabelTable, name: str, codes: Codes, limits: Limits) -> None:
    most_name, most_value = limits.label_name_length_limit, limits.label_value_length_limit
    if most_name and len(name.encode()) > most_name and codes.any():
        row = int((codes != 0).argmax())
        raise LabelLimitExceeded(
            f"label_name_length_limit exceeded (metric: {_metric(table, row)}, "
            f"label name: {name[:50]}, length: {len(name.encode())}, limit: {most_name})"
        )
    if not most_value:
        return
    for code in np.unique(codes).tolist():
        text = table.symbols.text(code)
        if len(text.encode()) > most_value:
            row = int((codes == code).argmax())
            raise LabelLimitExceeded(
                f"label_value_length_limit exceeded (metric: {_metric(table, row)}, "
                f'label name: {name[:50]}, value: "{text[:50]}", '
                f"length: {len(text.encode())}, limit: {most_value})"
            )


def _metric(table: LabelTable, row: int) -> str:
    return table.symbols.text(int(table.column(METRIC_NAME)[row]))[:50]

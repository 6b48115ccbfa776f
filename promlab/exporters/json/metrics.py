"""Families of a document. A value that is no number is left out, told in the log, and counted."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping
from typing import Any

from promlab.errors import ScrapeError
from promlab.exporters.families import Family, LabelKey
from promlab.exporters.json.modules import Metric
from promlab.exporters.json.paths import Path, shown

logger = logging.getLogger(__name__)

MAX_SAMPLES = 1_000_000
_WORDS = {"true": 1.0, "false": 0.0, "null": math.nan}


class Reading:
    """What is read from one document."""

    def __init__(self, document: Any) -> None:
        self._document = document
        self._made: dict[str, Family] = {}
        self._seen: set[tuple[str, LabelKey]] = set()
        self.left_out = 0

    def families(self, metrics: Iterable[Metric]) -> list[Family]:
        """The families of these metrics. Raises ScrapeError if they are without end."""
        for metric in metrics:
            assert metric.path is not None
            try:
                found = metric.path.find(self._document)
            except ScrapeError as error:
                self._leave_out(metric.name, error)
                continue
            for item in found:
                self._add(metric, item)
            if len(self._seen) > MAX_SAMPLES:
                raise ScrapeError(f"the document makes more than {MAX_SAMPLES:,} samples")
        return list(self._made.values())

    def _leave_out(self, name: str, error: ScrapeError) -> None:
        logger.error("%s: %s", name, error)
        self.left_out += 1

    def _add(self, metric: Metric, item: Any) -> None:
        # An object's labels are its own, a value's those of the whole document.
        around = item if metric.type == "object" else self._document
        try:
            labels = {name: metric.labels[name].render(around) for name in sorted(metric.labels)}
            stamp_ms = _stamp(metric.epoch_timestamp, around)
            values = {
                f"{metric.name}_{name}": t.render(item, "null") for name, t in metric.values.items()
            }
        except ScrapeError as error:
            self._leave_out(metric.name, error)
            return
        if metric.type == "value":
            values = {metric.name: shown(item)}
        for name, text in values.items():
            try:
                self._sample(name, metric, labels, number(text), stamp_ms)
            except ScrapeError as error:
                self._leave_out(name, error)

    def _sample(
        self,
        name: str,
        metric: Metric,
        labels: Mapping[str, str],
        value: float,
        stamp_ms: int | None,
    ) -> None:
        key = (name, tuple(labels.items()))
        if key in self._seen:
            raise ScrapeError(f"two samples have the labels {labels}: add one that differs")
        self._seen.add(key)
        family = self._made.setdefault(name, Family(name, metric.value_type, metric.help))
        if stamp_ms is not None:
            family.stamps[len(family.samples)] = stamp_ms
        family.add(value, labels)


def number(text: str) -> float:
    """The number that a value is: booleans are 1 and 0, null is NaN. Raises ScrapeError."""
    word = text.strip().lower()
    if word in _WORDS:
        return _WORDS[word]
    try:
        return float(word)
    except ValueError:
        raise ScrapeError(f"{text[:80]!r} is no number") from None


def _stamp(path: Path | None, document: Any) -> int | None:
    """The time that a sample is of, in ms; None where it is not told."""
    found = path.find(document) if path is not None else []
    if not found:
        return None
    value = number(shown(found[0]))
    if not math.isfinite(value) or abs(value) > 2**53:
        raise ScrapeError(f"the time stamp {shown(found[0])[:80]!r} is no Unix time in ms")
    return int(value)

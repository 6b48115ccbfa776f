"""Classic histograms of a `load_with_nhcb`, as native ones with custom buckets."""

from __future__ import annotations

import math

from promlab.promqltest.histograms import Plain
from promlab.promqltest.script import Load
from promlab.promqltest.series import Labels, Value

Parts = dict[str, dict[str, list[Value]]]  # bucket, sum and count; by le


def custom_series(command: Load) -> list[tuple[Labels, list[tuple[int, Plain]]]]:
    """Histograms with custom buckets, one series a classic histogram."""
    classic: dict[tuple[tuple[str, str], ...], Parts] = {}
    for series in command.series:
        name, _, part = series.labels["__name__"].rpartition("_")
        if part not in ("bucket", "sum", "count"):
            continue
        labels = {**series.labels, "__name__": name}
        le = labels.pop("le", "")
        parts = classic.setdefault(tuple(sorted(labels.items())), {})
        parts.setdefault(part, {})[le] = series.values
    found = ((key, parts) for key, parts in classic.items() if _bounds(parts))
    return [(dict(key), _samples(parts, command.step_ms)) for key, parts in found]


def _bounds(parts: Parts) -> list[tuple[float, list[Value]]]:
    """The buckets in order; what has no number as its bound is none."""
    found = []
    for le, values in parts.get("bucket", {}).items():
        try:
            bound = float(le)
        except ValueError:
            continue
        if not math.isnan(bound):
            found.append((bound, values))
    return sorted(found, key=lambda pair: pair[0])


def _samples(parts: Parts, step_ms: int) -> list[tuple[int, Plain]]:
    buckets = _bounds(parts)
    bounds = tuple(bound for bound, _ in buckets if bound != math.inf)
    samples = []
    for i in range(max(len(values) for _, values in buckets)):
        given = [values[i] if i < len(values) else None for _, values in buckets]
        counts = [count for count in given if isinstance(count, float)]
        if len(counts) < len(buckets):
            continue
        each = [b - a for a, b in zip([0.0, *counts], counts, strict=False)]
        count = _at(parts, "count", i, counts[-1])
        if len(each) == len(bounds):
            each.append(count - counts[-1])
        filled = {at: c for at, c in enumerate(each) if c}
        total = _at(parts, "sum", i, 0.0)
        samples.append((i * step_ms, Plain(-53, count, total, positive=filled, bounds=bounds)))
    return samples


def _at(parts: Parts, part: str, i: int, otherwise: float) -> float:
    """The i-th value of the sum or the count."""
    values = parts.get(part, {}).get("", [])
    value = values[i] if i < len(values) else None
    return value if isinstance(value, float) else otherwise

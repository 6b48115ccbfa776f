"""The JSON of the gateway's API, version 1: its state, and what was pushed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from promlab import __version__
from promlab.exporters.families import Family, LabelKey, Native, label_key
from promlab.model.float_text import go_number
from promlab.pushgateway.exposure import group_families
from promlab.pushgateway.store import Group, Store

_FLOAT_LABELS = {"histogram": "le", "summary": "quantile"}


def answer(data: Any) -> bytes:
    """The envelope of a success."""
    return msgspec.json.encode({"status": "success", "data": data})


def status(flags: Mapping[str, str], started_s: float) -> dict[str, Any]:
    """Flags, build and start of the gateway."""
    build = {
        "branch": "",
        "buildDate": "",
        "buildUser": "",
        "goVersion": "",
        "revision": "",
        "version": __version__,
    }
    return {"build_information": build, "flags": flags, "start_time": rfc3339(started_s)}


def metrics(store: Store) -> list[dict[str, Any]]:
    """All groups, each with its metrics by name. Numbers are texts, as in the metrics."""
    return [_group(group) for group in store.in_order()]


def _group(group: Group) -> dict[str, Any]:
    last_s = max(group.pushed_s, group.failure_s)
    found: dict[str, Any] = {
        "labels": dict(group.key),
        "last_push_successful": group.is_good,
        **{
            family.name: _family(family, last_s)
            for family in group_families([group])
            if family.samples
        },
    }
    for name, one in group.families.items():
        found[name] = _family(one.family, one.time_s)
    return found


def _family(family: Family, time_s: float) -> dict[str, Any]:
    found: dict[str, Any] = {"time_stamp": rfc3339(time_s), "type": family.type.upper()}
    if family.help:
        found["help"] = family.help
    float_label = _FLOAT_LABELS.get(family.type, "")
    metrics: dict[LabelKey, dict[str, Any]] = {}
    for name, labels, value in family.samples:
        key = label_key(labels, float_label)
        metric = metrics.setdefault(key, {"labels": dict(key)})
        text = go_number(value)
        if not float_label:
            metric["value"] = text
        elif float_label in labels:
            parts = metric.setdefault("buckets" if float_label == "le" else "quantiles", {})
            parts[go_number(float(labels[float_label]))] = text
        else:
            metric[name.rpartition("_")[2]] = text
    for key, native in family.natives.items():
        metrics[key]["buckets"] = native_buckets(native)
    found["metrics"] = list(metrics.values())
    return found


def native_buckets(native: Native) -> list[tuple[int, str, str, str]]:
    """Buckets from the lowest to the highest: bounds, count, and which bounds are inside.

    0: the upper one, 1: the lower one, 3: both.
    """
    growth = 2.0**-native.schema
    negative, positive = native.negative, native.positive
    rows: list[tuple[int, float, float, float]] = [
        (1, -_bound(i * growth), -_bound((i - 1) * growth), negative[i])
        for i in sorted(negative, reverse=True)
    ]
    rows.append((3, -native.zero_threshold, native.zero_threshold, native.zero_count))
    rows += [
        (0, _bound((i - 1) * growth), _bound(i * growth), positive[i]) for i in sorted(positive)
    ]
    return [
        (kind, go_number(low), go_number(high), go_number(count))
        for kind, low, high, count in rows
        if count
    ]


def _bound(power: float) -> float:
    return float("inf") if power >= 1024 else 2.0**power


def rfc3339(time_s: float) -> str:
    """A Unix time as text; the year 1 for never, as in Go."""
    if time_s <= 0:
        return "0001-01-01T00:00:00Z"
    return datetime.fromtimestamp(time_s, UTC).isoformat().replace("+00:00", "Z")

"""What a unit test expected beside what it got, compared and put into promtool's words."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from promlab.model.histograms import GAUGE, NOT_RESET, RESET
from promlab.promql.native_histograms import texts
from promlab.promql.result import InstantVector, QueryResult, Scalar
from promlab.promql.texts import label_set_text, short_float_text
from promlab.promqltest.compare import same
from promlab.promqltest.histograms import Plain, parse_histogram, plain_row, table_of
from promlab.promqltest.memory import MemoryQuerier
from promlab.promqltest.series import read_labels
from promlab.ruletest.file import AlertTest, ExpectedSample

if TYPE_CHECKING:
    from promlab.ruletest.run import Firing

_HINTS = {RESET: "reset", NOT_RESET: "not_reset", GAUGE: "gauge"}


class Sample(NamedTuple):
    """A series with its value at one time."""

    labels: Mapping[str, str]
    value: float | Plain


def samples_of(result: QueryResult) -> list[Sample]:
    """The samples of an instant query. Raises ValueError for what has none."""
    value = result.value
    if isinstance(value, Scalar):
        return [Sample({}, value.value)]
    if not isinstance(value, InstantVector):
        raise ValueError("the expression gives neither a vector nor a scalar")
    found: list[Sample] = []
    column = value.histograms
    for row, labels in enumerate(value.labels.rows()):
        at = -1 if column is None else int(column.index[row])
        if column is not None and at >= 0:
            found.append(Sample(dict(labels), plain_row(column.table, at)))
        else:
            found.append(Sample(dict(labels), float(value.values[row])))
    return found


def expected(sample: ExpectedSample) -> Sample:
    """A sample as the file has it. Raises ScriptError."""
    labels, _ = read_labels(sample.labels.strip())
    kept = {name: value for name, value in labels.items() if value}
    value = parse_histogram(sample.histogram) if sample.histogram else sample.value
    return Sample(kept, value)


def same_samples(got: Sequence[Sample], wanted: Sequence[Sample], *, fuzzy: bool) -> bool:
    """Whether both have the same series with the same values, in any order."""
    if len(got) != len(wanted):
        return False
    pairs = zip(sorted(got, key=_key), sorted(wanted, key=_key), strict=True)
    return all(
        dict(a.labels) == dict(b.labels) and _equal(a.value, b.value, fuzzy) for a, b in pairs
    )


def _equal(got: float | Plain, wanted: float | Plain, fuzzy: bool) -> bool:
    if isinstance(got, Plain) or isinstance(wanted, Plain):
        return same(got, wanted)
    if got == wanted or (math.isnan(got) and math.isnan(wanted)):
        return True
    # One step of a float to either side.
    return fuzzy and math.nextafter(got, wanted) == wanted


def _key(sample: Sample) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(sample.labels.items()))


def same_alerts(got: Sequence[Firing], wanted: Sequence[Firing]) -> bool:
    """Whether the same alerts fire, with the same annotations, in any order."""
    return _sorted(got) == _sorted(wanted)


def _sorted(alerts: Sequence[Firing]) -> list[tuple[list[tuple[str, str]], ...]]:
    return sorted((sorted(a.labels.items()), sorted(a.annotations.items())) for a in alerts)


def alerts_text(name: str, test: AlertTest, got: Sequence[Firing], wanted: Sequence[Firing]) -> str:
    """Which alerts should fire, and which do."""
    head = f"    name: {name},\n" if name else ""
    when = go_duration(test.eval_time_ms)
    return (
        f"{head}    alertname: {test.alertname}, time: {when}, \n"
        f"        exp:{_alert_list(wanted)}, \n        got:{_alert_list(got)}"
    )


def _alert_list(alerts: Sequence[Firing]) -> str:
    if not alerts:
        return "[]"
    ordered = sorted(alerts, key=lambda alert: sorted(alert.labels.items()))
    items = [
        f"            {i}:\n              Labels:{label_set_text(alert.labels)}\n"
        f"              Annotations:{label_set_text(alert.annotations)}"
        for i, alert in enumerate(ordered)
    ]
    return "[\n" + ",\n".join(items) + "\n            ]"


def samples_text(samples: Sequence[Sample]) -> str:
    """`{__name__="a"} 5E+00, …`, `nil` for none."""
    return ", ".join(
        f"{label_set_text(sample.labels)} {_value(sample.value)}"
        for sample in sorted(samples, key=_key)
    ) or "nil"  # fmt: skip


def _value(value: float | Plain) -> str:
    if isinstance(value, Plain):
        return histogram_text(value)
    if math.isnan(value) or math.isinf(value):
        return short_float_text(value)
    digits, _, exponent = f"{value!r}".partition("e")
    if exponent or value == 0:
        return f"{digits.removesuffix('.0')}E{int(exponent or 0):+03d}"
    power = math.floor(math.log10(abs(value)))
    plain = digits.lstrip("-").removesuffix(".0").replace(".", "").lstrip("0").rstrip("0")
    sign = "-" if value < 0 else ""
    return f"{sign}{plain[0]}{'.' + plain[1:] if plain[1:] else ''}E{power:+03d}"


def histogram_text(plain: Plain) -> str:
    """A histogram in the notation of promqltest."""
    parts = []
    if plain.schema:
        parts.append(f"schema:{plain.schema}")
    if plain.count:
        parts.append(f"count:{_short(plain.count)}")
    if plain.sum:
        parts.append(f"sum:{_short(plain.sum)}")
    if plain.zero_count:
        parts.append(f"z_bucket:{_short(plain.zero_count)}")
    if plain.zero_threshold:
        parts.append(f"z_bucket_w:{_short(plain.zero_threshold)}")
    if plain.bounds:
        parts.append(f"custom_values:[{' '.join(map(_short, plain.bounds))}]")
    if plain.hint in _HINTS:
        parts.append(f"counter_reset_hint:{_HINTS[plain.hint]}")
    parts += _side(plain.positive, "")
    parts += _side(plain.negative, "n_")
    return "{{" + " ".join(parts) + "}}"


def _side(buckets: Mapping[int, float], prefix: str) -> list[str]:
    if not buckets:
        return []
    first, last = min(buckets), max(buckets)
    offset = [f"{prefix}offset:{first}"] if first else []
    counts = " ".join(_short(buckets.get(i, 0.0)) for i in range(first, last + 1))
    return [*offset, f"{prefix}buckets:[{counts}]"]


_short = short_float_text


def dump(memory: MemoryQuerier) -> str:
    """Every sample in memory, one a line, as `--debug` shows them."""
    lines = []
    for key, samples in sorted(memory.samples.items()):
        lines.append(f"{label_set_text(dict(key))} =>")
        for t, value in sorted(samples.items()):
            shown = (
                texts(table_of([value]))[0] if isinstance(value, Plain) else short_float_text(value)
            )
            lines.append(f"{shown} @[{t}]")
    return "\n".join(lines)


def escaped(text: str) -> str:
    """As between double quotes."""
    return json.dumps(text, ensure_ascii=False)[1:-1]


def go_duration(ms: int) -> str:
    """A time as promtool shows it: `3m`, `1m30s`, `0s`."""
    from promlab.model.durations import format_duration_ms

    return format_duration_ms(ms) if ms else "0s"

"""Metrics printed as text, for numbers that are counted elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from promlab.model.float_text import format_float
from promlab.model.quantiles import Window

# Of durations that should be even: the shortest ones are of interest, too.
SHARES = (0.01, 0.05, 0.5, 0.9, 0.99)


class MetricText:
    """A text in the exposition format, family by family."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def text(self) -> str:
        """All that was added."""
        return "".join(line + "\n" for line in self._lines)

    def gauge(self, name: str, help_text: str, value: float) -> None:
        """A gauge without labels."""
        self._family(name, "gauge", help_text)
        self._sample(name, {}, value)

    def counter(self, name: str, help_text: str, value: float) -> None:
        """A counter without labels."""
        self._family(name, "counter", help_text)
        self._sample(name, {}, value)

    def gauges(self, prefix: str, values: Mapping[str, tuple[str, float]]) -> None:
        """Gauges without labels: help and value of each by its name behind the prefix."""
        for name, (help_text, value) in values.items():
            self.gauge(prefix + name, help_text, value)

    def counters(self, prefix: str, values: Mapping[str, tuple[str, float]]) -> None:
        """Counters without labels, as `gauges`."""
        for name, (help_text, value) in values.items():
            self.counter(prefix + name, help_text, value)

    def labelled(
        self,
        name: str,
        kind: str,
        help_text: str,
        label: str,
        values: Mapping[str, float],
        more: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """A family with one sample per value of a label; `more` are labels of all."""
        if values:
            self._family(name, kind, help_text)
        for value, number in values.items():
            self._sample(name, {label: value, **more}, number)

    def summary(
        self,
        name: str,
        help_text: str,
        label: str,
        sums: Mapping[str, float],
        counts: Mapping[str, float],
    ) -> None:
        """A summary without quantiles, one per value of a label; "" for a single one."""
        if sums:
            self._family(name, "summary", help_text)
        for value, number in sums.items():
            own = {label: value} if label else {}
            self._sample(f"{name}_sum", own, number)
            self._sample(f"{name}_count", own, counts.get(value, 0))

    def family(
        self,
        name: str,
        kind: str,
        help_text: str,
        samples: Iterable[tuple[str, Mapping[str, str], float]],
    ) -> None:
        """A family with these samples: name, labels, value of each."""
        self._family(name, kind, help_text)
        for sample, labels, value in samples:
            self._sample(sample, labels, value)

    def windows(
        self,
        name: str,
        help_text: str,
        label: str,
        windows: Mapping[str, Window],
        shares: Sequence[float] = (0.5, 0.9, 0.99),
    ) -> None:
        """A summary with quantiles, one per value of a label; `label` "" for a single one."""
        if windows:
            self._family(name, "summary", help_text)
        for value, window in windows.items():
            own = {label: value} if label else {}
            for share, found in zip(shares, window.quantiles(shares), strict=True):
                self._sample(name, {**own, "quantile": format_float(share)}, found)
            self._sample(f"{name}_sum", own, window.sum)
            self._sample(f"{name}_count", own, window.count)

    def _family(self, name: str, kind: str, help_text: str) -> None:
        self._lines += [f"# HELP {name} {help_text}", f"# TYPE {name} {kind}"]

    def _sample(self, name: str, labels: Mapping[str, str], value: float) -> None:
        shown = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
        self._lines.append(f"{name}{'{' + shown + '}' if shown else ''} {format_float(value)}")


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")

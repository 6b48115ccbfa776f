"""An alert: labels, times, and how two reports of the same alert become one.

Alerts with the same labels are the same alert. Times are milliseconds since 1970; an alert is
resolved at and after `ends_ms`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

Labels = dict[str, str]
Key = frozenset[tuple[str, str]]

_OFFSET = 14695981039346656037
_PRIME = 1099511628211
_SEPARATOR = b"\xff"


@dataclass(slots=True, eq=False)
class Alert:
    """One alert as it was last reported.

    `timeout` says that nobody named an end: it ends when it is not reported again.
    """

    labels: Labels
    annotations: Labels
    starts_ms: int
    ends_ms: int
    updated_ms: int
    generator_url: str = ""
    timeout: bool = False
    fingerprint: int = 0

    @property
    def name(self) -> str:
        """The label alertname."""
        return self.labels.get("alertname", "")

    @property
    def hex(self) -> str:
        """The fingerprint as text."""
        return f"{self.fingerprint:016x}"

    def resolved_at(self, t_ms: int) -> bool:
        """Whether it has ended by then."""
        return self.ends_ms <= t_ms

    def merged(self, older: Alert) -> Alert:
        """This report together with an older one of the same alert, whose times overlap.

        The earliest start stands, and the newest annotations. Of two ends the newer report's
        stands, unless somebody named a later one before: a mere timeout does not count.
        """
        starts_ms, ends_ms = min(self.starts_ms, older.starts_ms), self.ends_ms
        if older.ends_ms > ends_ms:
            if self.resolved_at(self.updated_ms):
                stands = older.resolved_at(self.updated_ms)
            else:
                stands = not older.timeout
            ends_ms = older.ends_ms if stands else ends_ms
        return replace(self, starts_ms=starts_ms, ends_ms=ends_ms)

    def overlaps(self, other: Alert) -> bool:
        """Whether this alert's end or start lies within the other's time."""
        return (self.ends_ms > other.starts_ms and self.ends_ms < other.ends_ms) or (
            self.starts_ms > other.starts_ms and self.starts_ms < other.ends_ms
        )


def fingerprint(labels: Mapping[str, str]) -> int:
    """64-bit FNV-1a over the sorted labels: the identity of an alert."""
    number = _OFFSET
    for name in sorted(labels):
        for byte in name.encode() + _SEPARATOR + labels[name].encode() + _SEPARATOR:
            number = (number ^ byte) * _PRIME & 0xFFFFFFFFFFFFFFFF
    return number


def fingerprints(sets: Sequence[Mapping[str, str]]) -> list[int]:
    """Fingerprints of many label sets: a column of bytes at a time instead of a byte."""
    if len(sets) < 8:
        return [fingerprint(labels) for labels in sets]
    texts = [
        "".join(f"{name}\x00{labels[name]}\x00" for name in sorted(labels))
        .encode("utf-8", "surrogatepass")
        .replace(b"\x00", _SEPARATOR)
        for labels in sets
    ]
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    order = np.argsort(-lengths, kind="stable")
    longest = int(lengths.max(initial=0))
    columns = np.zeros((longest, len(texts)), np.uint64)
    for row, i in enumerate(order.tolist()):
        columns[: lengths[i], row] = np.frombuffer(texts[i], np.uint8)
    # Rows are sorted by length: a column ends where the texts that long end.
    ends = len(texts) - np.searchsorted(np.sort(lengths), np.arange(longest), side="right")
    state = np.full(len(texts), _OFFSET, np.uint64)
    prime = np.uint64(_PRIME)
    for at in range(longest):
        part = state[: ends[at]]
        np.bitwise_xor(part, columns[at, : ends[at]], out=part)
        np.multiply(part, prime, out=part)
    found = np.empty(len(texts), np.uint64)
    found[order] = state
    return [int(number) for number in found]


def common(sets: Iterable[Mapping[str, str]]) -> Labels:
    """What all label sets have in common."""
    rest = iter(sets)
    first = next(rest, None)
    if first is None:
        return {}
    shared = dict(first)
    for labels in rest:
        for name in [n for n, value in shared.items() if labels.get(n) != value]:
            del shared[name]
        if not shared:
            break
    return shared


def order(alert: Alert) -> tuple[str, str, list[tuple[str, str]]]:
    """How alerts stand in a notification: by job, instance, then the other labels."""
    labels = alert.labels
    return labels.get("job", ""), labels.get("instance", ""), sorted(labels.items())

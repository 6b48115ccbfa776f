"""What the gateway says about itself: requests, pushes, its build and its process."""

from __future__ import annotations

import platform
import sys
import time
from collections import deque
from collections.abc import Iterable

from promlab import __version__
from promlab.exporters.families import Family, counter, info, number_text
from promlab.exporters.own_process import OwnProcess

_QUANTILES = (0.1, 0.5, 0.9)
_WINDOW_S = 600.0
_MAX_KEPT = 2_000
_PREFIX = "pushgateway_"
BUILD = {
    "branch": "",
    "goarch": {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine()),
    "goos": sys.platform,
    "goversion": "",
    "revision": "",
    "tags": "",
    "version": __version__,
}


class Recent:
    """A summary's observations: quantiles of the last ten minutes, sum and count of all."""

    def __init__(self) -> None:
        self._kept: deque[tuple[float, float]] = deque(maxlen=_MAX_KEPT)
        self._sum, self._count = 0.0, 0

    def observe(self, value: float) -> None:
        """Count one observation."""
        self._kept.append((time.monotonic(), value))
        self._sum += value
        self._count += 1

    def add_to(self, family: Family, labels: dict[str, str]) -> None:
        """Append the samples of the summary."""
        oldest = time.monotonic() - _WINDOW_S
        found = sorted(value for when, value in self._kept if when >= oldest)
        for quantile in _QUANTILES:
            value = found[round(quantile * (len(found) - 1))] if found else float("nan")
            family.add(value, {**labels, "quantile": number_text(quantile)})
        family.add(self._sum, labels, suffix="_sum")
        family.add(self._count, labels, suffix="_count")


class OwnMetrics:
    """Counts what is done with the gateway."""

    def __init__(self) -> None:
        self.started_s = time.time()
        self._requests: dict[tuple[str, str, str], int] = {}
        self._seconds: dict[str, Recent] = {}
        self._bytes: dict[str, Recent] = {}
        self._process = OwnProcess()

    @property
    def types(self) -> dict[str, str]:
        """Names and types, those that have no samples yet included."""
        return {family.name: family.type for family in self.families()}

    def request_done(self, handler: str, method: str, status: int) -> None:
        """Count an answer."""
        key = (str(status), handler, method.lower())
        self._requests[key] = self._requests.get(key, 0) + 1

    def push_done(self, method: str, took_s: float, size: int) -> None:
        """Count a push."""
        self._seconds.setdefault(method.lower(), Recent()).observe(took_s)
        self._bytes.setdefault(method.lower(), Recent()).observe(size)

    def families(self) -> list[Family]:
        """The families of this moment."""
        requests = counter(
            f"{_PREFIX}http_requests_total",
            "Total HTTP requests processed by the Pushgateway, excluding scrapes.",
        )
        for (code, handler, method), count in sorted(self._requests.items()):
            requests.add(count, {"code": code, "handler": handler, "method": method})
        return [
            info(f"{_PREFIX}build_info", "Version of promlab, in the Pushgateway's labels.", BUILD),
            requests,
            _summary(
                "http_push_duration_seconds", "HTTP request duration for pushes.", self._seconds
            ),
            _summary("http_push_size_bytes", "HTTP request size for pushes.", self._bytes),
            *self._process.families(),
        ]


def _summary(name: str, help_: str, found: dict[str, Recent]) -> Family:
    family = Family(_PREFIX + name, "summary", help_)
    for method, recent in sorted(found.items()):
        recent.add_to(family, {"method": method})
    return family


def merged(families: Iterable[Family]) -> list[Family]:
    """One family a name, in the order of their names; the first one's help counts."""
    by_name: dict[str, Family] = {}
    for family in sorted(families, key=lambda family: family.name):
        known = by_name.get(family.name)
        if known is None:
            known = by_name[family.name] = Family(family.name, family.type, family.help)
        at = len(known.samples)
        known.samples += family.samples
        known.exemplars.update((i + at, one) for i, one in family.exemplars.items())
        known.created.update(family.created)
        known.natives.update(family.natives)
    return list(by_name.values())

"""The `global` and `runtime` sections."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace

from promlab.config import kinds
from promlab.config.document import At
from promlab.config.kinds import Kind
from promlab.config.limits import Limits, protocols
from promlab.config.section import Section, inline, opt, record

_INTERVAL_MS = 60_000
_TIMEOUT_MS = 10_000
_VARIABLE = re.compile(r"\$(?:\$|\{([^}]*)\}|([A-Za-z_]\w*|\d))", re.ASCII)


def expand_environment(text: str) -> str:
    """`$NAME` and `${NAME}` from the environment ("" if undefined); `$$` is a dollar."""

    def value(found: re.Match[str]) -> str:
        name = found[1] or found[2]
        if found[0] == "$$" or name == "$":
            return "$"
        return os.environ.get(name, "") if name else ""

    return _VARIABLE.sub(value, text)


def _external_labels(at: At) -> Mapping[str, str]:
    return {name: expand_environment(text) for name, text in kinds.labels(at).items()}


external_labels: Kind[Mapping[str, str]] = Kind(
    _external_labels, lambda found: dict(sorted(found.items())), {}
)


@record
class GlobalConfig(Section):
    """What holds for every scrape config and rule group that does not say otherwise."""

    scrape_interval_ms: int = opt(kinds.duration, _INTERVAL_MS, key="scrape_interval", always=True)
    # 0 where it is left out: then it is the default, or the interval if that is shorter.
    scrape_timeout_ms: int = opt(kinds.duration, 0, key="scrape_timeout", always=True)
    scrape_protocols: tuple[str, ...] = opt(protocols, ())
    evaluation_interval_ms: int = opt(
        kinds.duration, _INTERVAL_MS, key="evaluation_interval", always=True
    )
    rule_query_offset_ms: int = opt(kinds.duration, 0, key="rule_query_offset")
    external_labels: Mapping[str, str] = opt(external_labels, {})
    query_log_file: str = opt(kinds.path, "")
    limits: Limits = inline(Limits)

    def check(self, at: At) -> None:
        """A scrape must be able to end before the next."""
        interval_ms = self.scrape_interval_ms or _INTERVAL_MS
        if self.scrape_timeout_ms > interval_ms:
            at.get("scrape_timeout").fail("global scrape timeout greater than scrape interval")

    def settled(self) -> GlobalConfig:
        """The same with everything that was left to defaults filled in."""
        interval_ms = self.scrape_interval_ms or _INTERVAL_MS
        return replace(
            self,
            scrape_interval_ms=interval_ms,
            scrape_timeout_ms=self.scrape_timeout_ms or min(_TIMEOUT_MS, interval_ms),
            evaluation_interval_ms=self.evaluation_interval_ms or _INTERVAL_MS,
        )


@record
class RuntimeConfig(Section):
    """Settings of the Go runtime: accepted, and without a meaning here."""

    gogc: int = opt(kinds.integer, 75, always=True)

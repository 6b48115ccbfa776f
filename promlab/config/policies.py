"""Storage policies: how long some metrics are kept, and which aggregates outlive the samples.

A file of its own (`--storage.tsdb.policies-file`), since prometheus.yml has no place for it:

    retention:
      - match: '{__name__=~"debug_.*"}'
        time: 3d
    downsampling:
      - {resolution: 5m, after: 2d, retention: 1y}
      - {resolution: 1h, after: 10d}
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from promlab.config import kinds
from promlab.config.document import At, parse, read_text
from promlab.config.section import Section, opt, record, sections
from promlab.errors import PromlabError


@record
class RetentionPolicy(Section):
    """Series that are kept for less time than the others."""

    match: str = opt(kinds.string, "")
    time_ms: int = opt(kinds.duration, 0, key="time")

    def check(self, at: At) -> None:
        """Both are needed."""
        if not self.match:
            at.fail("has no match: a selector is needed")
        if not self.time_ms:
            at.fail("has no time: a duration above 0 is needed")


@record
class DownsamplingPolicy(Section):
    """Aggregates of samples that are older than `after`; kept for `retention`, 0: for ever."""

    resolution_ms: int = opt(kinds.duration, 0, key="resolution")
    after_ms: int = opt(kinds.duration, 0, key="after")
    retention_ms: int = opt(kinds.duration, 0, key="retention")

    def check(self, at: At) -> None:
        """A resolution from 1 s to a day."""
        if not 1_000 <= self.resolution_ms <= 86_400_000:
            at.fail("resolution must be from 1s to 1d")


@record
class StoragePolicies(Section):
    """All of the file."""

    retention: tuple[RetentionPolicy, ...] = opt(sections(RetentionPolicy, "empty policy"), ())
    downsampling: tuple[DownsamplingPolicy, ...] = opt(
        sections(DownsamplingPolicy, "empty policy"), ()
    )


def load_policies(path: str | Path, check_selector: Callable[[str], object]) -> StoragePolicies:
    """The policies in a file. Raises ConfigError naming file, line and field."""
    at = parse(read_text(path), str(path))
    found = StoragePolicies.read(at)
    for i, policy in enumerate(found.retention):
        try:
            check_selector(policy.match)
        except PromlabError as error:
            at.get("retention").fail(f"policy {i}: match {policy.match!r}: {error}")
    return found

"""The `storage` section: out-of-order window, retention, exemplars."""

from __future__ import annotations

from promlab.config import kinds
from promlab.config.document import At
from promlab.config.section import Section, opt, record, section


@record
class RetentionConfig(Section):
    """How long, and how much, is kept; 0 for what the command line says."""

    time_ms: int = opt(kinds.duration, 0, key="time")
    size: int = opt(kinds.size, 0)
    percentage: float = opt(kinds.number, 0.0)

    def check(self, at: At) -> None:
        """A share of a disk."""
        if not 0 <= self.percentage <= 100:
            at.get("percentage").fail("must be between 0 and 100")


@record
class ChunkEncodingConfig(Section):
    """How Prometheus encodes chunks: accepted, and without a meaning here."""

    floats: str = opt(kinds.one_of("xor", "xor2", what="chunk encoding"), "")


@record
class TSDBConfig(Section):
    """The database."""

    out_of_order_time_window_ms: int = opt(kinds.duration, 0, key="out_of_order_time_window")
    stale_series_compaction_threshold: float = opt(kinds.number, 0.0)
    chunk_encoding: ChunkEncodingConfig = opt(section(ChunkEncodingConfig), ChunkEncodingConfig())
    retention: RetentionConfig = opt(section(RetentionConfig), RetentionConfig())


@record
class ExemplarsConfig(Section):
    """How many exemplars are kept."""

    max_exemplars: int = opt(kinds.integer, 100_000)


@record
class StorageConfig(Section):
    """All of storage."""

    tsdb: TSDBConfig = opt(section(TSDBConfig), TSDBConfig())
    exemplars: ExemplarsConfig = opt(section(ExemplarsConfig), ExemplarsConfig())

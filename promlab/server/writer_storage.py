"""The writer's head: how it is opened, and what of it the configuration says."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from promlab.config.storage import RetentionConfig
from promlab.server import process
from promlab.server.checked_config import Checked
from promlab.server.settings import Settings
from promlab.tsdb.progress import Progress

if TYPE_CHECKING:
    from promlab.tsdb.blocks.keeper import Policies
    from promlab.tsdb.head import Head

EXEMPLARS = "exemplar-storage"
_AGENT_FILE_BYTES = 16 << 20


def open_head(settings: Settings, progress: Progress) -> Head:
    """Opens the data directory, in a thread of its own; kernels first."""
    process.load_kernels(["promlab.exposition", "promlab.tsdb"], ["promlab.tsdb.head"])
    from promlab.tsdb.head import Head
    from promlab.tsdb.options import HeadOptions

    options = HeadOptions(
        sync=settings.wal_fsync,
        retention_s=settings.retention_ms / 1000,
        retention_bytes=settings.retention_bytes,
        block_s=settings.min_block_ms / 1000,
        max_block_s=settings.max_block_ms / 1000,
    )
    if settings.agent:
        # Small files: what is sent goes file by file.
        options = replace(
            options,
            chunk_file_bytes=_AGENT_FILE_BYTES,
            chunk_file_s=settings.truncate_ms / 1000,
            segment_bytes=settings.wal_segment_bytes or options.segment_bytes,
        )
    return Head.open(settings.data_path, options=options, progress=progress)


def configure_head(head: Head, loaded: Checked, settings: Settings) -> None:
    """What of the storage the configuration says, and a reload may change. Raises ConfigError."""
    storage = loaded.config.storage
    keeps = EXEMPLARS in settings.features
    head.configure(
        late_window_s=storage.tsdb.out_of_order_time_window_ms / 1000,
        max_exemplars=max(0, storage.exemplars.max_exemplars) if keeps else 0,
    )
    head.limit(*_retention(settings, storage.tsdb.retention))
    if head.blocks is not None and settings.policies_file:
        head.blocks.policies = _policies(settings.policies_file)


def _retention(settings: Settings, section: RetentionConfig) -> tuple[float, int, float]:
    """Seconds, bytes and share of the disk to keep: what the file says comes before flags."""
    if section.time_ms or section.size or section.percentage:
        return section.time_ms / 1000, section.size, section.percentage
    return settings.retention_ms / 1000, settings.retention_bytes, 0.0


def _policies(path: str) -> Policies:
    """The storage policies in a file. Raises ConfigError."""
    # Loaded only where there is such a file: the grammar of selectors is large.
    from promlab.config.policies import load_policies
    from promlab.stored.selectors import matchers_of
    from promlab.tsdb.blocks.keeper import Policies

    found = load_policies(path, matchers_of)
    return Policies(
        tuple(
            (
                [[m.name, m.type.value, m.value] for m in matchers_of(policy.match)],
                policy.time_ms,
            )
            for policy in found.retention
        ),
        tuple((p.resolution_ms, p.after_ms, p.retention_ms) for p in found.downsampling),
    )

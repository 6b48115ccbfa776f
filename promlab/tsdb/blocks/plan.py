"""Which blocks are joined next, and which have to go: pure functions of their meta.json.

Ranges grow by three, from the smallest block's to `max_block_ms`, and are aligned to the
epoch, as Prometheus's are. The newest block waits, so that late ones join it.
"""

from __future__ import annotations

from collections.abc import Sequence

from promlab.tsdb.blocks.meta import Meta

STEPS = 3
_DELETED_SHARE = 0.05  # a block is written anew when more of its series have tombstones


def ranges(block_ms: int, max_block_ms: int) -> list[int]:
    """Lengths of blocks, level by level."""
    out = [block_ms]
    while out[-1] * STEPS <= max_block_ms:
        out.append(out[-1] * STEPS)
    return out


def next_compaction(
    metas: Sequence[Meta], deleted: dict[str, int], block_ms: int, max_block_ms: int
) -> list[Meta]:
    """Blocks to write as one, oldest first; none if all is well.

    `deleted` has the number of series with tombstones of the blocks that have any.
    """
    for kind in sorted({(meta.resolution_ms, meta.hints) for meta in metas}):
        mine = sorted(
            (meta for meta in metas if (meta.resolution_ms, meta.hints) == kind),
            key=lambda meta: (meta.min_time, meta.max_time, meta.ulid),
        )
        found = (
            overlapping(mine)
            or _full_range(mine, ranges(block_ms, max_block_ms)[1:])
            or [m for m in mine if _mostly_deleted(m, deleted)][:1]
        )
        if found:
            return found
    return []


def overlapping(metas: Sequence[Meta]) -> list[Meta]:
    """The first blocks, of some sorted by time, that share a stretch of it."""
    group: list[Meta] = []
    until = 0
    for meta in metas:
        if group and meta.min_time < until:
            group.append(meta)
            until = max(until, meta.max_time)
            continue
        if len(group) > 1:
            break
        group, until = [meta], meta.max_time
    return group if len(group) > 1 else []


def _full_range(metas: Sequence[Meta], lengths: Sequence[int]) -> list[Meta]:
    if not metas:
        return []
    newest = metas[-1].min_time
    for length in lengths:
        parts: dict[int, list[Meta]] = {}
        for meta in metas[:-1]:
            begin = meta.min_time // length * length
            if meta.max_time <= begin + length:
                parts.setdefault(begin, []).append(meta)
        for begin in sorted(parts):
            part = parts[begin]
            spans = part[-1].max_time - part[0].min_time
            if len(part) > 1 and (spans == length or begin + length <= newest):
                return part
    return []


def _mostly_deleted(meta: Meta, deleted: dict[str, int]) -> bool:
    return deleted.get(meta.ulid, 0) > _DELETED_SHARE * (meta.series + 1)


def expired(
    metas: Sequence[Meta],
    newest_ms: int,
    retention_ms: int,
    retention_bytes: int,
    other_bytes: int,
) -> list[tuple[Meta, str]]:
    """Blocks that have to go, and why: "time" or "size". 0 means without limit.

    `other_bytes` are those of the head and the WAL: they count, but are not deleted.
    """
    gone: list[tuple[Meta, str]] = []
    left = sorted(metas, key=lambda meta: (meta.max_time, meta.ulid))
    if retention_ms > 0:
        limit = newest_ms - retention_ms
        gone += [(meta, "time") for meta in left if meta.max_time <= limit]
        left = [meta for meta in left if meta.max_time > limit]
    if retention_bytes > 0:
        total = other_bytes + sum(meta.bytes for meta in left)
        for meta in left:
            if total <= retention_bytes:
                break
            gone.append((meta, "size"))
            total -= meta.bytes
    return gone

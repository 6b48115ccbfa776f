"""xfs: what XFS file systems did, from /sys/fs/xfs/<device>/stats."""

from __future__ import annotations

from collections.abc import Iterator

from promlab.exporters.families import Family
from promlab.exporters.node.gathered import Gathered
from promlab.exporters.node.host import NoData, OfHost

# A line's name to what its numbers count, in their order.
_LINES = {
    "extent_alloc": (
        "extent_allocation_extents_allocated",
        "extent_allocation_blocks_allocated",
        "extent_allocation_extents_freed",
        "extent_allocation_blocks_freed",
    ),
    "abt": tuple(
        f"allocation_btree_{name}"
        for name in ("lookups", "compares", "records_inserted", "records_deleted")
    ),
    "blk_map": (
        "block_mapping_reads",
        "block_mapping_writes",
        "block_mapping_unmaps",
        "block_mapping_extent_list_insertions",
        "block_mapping_extent_list_deletions",
        "block_mapping_extent_list_lookups",
        "block_mapping_extent_list_compares",
    ),
    "bmbt": tuple(
        f"block_map_btree_{name}"
        for name in ("lookups", "compares", "records_inserted", "records_deleted")
    ),
    "dir": tuple(
        f"directory_operation_{name}" for name in ("lookup", "create", "remove", "getdents")
    ),
    "ig": tuple(
        f"inode_operation_{name}"
        for name in (
            "attempts",
            "found",
            "recycled",
            "missed",
            "duplicates",
            "reclaims",
            "attribute_changes",
        )
    ),
    "rw": ("write_calls", "read_calls"),
    "vnodes": tuple(
        f"vnode_{name}"
        for name in ("active", "allocate", "get", "hold", "release", "reclaim", "remove")
    ),
}


class Collector(OfHost):
    """node_xfs_*_total{device}."""

    def collect(self) -> Iterator[Family]:
        """A counter for each number of the lines above; 0 where a kernel leaves a line out."""
        host = self._host
        if not host.linux:
            raise NoData("no XFS")
        found = Gathered("node_xfs", "XFS")
        for device in host.list_sys("fs/xfs"):
            if not host.has_sys(f"fs/xfs/{device}/stats/stats"):
                continue
            lines = {
                words[0]: words[1:]
                for line in host.sys(f"fs/xfs/{device}/stats/stats").splitlines()
                if (words := line.split())
            }
            for line_name, names in _LINES.items():
                numbers = [int(word) for word in lines.get(line_name, [])]
                numbers += [0] * (len(names) - len(numbers))
                for name, number in zip(names, numbers, strict=False):
                    found.counter(f"{name}_total", number, {"device": device})
        yield from found

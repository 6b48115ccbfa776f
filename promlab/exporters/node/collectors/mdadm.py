"""mdadm: software RAID arrays, from /proc/mdstat: state, disks, how far a rebuild is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from promlab.exporters.families import Family
from promlab.exporters.node.gathered import Gathered
from promlab.exporters.node.host import NoData, OfHost

_STATES = ("active", "inactive", "recovering", "resync", "check")
_HEAD = re.compile(r"(\S+) : (active|inactive)(?: \([a-z-]+\))?(.*)")
_BLOCKS = re.compile(r"\s*(\d+) blocks")
_NEEDED = re.compile(r"\[(\d+)/(\d+)\] \[[U_]+\]")
_WORK = re.compile(
    r"(recovery|resync|check|reshape)\s*=\s*(?:[\d.]+%\s*\((\d+)/\d+\)|DELAYED|PENDING|REMOTE)"
)
_AS_STATE = {"recovery": "recovering", "reshape": "reshaping"}
_HELPS = {
    "state": "1 for the state that an array is in.",
    "disks": "Disks of an array by state.",
    "disks_required": "Disks that an array should have.",
    "blocks": "Blocks of an array.",
    "blocks_synced": "Blocks that are in sync.",
    "degraded": "How many disks an array lacks.",
    "raid_disks": "Disks that an array is made for.",
}


@dataclass(slots=True)
class Array:
    """An array, as /proc/mdstat has it."""

    name: str
    state: str
    failed: int
    spare: int
    active: int
    required: int
    blocks: int = 0
    synced: int = 0


class Collector(OfHost):
    """node_md_*{device}."""

    def collect(self) -> Iterator[Family]:
        """Arrays of /proc/mdstat, and what /sys adds."""
        try:
            arrays = list(parse(self._host.proc("mdstat")))
        except FileNotFoundError:
            raise NoData("no /proc/mdstat") from None
        found = Gathered("node_md", "Array", _HELPS)
        for array in arrays:
            labels = {"device": array.name}
            found.gauge("disks_required", array.required, labels)
            for state in ("active", "failed", "spare"):
                found.gauge("disks", getattr(array, state), labels | {"state": state})
            for state in _STATES:
                found.gauge("state", int(array.state == state), labels | {"state": state})
            found.gauge("blocks", array.blocks, labels)
            found.gauge("blocks_synced", array.synced, labels)
        for name in self._host.list_sys("block"):
            disks = self._host.sys_number(f"block/{name}/md/raid_disks")
            if name.startswith("md") and disks is not None:
                found.gauge("raid_disks", disks, {"device": name})
                lacks = self._host.sys_number(f"block/{name}/md/degraded")
                found.gauge("degraded", lacks or 0, {"device": name})
        yield from found


def parse(text: str) -> Iterator[Array]:
    """The arrays of a /proc/mdstat, whose stanzas start at the margin."""
    array: Array | None = None
    for line in text.splitlines():
        if line[:1].strip():
            if array is not None:
                yield array
            head = _HEAD.fullmatch(line)
            array = _array(head) if head else None
        elif array is not None:
            _detail(array, line)
    if array is not None:
        yield array


def _array(head: re.Match[str]) -> Array:
    disks = [word for word in head[3].split() if "[" in word]
    failed = sum("(F)" in disk for disk in disks)
    spare = sum("(S)" in disk for disk in disks)
    # Arrays without redundancy need every disk; of others the next line says how many.
    working = len(disks) - failed - spare if head[2] == "active" else 0
    return Array(head[1], head[2], failed, spare, active=working, required=working)


def _detail(array: Array, line: str) -> None:
    blocks, needed, work = _BLOCKS.match(line), _NEEDED.search(line), _WORK.search(line)
    if blocks:
        array.blocks = array.synced = int(blocks[1])
    if needed and array.state != "inactive":
        array.required, array.active = int(needed[1]), int(needed[2])
    if work:
        array.state = _AS_STATE.get(work[1], work[1])
        array.synced = int(work[2] or 0)
